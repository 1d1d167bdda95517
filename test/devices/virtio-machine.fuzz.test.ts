/**
 * Addresses that a hostile driver of a real machine hands to a disk, all 64 bits of them, against
 * plain arithmetic on bigints: a ring or a buffer that is not wholly in RAM is refused, and nothing
 * outside of what the driver gave is touched.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Board, boardParts } from "../../devices/board.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { Virtqueue } from "../../devices/virtqueue.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_OFFSET } from "../../machine/memory.ts";
import { expectBytes, pattern } from "./bench-board.ts";

const BASE = 0x8000_0000;
const SIZE = 0x1_0000;
const START = BigInt(BASE);
const END = START + BigInt(SIZE);
const SECTORS = 64;
const MARGIN = 4096;
const HEADER = 0x300;
const STATUS = 0x310;
const TABLE = 0x400;
/** Data of honest requests lie behind it. */
const DATA = 0x1000;

/** Whether [pa, pa + length) lies in RAM; addresses have no end, so they do not wrap round. */
const inRam = (pa: bigint, length: number): boolean =>
	length === 0 || (pa >= START && pa + BigInt(length) <= END);

/** Addresses in RAM, about its ends, and what loses bits in 32 of them, in a double or in a sum. */
const ODD = [0n, 1n << 31n, 1n << 32n, 1n << 53n, 1n << 63n, 1n << 64n, START, END];
const near = fc
	.tuple(
		fc.constantFrom(...ODD, (1n << 32n) + START, (1n << 53n) + START, (1n << 64n) - START),
		fc.bigInt(-2048n, 2048n),
	)
	.map(([odd, off]) => BigInt.asUintN(64, odd + off));
const inside = fc.nat(SIZE - 1).map((n) => START + BigInt(n));
const halves = (pa: bigint): [number, number] => [
	Number(pa & 0xffff_ffffn),
	Number(BigInt.asUintN(64, pa) >> 32n),
];

it("a queue is ready exactly if its rings are aligned and in RAM", () => {
	const machine = new Machine({ ramSize: SIZE });
	const ring = (align: bigint) =>
		fc
			.tuple(fc.oneof(near, inside), fc.nat(7))
			.map(([pa, odd]) => (odd === 0 ? pa : (pa / align) * align));
	const around = () => machine.memory.u8.slice(RAM_OFFSET - MARGIN, RAM_OFFSET + SIZE + MARGIN);
	const before = around();
	const seen = { ready: 0, refused: 0 };
	fc.assert(
		fc.property(
			ring(16n),
			ring(2n),
			ring(4n),
			fc.constantFrom(1, 2, 8, 64, 256, 512, 3, 0),
			fc.boolean(),
			(desc, avail, used, num, eventIdx) => {
				const queue = new Virtqueue(machine.dma, 256);
				queue.num = num;
				queue.eventIdx = eventIdx;
				queue.desc = halves(desc);
				queue.driver = halves(avail);
				queue.device = halves(used);
				const event = eventIdx ? 2 : 0;
				const size = num > 0 && num <= 256 && (num & (num - 1)) === 0;
				const aligned = desc % 16n === 0n && avail % 2n === 0n && used % 4n === 0n;
				const ready =
					size &&
					aligned &&
					inRam(desc, 16 * num) &&
					inRam(avail, 4 + 2 * num + event) &&
					inRam(used, 4 + 8 * num + event);
				expect(queue.enable()).toBe(ready);
				seen[ready ? "ready" : "refused"]++;
			},
		),
		{ numRuns: 2000 },
	);
	expect(seen.ready).toBeGreaterThan(20);
	expect(seen.refused).toBeGreaterThan(200);
	expect(Buffer.compare(before, around())).toBe(0);
});

const IMAGE = pattern(SECTORS * 512, 3);
/** Zeros, where the rings will be; then data. */
const RAM = Uint8Array.from({ length: SIZE }, (_, i) =>
	i < DATA ? 0 : (i * 11 + (i >> 9)) & 0xff,
);

/** A disk of a real machine, and rings and headers at the start of its RAM. */
class Victim {
	readonly machine = new Machine({ ramSize: SIZE });
	readonly media = new MemoryDisk(SECTORS * 512);
	readonly board = new Board(boardParts(this.machine), { disks: [{ media: this.media }] });
	readonly ram = new DataView(this.machine.memory.buffer, RAM_OFFSET, SIZE);

	/** All as new: a machine takes longer to make than to attack. */
	start(indirect: boolean): void {
		this.machine.memory.ram8.set(RAM);
		this.media.write(0, IMAGE);
		this.#set(0x70, 0);
		this.#set(0x70, 3);
		for (const [word, features] of [indirect ? 2 ** 28 : 0, 1].entries()) {
			this.#set(0x24, word);
			this.#set(0x20, features);
		}
		this.#set(0x70, 11);
		this.#set(0x38, 8);
		for (const [offset, at] of [
			[0x80, 0x000],
			[0x90, 0x100],
			[0xa0, 0x200],
		] as const) {
			this.#set(offset, BASE + at);
			this.#set(offset + 4, 0);
		}
		this.#set(0x44, 1);
		this.#set(0x70, 15);
	}

	#set(offset: number, value: number): void {
		expect(this.machine.bus.store(0x1000_1000 + offset, 4, value)).toBe(true);
	}

	get needsReset(): boolean {
		return (this.machine.bus.load(0x1000_1070, 4) & 64) !== 0;
	}

	desc(table: number, i: number, pa: bigint, length: number, flags: number): void {
		this.ram.setBigUint64(table + 16 * i, pa, true);
		this.ram.setUint32(table + 16 * i + 8, length, true);
		this.ram.setUint16(table + 16 * i + 12, flags, true);
		this.ram.setUint16(table + 16 * i + 14, i + 1, true);
	}

	/** Host memory about RAM. */
	around(): Uint8Array {
		return this.machine.memory.u8.slice(RAM_OFFSET - MARGIN, RAM_OFFSET + SIZE + MARGIN);
	}

	notify(): void {
		this.#set(0x50, 0);
		while (this.board.disks[0]!.inFlight > 0) this.machine.clock.skip();
	}
}

const piece = fc.record({
	pa: fc.oneof(
		{ weight: 6, arbitrary: fc.nat(0x70).map((i) => START + BigInt(DATA + i * 512)) },
		{ weight: 1, arbitrary: near },
	),
	length: fc.oneof(
		{ weight: 6, arbitrary: fc.constantFrom(512, 1024, 4096) },
		{
			weight: 1,
			arbitrary: fc.constantFrom(0, 1, 511, 513, 0x8000_0000, 0xffff_fe00, 0xffff_ffff),
		},
	),
});

it("a buffer that is not in RAM makes its request fail, and moves nothing", () => {
	const seen = { ok: 0, failed: 0, tables: 0 };
	const v = new Victim();
	const property = fc.property(
		fc.array(piece, { minLength: 1, maxLength: 4 }),
		fc.boolean(),
		fc.option(fc.oneof(near, fc.constant(START + BigInt(TABLE))), { nil: null }),
		(pieces, write, table) => {
			// Data in the rings are those of another test.
			const rings = (pa: bigint): boolean => inRam(pa, 1) && pa < START + BigInt(DATA);
			fc.pre(!pieces.some(({ pa }) => rings(pa)));
			v.start(table !== null);
			v.ram.setUint32(HEADER, write ? 1 : 0, true);
			v.ram.setBigUint64(HEADER + 8, 2n, true);
			v.ram.setUint8(STATUS, 0xaa);
			const where = table === null ? 0 : TABLE;
			v.desc(where, 0, START + BigInt(HEADER), 16, 1);
			for (const [i, { pa, length }] of pieces.entries()) {
				v.desc(where, i + 1, pa, length, write ? 1 : 3);
			}
			v.desc(where, pieces.length + 1, START + BigInt(STATUS), 1, 2);
			const right = table === null || table === START + BigInt(TABLE);
			if (table !== null) v.desc(0, 0, table, 16 * (pieces.length + 2), 4);
			// Somewhere in RAM it would be another table, of anything.
			fc.pre(right || !inRam(table, 16 * (pieces.length + 2)));
			v.ram.setUint16(0x102, 1, true);
			const before = v.around();
			const disk = v.media.image();
			v.notify();
			const after = v.around();
			expect(v.needsReset).toBe(!right);
			seen.tables += right ? 0 : 1;
			const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
			const good =
				right &&
				bytes % 512 === 0 &&
				bytes <= (SECTORS - 2) * 512 &&
				pieces.every(({ pa, length }) => inRam(pa, length));
			if (right) {
				seen[good ? "ok" : "failed"]++;
				before[MARGIN + STATUS] = good ? 0 : 1;
				before[MARGIN + 0x202] = 1;
				before.set([0, 0, 0, 0], MARGIN + 0x204);
				// 2.7.8.2: as many as were written from the start on, the status behind them included.
				const used = write ? 1 : good ? bytes + 1 : 0;
				new DataView(before.buffer).setUint32(MARGIN + 0x208, used, true);
			}
			let sector = 2 * 512;
			for (const { pa, length } of good ? pieces : []) {
				// A buffer of no bytes may have any address.
				if (length === 0) continue;
				const at = MARGIN + Number(pa - START);
				if (write) disk.set(before.subarray(at, at + length), sector);
				else before.set(disk.subarray(sector, sector + length), at);
				sector += length;
			}
			expectBytes(after, before);
			expect(Buffer.compare(v.media.image(), disk)).toBe(0);
		},
	);
	fc.assert(property, { numRuns: 300 });
	expect(Math.min(seen.ok, seen.failed, seen.tables)).toBeGreaterThan(20);
});
