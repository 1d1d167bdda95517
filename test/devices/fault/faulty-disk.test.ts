import { describe, expect, it } from "vitest";
import {
	DISK_EIO,
	DISK_ERANGE,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
} from "../../../devices/disk/disk-media.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import type { MediaModels, MediaRule } from "../../../devices/fault/disk-rule.ts";
import { FaultyDisk } from "../../../devices/fault/faulty-disk.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { UserError } from "../../../machine/user-error.ts";
import { expectBytes, pattern } from "../bench-board.ts";

const SECTORS = 64;

function setUp() {
	const medium = new MemoryDisk(SECTORS * 512, { image: pattern(SECTORS * 512) });
	return { medium, faults: new FaultyDisk(medium) };
}

it("exactly the requests that overlap a bad range fail, as a whole", () => {
	const { faults } = setUp();
	faults.failReads(10, 4);
	for (let sector = 0; sector < 20; sector++) {
		for (let count = 1; count <= 8; count++) {
			const overlaps = sector <= 13 && sector + count - 1 >= 10;
			const bytes = new Uint8Array(count * 512);
			expect(faults.read(sector, bytes)).toBe(overlaps ? DISK_EIO : DISK_OK);
			const expected = pattern(SECTORS * 512).slice(sector * 512, (sector + count) * 512);
			expectBytes(bytes, overlaps ? new Uint8Array(count * 512) : expected);
		}
	}
});

it("a read fault leaves writes alone, and a write fault reads", () => {
	const { faults, medium } = setUp();
	faults.failReads(0, 1);
	faults.failWrites(1, 1);
	const bytes = pattern(512, 5);
	expect(faults.write(0, bytes)).toBe(DISK_OK);
	expect(faults.write(1, bytes)).toBe(DISK_EIO);
	expect(faults.read(1, bytes)).toBe(DISK_OK);
	expectBytes(bytes, pattern(SECTORS * 512).slice(512, 1024));
	medium.read(1, bytes);
	expectBytes(bytes, pattern(SECTORS * 512).slice(512, 1024));
});

it("a lifted fault is gone, the data are as they were, and the count stays", () => {
	const { faults } = setUp();
	const first = faults.failReads(5, 1);
	const second = faults.failReads(5, 2);
	const bytes = new Uint8Array(512);
	faults.read(5, bytes);
	expect(faults.lift(first)).toBe(true);
	expect(faults.lift(first)).toBe(false);
	faults.read(5, bytes);
	faults.read(6, bytes);
	expect(faults.armings.map(({ rule, applied }) => [rule.id, applied])).toEqual([[second, 3]]);
	faults.liftAll();
	expect(faults.read(5, bytes)).toBe(DISK_OK);
	expectBytes(bytes, pattern(SECTORS * 512).slice(5 * 512, 6 * 512));
	expect([faults.failedReads, faults.failedWrites]).toEqual([3, 0]);
});

it("a request that is wrong anyway is not counted as injected", () => {
	const { faults } = setUp();
	faults.failReads(SECTORS - 1, 1);
	faults.failWrites(0, SECTORS);
	expect(faults.read(SECTORS - 1, new Uint8Array(1024))).toBe(DISK_ERANGE);
	expect(faults.write(0, new Uint8Array(100))).toBe(DISK_ERANGE);
	const readOnly = new FaultyDisk(new MemoryDisk(512, { readOnly: true }));
	readOnly.failWrites(0, 1);
	expect(readOnly.write(0, new Uint8Array(512))).toBe(DISK_EROFS);
	expect([faults.failedReads, faults.failedWrites, readOnly.failedWrites]).toEqual([0, 0, 0]);
});

it("a fault outside the disk is refused, not forgotten", () => {
	const { faults } = setUp();
	expect(() => faults.failReads(SECTORS, 1)).toThrow(UserError);
	expect(() => faults.failWrites(0, SECTORS + 1)).toThrow(UserError);
	expect(() => faults.failReads(0, 0)).toThrow(UserError);
	expect(faults.armings).toEqual([]);
});

it("faults and counters are saved and restored", () => {
	const { faults } = setUp();
	const id = faults.failWrites(2, 1);
	faults.write(2, new Uint8Array(512));
	const state = structuredClone(faults.save());
	const other = new FaultyDisk(new MemoryDisk(SECTORS * 512));
	other.restore(state);
	const bytes = new Uint8Array(SECTORS * 512);
	other.read(0, bytes);
	expectBytes(bytes, pattern(SECTORS * 512));
	faults.write(2, new Uint8Array(512));
	expect(other.write(2, new Uint8Array(512))).toBe(DISK_EIO);
	expect(other.failedWrites).toBe(2);
	expect(other.lift(id)).toBe(true);
	expect(other.failReads(0, 1)).toBe("bad-1");
});

const READ_WHOLE = SECTORS * 512;

/** A disk with rules, at a time that the test sets. */
function faulty(rules: readonly MediaRule[], seed = 1) {
	const { medium } = setUp();
	const disk = new FaultyDisk(medium, rules, seed);
	const place = { ns: 0, instructions: 0, pc: 0 };
	disk.connect(
		() => place,
		(outage) => disk.losePower(outage),
	);
	const contents = (of: DiskMedia = disk): Uint8Array => {
		const bytes = new Uint8Array(READ_WHOLE);
		expect(of.read(0, bytes)).toBe(DISK_OK);
		return bytes;
	};
	return { medium, disk, place, contents };
}

const rule = <M extends keyof MediaModels>(
	model: M,
	params: Omit<MediaModels[M], "disk"> = {} as never,
	rest: Partial<FaultRule> = {},
): MediaRule => ({ id: model, model, params: { disk: "ld0", ...params }, ...rest }) as MediaRule;

/** Bits in which two arrays differ. */
function differing(a: Uint8Array, b: Uint8Array): number[] {
	const bits: number[] = [];
	for (let i = 0; i < a.length * 8; i++) {
		if ((((a[i >>> 3]! ^ b[i >>> 3]!) >>> (i & 7)) & 1) !== 0) bits.push(i);
	}
	return bits;
}

describe("rules", () => {
	it("transient: a request fails, and the same one again does not", () => {
		const { disk, contents } = faulty([rule("disk.transient", {}, { when: { hit: 2 } })]);
		const bytes = new Uint8Array(512);
		expect([disk.read(0, bytes), disk.read(1, bytes), disk.read(1, bytes)]).toEqual([0, 1, 0]);
		expect(contents()).toEqual(pattern(READ_WHOLE));
		expect(disk.ledger.entries).toMatchObject([
			{ rule: "disk.transient", ordinal: 1, target: "read of sectors 1 to 1", effect: "failed" },
		]);
	});

	it("latent: reads fail from a time on, until the sectors are written", () => {
		const window = [100, Number.MAX_SAFE_INTEGER] as const;
		const latent = rule("disk.latent", { sector: 4, count: 2 }, { when: { window } });
		const { disk, place } = faulty([latent]);
		const bytes = new Uint8Array(1024);
		disk.write(4, pattern(1024, 1));
		expect(disk.read(4, bytes)).toBe(DISK_OK);
		place.ns = 100;
		expect(disk.read(4, bytes)).toBe(DISK_EIO);
		expect(disk.write(4, pattern(512, 2))).toBe(DISK_OK);
		expect(disk.read(4, bytes)).toBe(DISK_EIO);
		expect(disk.read(4, bytes.subarray(512))).toBe(DISK_OK);
		disk.write(5, pattern(512, 3));
		expect(disk.read(4, bytes)).toBe(DISK_OK);
		expectBytes(bytes.slice(512), pattern(512, 3));
	});

	it("corrupt: as many bits of a read as asked for, once, and the medium keeps the truth", () => {
		const { disk, contents, medium } = faulty([rule("disk.corrupt", { bits: 3 })]);
		expect(differing(contents(), pattern(READ_WHOLE))).toHaveLength(3);
		expect(contents()).toEqual(pattern(READ_WHOLE));
		expect(contents(medium)).toEqual(pattern(READ_WHOLE));
		expect(disk.altered).toEqual([]);
	});

	it("corrupt, sticky: the same wrong data until they are overwritten or healed", () => {
		const { disk, contents, medium } = faulty([rule("disk.corrupt", { sticky: true })]);
		const wrong = contents();
		expect(differing(wrong, pattern(READ_WHOLE))).toHaveLength(1);
		expect(contents()).toEqual(wrong);
		const [sector] = disk.altered;
		disk.write(sector!, pattern(READ_WHOLE).slice(sector! * 512, (sector! + 1) * 512));
		expect(contents()).toEqual(contents(medium));
	});

	it("corrupt, of a write: the disk keeps the wrong data, and heals to the right ones", () => {
		const { disk, contents } = faulty([rule("disk.corrupt", { direction: "write", bits: 2 })]);
		disk.write(7, pattern(1024, 9));
		const right = pattern(READ_WHOLE);
		right.set(pattern(1024, 9), 7 * 512);
		expect(differing(contents(), right)).toHaveLength(2);
		disk.heal();
		expect(contents()).toEqual(right);
	});

	it("lost: the disk returns what was there, until it is written again", () => {
		const { disk, contents, medium } = faulty([rule("disk.lost-write")]);
		expect(disk.write(3, pattern(1024, 4))).toBe(DISK_OK);
		expect(contents()).toEqual(pattern(READ_WHOLE));
		expect(contents(medium)).not.toEqual(pattern(READ_WHOLE));
		disk.write(3, pattern(1024, 5));
		expect(contents()).toEqual(contents(medium));
	});

	it.each([
		[4, [3, 4, 7, 8]],
		[1, [3, 4, 5]],
		[-3, [0, 1, 3, 4]],
		[60, [3, 4, 63]],
		[-4, [0, 3, 4]],
	])("misdirected by %i sectors: sectors %j are wrong", (offset, wrong) => {
		const { disk, contents } = faulty([rule("disk.misdirected-write", { offset })]);
		disk.write(3, pattern(1024, 6));
		expect(disk.altered).toEqual(wrong);
		const seen = contents();
		for (let i = 0; i < 2; i++) {
			const to = 3 + offset + i;
			const sector = pattern(1024, 6).slice(i * 512, (i + 1) * 512);
			if (to >= 0 && to < SECTORS) expectBytes(seen.slice(to * 512, (to + 1) * 512), sector);
		}
	});

	it.each([
		[{ keep: "prefix", units: 3 }, [1, 1, 1, 0, 0, 0, 0, 0]],
		[{ keep: "suffix", units: 3 }, [0, 0, 0, 0, 0, 1, 1, 1]],
		[{ keep: "interleaved" }, [1, 0, 1, 0, 1, 0, 1, 0]],
		[{ keep: "prefix", units: 8 }, [1, 1, 1, 1, 1, 1, 1, 1]],
		[{ keep: "prefix", units: 0 }, [0, 0, 0, 0, 0, 0, 0, 0]],
	] as const)("torn, %j: the other units keep their contents", (params, arrived) => {
		const { disk, contents } = faulty([rule("disk.torn-write", params)]);
		const written = pattern(8 * 512, 7);
		expect(disk.write(8, written)).toBe(DISK_OK);
		const seen = contents();
		for (const [i, arrives] of arrived.entries()) {
			const from = (8 + i) * 512;
			const expected = arrives
				? written.slice(i * 512, (i + 1) * 512)
				: pattern(READ_WHOLE).slice(from, from + 512);
			expectBytes(seen.slice(from, from + 512), expected);
		}
	});

	it("torn: in pages, with zeros, and reported", () => {
		const params = { unit: 4096, units: 1, rest: "zero", report: "error" } as const;
		const { disk, contents } = faulty([rule("disk.torn-write", params)]);
		const written = pattern(2 * 4096, 8);
		expect(disk.write(0, written)).toBe(DISK_EIO);
		expectBytes(contents().slice(0, 4096), written.slice(0, 4096));
		expectBytes(contents().slice(4096, 8192), new Uint8Array(4096));
	});

	it("a request of more than one sector that only touches the range is a candidate", () => {
		const { disk } = faulty([rule("disk.lost-write", { sector: 10, count: 2 })]);
		disk.write(8, pattern(1024, 1));
		expect(disk.altered).toEqual([]);
		disk.write(9, pattern(1024, 1));
		expect(disk.altered).toEqual([9, 10]);
	});

	it("the seed decides, and no rule disturbs another", () => {
		const requests = (rules: readonly MediaRule[], seed: number): number[] => {
			const { disk } = faulty(rules, seed);
			for (let i = 0; i < 200; i++) disk.write(i % SECTORS, pattern(512, i));
			return disk.ledger.entries
				.filter((entry) => entry.rule === "disk.lost-write")
				.map((entry) => entry.ordinal);
		};
		const lost = rule("disk.lost-write", {}, { when: { chance: 0.1 } });
		const other = rule("disk.corrupt", { direction: "write" }, { when: { chance: 0.5 } });
		const alone = requests([lost], 5);
		expect(alone.length).toBeGreaterThan(5);
		expect(requests([lost], 5)).toEqual(alone);
		expect(requests([other, lost], 5)).toEqual(alone);
		expect(requests([lost], 6)).not.toEqual(alone);
	});

	it("goes on from a saved state, and from a checkpoint, as if there had been none", () => {
		const rules = [
			rule("disk.lost-write", {}, { when: { chance: 0.3 } }),
			rule("disk.transient", {}, { when: { every: 5 }, life: { count: 2 } }),
			rule("disk.corrupt", { sticky: true }, { when: { hit: 20 } }),
			rule("disk.latent", { sector: 0, count: 4 }),
		];
		const act = (disk: FaultyDisk, from: number, to: number): number[] =>
			Array.from({ length: to - from }, (_, i) => {
				const sector = ((from + i) * 7) % SECTORS;
				return i % 2 === 0
					? disk.write(sector, pattern(512, from + i))
					: disk.read(sector, new Uint8Array(512));
			});
		const straight = faulty(rules).disk;
		const results = [...act(straight, 0, 30), ...act(straight, 30, 100)];
		const { disk } = faulty(rules);
		const first = act(disk, 0, 30);
		const saved = structuredClone(disk.save());
		const checkpoint = disk.checkpoint();
		act(disk, 30, 60);
		disk.rollback(checkpoint);
		expect([...first, ...act(disk, 30, 100)]).toEqual(results);
		const other = faulty(rules).disk;
		other.restore(saved);
		expect(act(other, 30, 100)).toEqual(results.slice(30));
		expect(other.ledger.entries).toEqual(straight.ledger.entries);
		expect(other.altered).toEqual(straight.altered);
	});
});
