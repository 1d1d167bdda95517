/**
 * Memory as devices reach it, against an array: any address and length, whole pages and parts of
 * them. What lies in front of RAM and behind it in the host's memory is never touched.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE, RAM_OFFSET } from "../../machine/memory.ts";

const PAGE = 4096;
const PAGES = 16;
const SIZE = PAGES * PAGE;
/** Bytes on either side of RAM that are watched. */
const MARGIN = 2 * PAGE;

/** Distances from the start of RAM; any double is one. */
const place = fc.oneof(
	{ weight: 6, arbitrary: fc.nat(PAGES).map((i) => i * PAGE) },
	{ weight: 3, arbitrary: fc.nat(SIZE) },
	{ weight: 2, arbitrary: fc.integer({ min: -40, max: 40 }) },
	{ weight: 2, arbitrary: fc.integer({ min: SIZE - 40, max: SIZE + 40 }) },
	{
		weight: 1,
		arbitrary: fc.constantFrom(
			...[-RAM_BASE, -RAM_OFFSET, 2 ** 31, 2 ** 32, 2 ** 32 + 64, 2 ** 32 - RAM_BASE],
			...[-(2 ** 32), 2 ** 53, 2 ** 64, 2 ** 64 - RAM_BASE],
		),
	},
);
const length = fc.oneof(
	fc.nat(4).map((i) => i * PAGE),
	fc.nat(3 * PAGE),
	fc.nat(40),
);
const access = fc.record({
	how: fc.constantFrom("read", "write", "readAt", "writeAt", "contains", "load", "store"),
	at: place,
	/** Of the bytes that are moved, in their array. */
	from: fc.oneof(fc.constant(0), fc.nat(50)),
	length,
	seed: fc.nat(255),
});
type Access = typeof access extends fc.Arbitrary<infer T> ? T : never;

class Pair {
	readonly machine: Machine;
	/** RAM, and MARGIN bytes on either side. */
	readonly model: Uint8Array;

	constructor(machine: Machine) {
		this.machine = machine;
		const { ram8 } = this.machine.memory;
		for (let i = 0; i < SIZE; i++) ram8[i] = (i * 7 + (i >> 8)) & 0xff;
		this.model = this.real().slice();
	}

	real(): Uint8Array {
		const { buffer } = this.machine.memory;
		return new Uint8Array(buffer, RAM_OFFSET - MARGIN, SIZE + 2 * MARGIN);
	}

	/** RAM of the model at `at`, or null. */
	part(at: number, n: number): Uint8Array | null {
		const inside = at >= 0 && at <= SIZE - n;
		return inside ? this.model.subarray(MARGIN + at, MARGIN + at + n) : null;
	}

	run({ how, at, from, length: n, seed }: Access): void {
		const { dma } = this.machine;
		const bytes = Uint8Array.from({ length: from + n + 3 }, (_, i) => (i * 5 + seed) & 0xff);
		const ram = this.part(at, n);
		switch (how) {
			case "contains":
				expect(dma.containsAt(at, n)).toBe(ram !== null || n === 0);
				break;
			case "read":
			case "readAt": {
				const wanted = bytes.slice();
				if (ram !== null) wanted.set(ram, from);
				const done =
					how === "read" ? dma.read(at + RAM_BASE, bytes, from, n) : dma.readAt(at, bytes, from, n);
				expect(done).toBe(ram !== null);
				expect(Buffer.compare(bytes, wanted)).toBe(0);
				break;
			}
			case "write":
			case "writeAt": {
				ram?.set(bytes.subarray(from, from + n));
				const done =
					how === "write"
						? dma.write(at + RAM_BASE, bytes, from, n)
						: dma.writeAt(at, bytes, from, n);
				expect(done).toBe(ram !== null);
				break;
			}
			case "load": {
				const word = this.part(at, 2);
				expect(dma.load16At(at)).toBe(word === null ? -1 : word[0]! + 256 * word[1]!);
				break;
			}
			default: {
				const size = ([1, 2, 4] as const)[seed % 3]!;
				const value = (seed * 0x0101_0101) >>> 0;
				const wanted = this.part(at, size);
				wanted?.fill(seed);
				const done =
					size === 1
						? dma.store8At(at, value)
						: size === 2
							? dma.store16At(at, value)
							: dma.store32At(at, value);
				expect(done).toBe(wanted !== null);
			}
		}
	}
}

it("any access reaches exactly its bytes of RAM, or nothing", () => {
	// A machine takes longer to make than to use.
	const machine = new Machine({ ramSize: SIZE });
	fc.assert(
		fc.property(fc.array(access, { maxLength: 12 }), (accesses) => {
			const pair = new Pair(machine);
			for (const one of accesses) {
				// An address above 2^53 is not the sum that the test makes of it.
				if (Number.isSafeInteger(one.at + RAM_BASE) || !/^(read|write)$/.test(one.how)) {
					pair.run(one);
				}
			}
			expect(Buffer.compare(pair.real(), pair.model)).toBe(0);
		}),
		{ numRuns: 150 },
	);
});
