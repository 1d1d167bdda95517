/** Damaged executables on a bare machine: refused in one line, or run without harm. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { elfCode, elfSymbols } from "../../firmware/elf.ts";
import { ImageError } from "../../firmware/image.ts";
import { assemble } from "../isa/assembler.ts";

/** More of it: FUZZ_RUNS=20000 npx vitest run test/firmware/elf.fuzz */
const RUNS = Number(process.env.FUZZ_RUNS ?? 80);
const RAM = 64 * 1024;
const BASE = 0x8000_0000;
const CYCLES = 20_000;

/** Prints A, D, G... by HTIF, forever, with random commands in between. */
const CODE = assemble(
	`
	la s0, tohost
	li s1, 65
	lui s2, 0x1010
next:	sw s1, 0(s0)
	sw s2, 4(s0)
	addi s1, s1, 3
	call wait
	sw s0, 0(s0)
	call wait
	j next
wait:	li t0, 100
again:	addi t0, t0, -1
	bne t0, zero, again
	ret
	.org 0x100
tohost:	.word 0
	.word 0
	.word 0
	.word 0`,
	BASE,
).bytes;

const SEGMENTS = 52;
const CODE_AT = 0x100;
const SYMBOLS = CODE_AT + CODE.length;
const STRINGS = SYMBOLS + 4 * 16;
const NAMES = "\0tohost\0fromhost\0a\0";
const SECTIONS = STRINGS + 32;
const SIZE = SECTIONS + 4 * 40;

/** Two segments, a symbol table with tohost and fromhost. */
function executable(): Uint8Array {
	const file = new Uint8Array(SIZE);
	const view = new DataView(file.buffer);
	const put = (at: number, words: number[]): void => {
		for (const [i, word] of words.entries()) view.setUint32(at + 4 * i, word, true);
	};
	file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	put(16, [(243 << 16) | 2, 1, BASE, SEGMENTS, SECTIONS, 0, (32 << 16) | 52, (40 << 16) | 2, 4]);
	put(SEGMENTS, [1, CODE_AT, BASE, BASE, CODE.length, CODE.length, 7, 4096]);
	put(SEGMENTS + 32, [1, CODE_AT, BASE + 0x2000, BASE + 0x2000, 16, 0x800, 6, 4096]);
	file.set(CODE, CODE_AT);
	put(SYMBOLS + 16, [1, BASE + 0x100, 8, 0x11, 8, BASE + 0x108, 8, 0x11, 17, BASE, 0, 0]);
	file.set(Buffer.from(NAMES), STRINGS);
	put(SECTIONS + 40, [0, 1, 6, BASE, CODE_AT, CODE.length, 0]);
	put(SECTIONS + 80, [0, 2, 0, 0, SYMBOLS, 64, 3]);
	put(SECTIONS + 120, [0, 3, 0, 0, STRINGS, NAMES.length, 0]);
	return file;
}

interface Damage {
	readonly at: number;
	readonly bytes: 1 | 2 | 4;
	readonly value: number;
}

/** Words at the edges of something. */
const EDGES = [0, 1, 2, 52, 0x1000, BASE - 4, BASE, BASE + 0xffc, BASE + RAM - 1, BASE + RAM];
const value = fc.oneof(
	fc.constantFrom(...EDGES, 0x7fff_ffff, 0xffff_f000, 0xffff_ffff),
	fc.nat(SIZE),
	fc.integer({ min: BASE - 0x1000, max: BASE + RAM + 0x1000 }),
	fc.nat(0xffff_ffff),
);
/** Fields of headers and symbols; and anything. */
const place = fc.oneof(
	fc.nat(31).map((i) => 16 + 2 * (i % 18)),
	fc.nat(15).map((i) => SEGMENTS + 4 * i),
	fc.nat(15).map((i) => SYMBOLS + 4 * i),
	fc.nat(39).map((i) => SECTIONS + 4 * i),
	fc.nat(SIZE - 4),
);
const width = fc.constantFrom(1, 2, 4, 4, 4) as fc.Arbitrary<Damage["bytes"]>;
const damage: fc.Arbitrary<Damage> = fc.record({ at: place, bytes: width, value });

function damaged(damages: readonly Damage[], length: number): Uint8Array {
	const file = executable();
	const view = new DataView(file.buffer);
	for (const { at, bytes, value: v } of damages) {
		if (at + bytes > SIZE) continue;
		if (bytes === 1) view.setUint8(at, v & 0xff);
		else if (bytes === 2) view.setUint16(at, v & 0xffff, true);
		else view.setUint32(at, v, true);
	}
	return file.subarray(0, length);
}

/** => null if the image is refused as it should be. */
function load(file: Uint8Array, options: { sbi?: boolean }): Bare | null {
	try {
		return new Bare({ image: file, ram: RAM, ...options });
	} catch (error) {
		if (!(error instanceof ImageError)) throw error;
		expect(error.message).toMatch(/^(image|device tree): [^\n]+$/);
		return null;
	}
}

describe("damaged executables", () => {
	it("the undamaged executable runs", () => {
		const bare = load(executable(), {})!;
		expect(bare.run(CYCLES)).toBe("running");
		expect(bare.report(0).console.slice(0, 3)).toBe("ADG");
	});

	it("are refused in one line, or run", () => {
		let ran = 0;
		fc.assert(
			fc.property(
				fc.array(damage, { minLength: 1, maxLength: 4 }),
				fc.oneof({ weight: 9, arbitrary: fc.constant(SIZE) }, fc.nat(SIZE)),
				(damages, length) => {
					const bare = load(damaged(damages, length), {});
					if (bare === null) return;
					ran++;
					while (bare.run(CYCLES) === "input") bare.inputEnd();
					bare.reset();
					bare.run(CYCLES + 100);
				},
			),
			{ numRuns: RUNS },
		);
		expect(ran).toBeGreaterThan(RUNS / 20);
	});

	it("overlapping symbol names take time in proportion to the size of the file", () => {
		const long = 1 << 20;
		const count = 1 << 14;
		const file = new Uint8Array(SIZE + long + 16 * count);
		file.set(executable());
		const view = new DataView(file.buffer);
		file.fill(0x41, SIZE, SIZE + long - 1);
		view.setUint32(SECTIONS + 80 + 16, SIZE + long, true);
		view.setUint32(SECTIONS + 80 + 20, 16 * count, true);
		view.setUint32(SECTIONS + 120 + 16, SIZE, true);
		view.setUint32(SECTIONS + 120 + 20, long, true);
		for (let i = 0; i < count; i++) view.setUint32(SIZE + long + 16 * i, i, true);
		expect(elfSymbols(file)).toEqual([]);
		expect(elfCode(file)).toHaveLength(1);
		expect(load(file, {})).not.toBe(null);
	});
});
