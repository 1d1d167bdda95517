/**
 * Hostile drivers. With any contents of the rings, the device terminates, never throws, writes only
 * where the rings allow, and works again after a reset.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import { Bench, expectBytes, pattern } from "./bench-board.ts";
import { BlkDriver, DATA } from "./blk-driver.ts";

const NUM = 16;
const RAM = 0x8000_0000;
/** The guest's buffers, which descriptors point to. Everything above is unused. */
const BUFFERS_END = DATA + 0x4000;
const TABLE = 0x8000_4000;

const kind = (legacy: boolean) => (legacy ? "legacy" : "modern");

const address = fc.oneof(
	{ weight: 12, arbitrary: fc.integer({ min: DATA, max: BUFFERS_END - 1 }) },
	{ weight: 6, arbitrary: fc.nat(31).map((i) => DATA + i * 512) },
	{ weight: 3, arbitrary: fc.nat(3).map((i) => TABLE + i * 256) },
	{
		weight: 1,
		arbitrary: fc.constantFrom(0, 0x1000_1070, RAM - 8, 2 ** 32 - 8, 2 ** 63, 2 ** 64 - 2048),
	},
);
const length = fc.oneof(
	{ weight: 6, arbitrary: fc.constantFrom(1, 16, 17, 512, 513) },
	{ weight: 2, arbitrary: fc.nat(1100) },
	{ weight: 1, arbitrary: fc.constantFrom(0, 0xffff_ffff, 0xffff_fe00, 0x8000_0000) },
);
const descriptor = fc.record({
	pa: address,
	length,
	flags: fc.oneof(
		{ weight: 6, arbitrary: fc.nat(3) },
		{ weight: 2, arbitrary: fc.nat(7) },
		{ weight: 1, arbitrary: fc.nat(0xffff) },
	),
	next: fc.oneof(
		{ weight: 9, arbitrary: fc.nat(NUM - 1) },
		{ weight: 1, arbitrary: fc.nat(0xffff) },
	),
});
const request = fc.record({
	type: fc.constantFrom(0, 0, 1, 1, 4, 8, 99),
	sector: fc.nat(70),
	/** Data pieces; the device writes them for a read. */
	data: fc.array(fc.tuple(address, length), { maxLength: 3 }),
	indirect: fc.boolean(),
});
const ring = fc.record({
	requests: fc.array(request, { minLength: 1, maxLength: 3 }),
	/** What is then spoilt: descriptors of the queue and of the indirect tables, and heads. */
	spoilt: fc.array(fc.tuple(fc.nat(NUM - 1), descriptor), { maxLength: 2 }),
	spoiltIndirect: fc.array(fc.tuple(fc.nat(47), descriptor), { maxLength: 2 }),
	heads: fc.array(fc.nat(0xffff), { maxLength: 2 }),
	idxJump: fc.oneof(
		{ weight: 9, arbitrary: fc.constant(0) },
		{ weight: 1, arbitrary: fc.nat(0xffff) },
	),
	kick: fc.nat(3),
});
type Rings = typeof ring extends fc.Arbitrary<infer T> ? T : never;

/** => the number of chains offered. */
function writeRings(driver: BlkDriver, rings: Rings): number {
	const { ram } = driver.bench;
	const heads: number[] = [];
	let free = 0;
	for (const [i, { type, sector, data, indirect }] of rings.requests.entries()) {
		const header = DATA + i * 64;
		ram.store32(header, type);
		ram.store32(header + 8, sector);
		const table = indirect ? TABLE + i * 256 : driver.desc;
		const first = indirect ? 0 : free;
		const write = type === 1 ? 0 : 2;
		driver.putDesc(first, header, 16, 1, first + 1, table);
		for (const [j, [pa, size]] of data.entries()) {
			driver.putDesc(first + 1 + j, pa, size, 1 | write, first + 2 + j, table);
		}
		const last = first + 1 + data.length;
		driver.putDesc(last, header + 32, 1, 2, 0, table);
		if (indirect) driver.putDesc(free, table, 16 * (data.length + 2), 4);
		heads.push(free);
		free = indirect ? free + 1 : last + 1;
	}
	for (const [i, d] of rings.spoilt) driver.putDesc(i, d.pa, d.length, d.flags, d.next);
	for (const [i, d] of rings.spoiltIndirect) {
		driver.putDesc(i, d.pa, d.length, d.flags, d.next % 16, TABLE);
	}
	heads.push(...rings.heads.map((head) => (head < 0x8000 ? head % NUM : head)));
	for (const head of heads) driver.submit(head, false);
	if (rings.idxJump > 0) ram.store16(driver.availRing + 2, rings.idxJump);
	return heads.length;
}

function attack(rings: Rings) {
	const media = new MemoryDisk(64 * 512, { image: pattern(64 * 512) });
	const bench = new Bench({ disks: [{ media, timing: new SsdTiming() }] });
	const driver = new BlkDriver(bench, 0, NUM);
	driver.start([(1 << 9) | (1 << 28), 1]);
	const offered = writeRings(driver, rings);
	const nobodys = bench.ram.bytes.slice(BUFFERS_END - RAM + 1100);
	// Also notify while requests are in flight, and queues that do not exist.
	for (let i = 0; i <= rings.kick; i++) {
		driver.setReg(0x50, i === 2 ? 7 : 0);
		if (i === 1) bench.clock.skip();
	}
	driver.settle();
	expectBytes(bench.ram.bytes.slice(BUFFERS_END - RAM + 1100), nobodys);
	expect(bench.board.disks[0]!.inFlight).toBe(0);
	return { bench, driver, offered };
}

it("random rings do no harm, and the device works after a reset", () => {
	let answered = 0;
	let broken = 0;
	fc.assert(
		fc.property(ring, (rings) => {
			const { bench, driver, offered } = attack(rings);
			const needsReset = (driver.reg(0x70) & 64) !== 0;
			const used = bench.ram.load16(driver.usedRing + 2);
			// Without an error each chain offered was answered.
			if (!needsReset && rings.idxJump === 0) expect(used).toBe(offered);
			expect(used).toBeLessThanOrEqual(NUM);
			answered += used;
			broken += needsReset ? 1 : 0;
			driver.start();
			expect(driver.reg(0x70)).toBe(15);
			bench.ram.write(DATA, pattern(512, 4));
			expect(driver.transfer(1, 63, DATA, 512)).toBe(0);
			expect(driver.transfer(0, 63, DATA + 512, 512)).toBe(0);
			expectBytes(bench.ram.bytes.slice(DATA + 512 - RAM, DATA + 1024 - RAM), pattern(512, 4));
		}),
		{ numRuns: 400 },
	);
	// The attack must reach both ends: requests that are answered, and rings that are refused.
	expect(answered).toBeGreaterThan(75);
	expect(broken).toBeGreaterThan(75);
});

it("random bytes in all three rings do no harm", () => {
	fc.assert(
		fc.property(
			fc.uint8Array({ minLength: 600, maxLength: 600 }),
			fc.boolean(),
			fc.boolean(),
			(bytes, legacy, eventIdx) => {
				const bench = new Bench({ disks: [{ media: new MemoryDisk(512) }], virtio: kind(legacy) });
				const driver = new BlkDriver(bench, 0, NUM, { legacy, align: 4 });
				driver.start([2 ** 28 + (eventIdx ? 2 ** 29 : 0), legacy ? 0 : 1]);
				bench.ram.write(driver.desc, bytes);
				driver.setReg(0x50, 0);
				driver.settle();
				expect(bench.board.disks[0]!.inFlight).toBe(0);
			},
		),
		{ numRuns: 300 },
	);
});

it("random register accesses never throw", () => {
	const access = fc.tuple(
		fc.oneof(
			fc.nat(0x40).map((n) => n * 4),
			fc.nat(0xfff),
		),
		fc.constantFrom(1 as const, 2 as const, 4 as const),
		fc.option(fc.oneof(fc.nat(15), fc.constantFrom(64, 128, 255), fc.nat(2 ** 32 - 1)), {
			nil: null,
		}),
	);
	fc.assert(
		fc.property(fc.boolean(), fc.array(access, { maxLength: 60 }), (legacy, accesses) => {
			const bench = new Bench({ disks: [{ media: new MemoryDisk(512) }], virtio: kind(legacy) });
			for (const [offset, width, value] of accesses) {
				for (const slot of [0, 1]) {
					const pa = 0x1000_1000 + slot * 0x1000 + offset;
					if (value === null) {
						const result = bench.bus.load(pa, width);
						expect(result >= -1 && result < 2 ** 32 && Number.isInteger(result)).toBe(true);
					} else {
						bench.bus.store(pa, width, value);
					}
				}
			}
			bench.clock.advance(1);
			// Nothing that was written there lasts longer than a reset.
			const driver = new BlkDriver(bench, 0, NUM, { legacy });
			driver.start([0, legacy ? 0 : 1]);
			expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
		}),
	);
});
