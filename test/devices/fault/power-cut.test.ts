/** Losses of a disk's power: what survives of the writes in its cache, against a simple model. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { checkFaultPlan } from "../../../computer/fault/plan.ts";
import { DISK_OK, type DiskMedia } from "../../../devices/disk/disk-media.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import type { MediaRule, PowerCut } from "../../../devices/fault/disk-rule.ts";
import { FaultyDisk } from "../../../devices/fault/faulty-disk.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { expectBytes, pattern } from "../bench-board.ts";

const SECTORS = 48;
const image = pattern(SECTORS * 512);

/** Checked as a plan is. */
const cut = (params: Partial<PowerCut> = {}, when: FaultRule["when"] = { hit: 1 }): MediaRule =>
	checkFaultPlan({
		rules: [{ id: "cut", model: "disk.power-cut", params: { disk: "ld0", ...params }, when }],
	}).rules[0] as MediaRule;

function contents(of: DiskMedia): Uint8Array {
	const bytes = new Uint8Array(SECTORS * 512);
	expect(of.read(0, bytes)).toBe(DISK_OK);
	return bytes;
}

function setUp(rule: MediaRule, seed = 1) {
	const medium = new MemoryDisk(SECTORS * 512, { image });
	return { medium, disk: new FaultyDisk(medium, [rule], seed) };
}

/** A write of `count` sectors whose bytes all are `value`. */
interface Write {
	readonly sector: number;
	readonly count: number;
	readonly value: number;
}

const bytesOf = ({ count, value }: Write): Uint8Array => new Uint8Array(count * 512).fill(value);

/** `before`, with the writes whose parts are kept; null: garbage, which is taken from `actual`. */
function replay(
	before: Uint8Array,
	writes: readonly Write[],
	fate: (write: number, i: number) => boolean | null,
	actual: Uint8Array,
): Uint8Array {
	const expected = before.slice();
	for (const [n, { sector, count, value }] of writes.entries()) {
		for (let i = 0; i < count; i++) {
			const [from, to] = [(sector + i) * 512, (sector + i + 1) * 512];
			const what = fate(n, i);
			if (what === true) expected.fill(value, from, to);
			else if (what === null) expected.set(actual.subarray(from, to), from);
		}
	}
	return expected;
}

const someWrites = fc.array(
	fc.record({
		sector: fc.integer({ min: 0, max: 40 }),
		count: fc.integer({ min: 1, max: 8 }),
		value: fc.integer({ min: 0, max: 255 }),
	}),
	{ minLength: 1, maxLength: 8 },
);

it("what is flushed survives, and of the rest exactly what the mode says", () => {
	fc.assert(
		fc.property(
			someWrites,
			someWrites,
			fc.constantFrom<PowerCut["scope"]>("machine", "disk"),
			fc.constantFrom<PowerCut["unit"]>("sector", "write"),
			fc.nat(60),
			(flushed, pending, scope, unit, units) => {
				const total = unit === "write" ? pending.length : pending.reduce((n, w) => n + w.count, 0);
				const starts = pending.map((_, n) => pending.slice(0, n).reduce((k, w) => k + w.count, 0));
				const number = (n: number, i: number): number => (unit === "write" ? n : starts[n]! + i);
				const modes: [Partial<PowerCut>, (k: number) => boolean][] = [
					[{ keep: "all" }, () => true],
					[{ keep: "none" }, () => false],
					[{ keep: "prefix", units }, (k) => k < units],
					[{ keep: "single-drop", units: (units % total) + 1 }, (k) => k !== units % total],
				];
				for (const [mode, keeps] of modes) {
					const hit = flushed.length + pending.length;
					const { medium, disk } = setUp(cut({ ...mode, scope, unit }, { hit }));
					for (const write of flushed) disk.write(write.sector, bytesOf(write));
					expect(disk.flush()).toBe(DISK_OK);
					for (const write of pending) disk.write(write.sector, bytesOf(write));
					const found = contents(disk);
					const stored = replay(image, flushed, () => true, found);
					expectBytes(
						found,
						replay(stored, pending, (n, i) => keeps(number(n, i)), found),
					);
					const whole = replay(stored, pending, () => true, found);
					// The computer goes on: the medium below is as the guest has written it.
					expectBytes(contents(medium), scope === "disk" ? whole : found);
					expect(disk.pending).toEqual([]);
					expect(disk.ledger.total).toBe(1);
				}
			},
		),
		{ numRuns: 60 },
	);
});

it("the ledger says what became of each write, at random as in any order", () => {
	const counts = { kept: 0, lost: 0, garbage: 0 };
	fc.assert(
		fc.property(
			someWrites,
			fc.integer({ min: 1, max: 1_000_000 }),
			fc.constantFrom<Partial<PowerCut>>({}, { keep: "prefix", order: "free" }, { keep: "prefix" }),
			(pending, seed, mode) => {
				const rule = cut({ ...mode, unit: "write", scope: "disk" }, { hit: pending.length });
				const { disk } = setUp(rule, seed);
				for (const write of pending) disk.write(write.sector, bytesOf(write));
				const [entry] = disk.ledger.entries;
				const parts = entry!.effect.replace("power lost: ", "").split("; ");
				expect(parts.map((part) => part.replace(/:.*/, ""))).toEqual(
					pending.map(({ sector, count }) => `sectors ${sector} to ${sector + count - 1}`),
				);
				const fates = parts.map((part) => part.replace(/.*: /, "") as keyof typeof counts);
				if (mode.keep === undefined) for (const fate of fates) counts[fate]++;
				const found = contents(disk);
				const kept = (n: number): boolean | null =>
					fates[n] === "garbage" ? null : fates[n] === "kept";
				expectBytes(found, replay(image, pending, kept, found));
				// Garbage that nothing was written over is neither what was there nor what was written.
				const last = fates.length - 1;
				if (fates[last] === "garbage") {
					const { sector, value } = pending[last]!;
					const at = found.slice(sector * 512, (sector + 1) * 512);
					expect(at.every((byte) => byte === value)).toBe(false);
					expect(at.every((byte, i) => byte === image[sector * 512 + i])).toBe(false);
				}
				const prefix = fates.lastIndexOf("kept") < fates.indexOf("lost");
				if (mode.keep === "prefix" && mode.order === undefined && fates.includes("lost")) {
					expect(prefix).toBe(true);
				}
			},
		),
		{ numRuns: 300, seed: 1 },
	);
	const all = counts.kept + counts.lost + counts.garbage;
	expect(counts.kept / all).toBeCloseTo(0.375, 1);
	expect(counts.lost / all).toBeCloseTo(0.375, 1);
	expect(counts.garbage / all).toBeCloseTo(0.25, 1);
});

it("a sector of a write survives whole or not at all, unless writes do", () => {
	const { disk } = setUp(cut({ keep: "prefix", units: 3, scope: "disk" }));
	disk.write(8, new Uint8Array(8 * 512).fill(1));
	const found = contents(disk);
	expect([...Array(8).keys()].map((i) => found[(8 + i) * 512] === 1)).toEqual(
		[...Array(8).keys()].map((i) => i < 3),
	);
	expect(disk.ledger.entries[0]).toMatchObject({
		target: "write of sectors 8 to 15",
		effect: "power lost: sectors 8 to 15: 3 kept, 5 lost",
	});
});

it("the oldest writes leave a cache that is full", () => {
	const { disk } = setUp(cut({ keep: "none", cache: 2048, scope: "disk" }, { hit: 4 }));
	for (const [i, sector] of [0, 2, 0, 4].entries()) {
		disk.write(sector, new Uint8Array(1024).fill(100 + i));
	}
	const found = contents(disk);
	// The first two are stored; sectors 0 and 1 hold what was first written to them.
	expect([0, 1, 2, 3, 4].map((sector) => found[sector * 512])).toEqual([
		...[100, 100, 101, 101, image[4 * 512]],
	]);
	const large = setUp(cut({ keep: "none", cache: 512, scope: "disk" }));
	large.disk.write(0, new Uint8Array(4096).fill(7));
	expect(contents(large.disk)[0]).toBe(7);
	expect(large.disk.ledger.entries[0]!.effect).toBe("power lost: nothing was pending");
});

it("a flush that is ignored, and a cut in front of one", () => {
	const ignored = setUp(cut({ keep: "none", flush: false, scope: "disk" }, { hit: 2 }));
	ignored.disk.write(0, new Uint8Array(512).fill(1));
	expect(ignored.disk.flush()).toBe(DISK_OK);
	ignored.disk.write(1, new Uint8Array(512).fill(1));
	expectBytes(contents(ignored.disk), image);
	const before = setUp(cut({ keep: "none", on: "flush", scope: "disk" }, { hit: 2 }));
	before.disk.write(0, new Uint8Array(512).fill(1));
	before.disk.flush();
	before.disk.write(1, new Uint8Array(512).fill(2));
	before.disk.flush();
	const found = contents(before.disk);
	expect([found[0], found[512]]).toEqual([1, image[512]]);
	expect(before.disk.armings[0]!.candidates).toBe(2);
});

it("a saved disk, one rolled back, and one with new rules have the same pending writes", () => {
	const rule = cut({ keep: "none", scope: "disk" }, { hit: 3 });
	const first = setUp(rule);
	first.disk.write(0, new Uint8Array(1024).fill(1));
	const checkpoint = first.disk.checkpoint();
	const saved = structuredClone(first.disk.save());
	const second = setUp(cut({}, { hit: 99 }));
	second.disk.restore(saved);
	const third = setUp(cut({ keep: "all" }, { hit: 99 }));
	third.disk.write(0, new Uint8Array(1024).fill(1));
	third.disk.load([rule], 1, new Map([["cut", 1]]));
	for (const { disk } of [first, second, third]) {
		disk.write(1, new Uint8Array(1024).fill(2));
		disk.write(9, new Uint8Array(512).fill(3));
		expectBytes(contents(disk), image);
		expect(disk.ledger.entries[0]!.effect).toMatch(
			/^power lost: (sectors \d+ to \d+: lost(; )?){3}$/,
		);
	}
	first.disk.rollback(checkpoint);
	expect(first.disk.pending.map(({ sector }) => sector)).toEqual([0]);
	first.disk.write(1, new Uint8Array(1024).fill(2));
	first.disk.write(9, new Uint8Array(512).fill(3));
	expectBytes(contents(first.disk), image);
});
