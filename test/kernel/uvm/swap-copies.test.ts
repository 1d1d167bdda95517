/** Checksums of what is in swap, and a second disk with all of it. */
import { describe, expect, it } from "vitest";
import type { MediaModels, MediaRule } from "../../../devices/fault/disk-rule.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { EBUSY, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { ld, TestKernel, type TestKernelOptions } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	pattern,
	readByte,
	slotOf,
	swappedObject,
} from "../../support/paging.ts";

const MIRROR: TestKernelOptions = { disks: [2 << 20, 2 << 20], mirrors: 1 };
const CHECKSUM: TestKernelOptions = { swapChecksum: true };
const BOTH: TestKernelOptions = { ...MIRROR, ...CHECKSUM };

const PAGES = 40;
const ALL = Array.from({ length: PAGES }, (_, i) => i);
const NONE = { splits: 0, sumErrors: 0, degraded: 0, dead: 0, mirrorReads: 0, repairs: 0 };

function expectStats(t: TestKernel, some: Partial<typeof NONE>): void {
	expect(t.k.uvm.swapstats).toEqual({ ...NONE, ...some });
}

/** Break disk `unit` at a slot, or all of it. */
function breakDisk(
	t: TestKernel,
	unit: number,
	model: keyof MediaModels,
	slot: number | null,
	rest: Partial<FaultRule> = {},
): void {
	const place = slot === null ? {} : { sector: t.sector(slot).sector, count: 8 };
	const params = { disk: `ld${unit}`, ...place, ...rest.params };
	t.disks[unit]!.add({ id: `${model}-${unit}`, model, ...rest, params } as MediaRule);
}

describe("with checksums", () => {
	it("what was read back is what was written, and they take wired memory", () => {
		const plain = new TestKernel();
		const t = new TestKernel(CHECKSUM);
		// 1024 slots of four bytes.
		expect(t.k.uvmexp.wired - plain.k.uvmexp.wired).toBe(1);
		const uobj = swappedObject(t, PAGES);
		expectPattern(t, uobj, ALL);
		expectStats(t, {});
		checkAtRest(t, uobj);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		expect(t.k.uvmexp.wired).toBe(plain.k.uvmexp.wired);
		expectPattern(t, uobj, ALL);
		checkAtRest(t, uobj);
	});

	it.each([
		["disk.corrupt", { params: { direction: "write" } }],
		["disk.lost-write", {}],
		["disk.torn-write", { params: { keep: "prefix", units: 3 } }],
	] as const)("%s is noticed: only the page is lost", (model, rest) => {
		for (const options of [{}, CHECKSUM]) {
			const t = new TestKernel(options);
			const uobj = t.aobj(16);
			t.run(fill(t, uobj, Array(16).keys()));
			breakDisk(t, 0, model, null, rest);
			pageout(t);
			const bytes = Array.from({ length: 16 }, (_, i) => t.run(readByte(t, uobj, i)));
			const lost = bytes.filter((byte) => byte === -EIO).length;
			if (options === CHECKSUM) expect(lost).toBeGreaterThan(0);
			else expect(lost).toBe(0);
			for (const [i, byte] of bytes.entries()) {
				if (options === CHECKSUM && byte !== -EIO) expect(byte).toBe(pattern(i));
			}
			// Each page is read twice before it is given up.
			expectStats(t, { sumErrors: 2 * lost });
			expect(t.k.uvmexp.swpgbad).toBe(lost);
			const messages = lost === 0 ? [] : ["ld0: swap is not what was written"];
			expect(t.k.msgbuf).toEqual(messages);
			checkAtRest(t, uobj);
		}
	});

	it("a page that is written to the place of another is noticed in both", () => {
		const t = new TestKernel(CHECKSUM);
		const uobj = t.aobj(16);
		breakDisk(t, 0, "disk.misdirected-write", null, { params: { offset: 16 } });
		t.run(fill(t, uobj, Array(16).keys()));
		pageout(t);
		const bytes = Array.from({ length: 16 }, (_, i) => t.run(readByte(t, uobj, i)));
		expect(bytes).toEqual(bytes.map(() => -EIO));
	});

	it("a page that was read wrongly once is read again", () => {
		const t = new TestKernel(CHECKSUM);
		const uobj = swappedObject(t, PAGES);
		breakDisk(t, 0, "disk.corrupt", slotOf(t, uobj, 7));
		expectPattern(t, uobj, ALL);
		expectStats(t, { sumErrors: 1 });
		expect(t.k.uvmexp.swpgbad).toBe(0);
	});

	it("every bit of a page counts", () => {
		const t = new TestKernel(CHECKSUM);
		const uobj = swappedObject(t, 1);
		const { disk, sector } = t.sector(slotOf(t, uobj, 0));
		const page = new Uint8Array(PAGE_SIZE);
		disk.read(sector, page);
		// The page that is read stays in memory, so each bit has a system of its own.
		for (const bit of [0, 1, 7, 31, 4095, 16_384, 8 * PAGE_SIZE - 1]) {
			const other = new TestKernel(CHECKSUM);
			const copy = swappedObject(other, 1);
			const wrong = page.slice();
			wrong[bit >>> 3]! ^= 1 << (bit & 7);
			other.disks[0]!.write(sector, wrong);
			expect(other.run(readByte(other, copy, 0)), `bit ${bit}`).toBe(-EIO);
		}
	});

	it("swapon without memory for them is refused, and nothing is left", () => {
		const t = new TestKernel({ ...CHECKSUM, swapDisks: 0 });
		t.k.failinject = (what) => what === "page";
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(ENOMEM);
		t.k.failinject = null;
		t.check();
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(0);
	});
});

describe("with a second disk", () => {
	it("everything is on both", () => {
		const t = new TestKernel(MIRROR);
		const uobj = swappedObject(t, PAGES);
		for (const i of ALL) {
			const { sector } = t.sector(slotOf(t, uobj, i));
			for (const disk of t.disks) {
				const page = new Uint8Array(PAGE_SIZE);
				disk.read(sector, page);
				expect(page[100]).toBe(pattern(i));
			}
		}
		expectPattern(t, uobj, ALL);
		expectStats(t, {});
		checkAtRest(t, uobj);
	});

	it("what one cannot read is read from the other, and written again to the first", () => {
		const t = new TestKernel(MIRROR);
		const uobj = swappedObject(t, PAGES);
		// Readable again when it has been written.
		breakDisk(t, 0, "disk.latent", slotOf(t, uobj, 7));
		expectPattern(t, uobj, ALL);
		expectStats(t, { mirrorReads: 1, repairs: 1 });
		expect(t.k.uvmexp.swpgbad).toBe(0);
		checkAtRest(t, uobj);
	});

	it.each([0, 1])("disk %i is gone: nothing is lost", (unit) => {
		const t = new TestKernel(MIRROR);
		const uobj = swappedObject(t, PAGES);
		breakDisk(t, unit, "disk.bad-sector", null, { params: { direction: "both" } });
		expectPattern(t, uobj, ALL);
		const more = t.aobj(PAGES);
		t.run(fill(t, more, ALL));
		pageout(t);
		expectPattern(t, more, ALL);
		const { degraded, mirrorReads, repairs } = t.k.uvm.swapstats;
		expect(degraded).toBeGreaterThanOrEqual(PAGES);
		expect(mirrorReads).toBeGreaterThanOrEqual(unit === 0 ? PAGES : 0);
		expect(repairs).toBe(0);
		expect(t.k.uvmexp.swpgbad).toBe(0);
		checkAtRest(t, uobj, more);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		expectPattern(t, more, ALL);
	});

	it("a slot that neither can write is bad, and only that one", () => {
		const t = new TestKernel(MIRROR);
		const uobj = t.aobj(16);
		t.run(fill(t, uobj, Array(16).keys()));
		for (const disk of t.disks) disk.failWrites(3 * 8, 8);
		t.disks[1]!.failWrites(5 * 8, 8);
		pageout(t);
		expectStats(t, { splits: 2, degraded: 1 });
		expect(t.k.uvmexp.swpgbad).toBe(1);
		expect(uobj.uo_npages).toBe(1);
		pageout(t);
		expectPattern(t, uobj, Array(16).keys());
		checkAtRest(t, uobj);
	});

	it("a copy that could not be written is not read", () => {
		const t = new TestKernel(MIRROR);
		const uobj = t.aobj(16);
		t.run(fill(t, uobj, Array(16).keys()));
		// Something else is there, and it can be read.
		t.disks[0]!.failWrites(0, 4096);
		pageout(t);
		expectStats(t, { splits: 1, degraded: 16 });
		expectPattern(t, uobj, Array(16).keys());
		expectStats(t, { splits: 1, degraded: 16, mirrorReads: 16 });
	});

	it("that is in use already is refused", () => {
		const t = new TestKernel({ disks: [2 << 20, 2 << 20, 2 << 20, 1 << 20], swapDisks: 1 });
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0, null, ld(0))).toBe(EBUSY);
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0, null, ld(1))).toBe(EBUSY);
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0, null, ld(3))).toBe(0);
		// The smaller one decides.
		expect(t.k.uvmexp.swpages).toBe(511 + 255);
		expect(swap_on(t.k, "/dev/ld3", ld(3), 0)).toBe(EBUSY);
		expect(t.run(swap_off(t.k, ld(1)))).toBe(0);
		expect(swap_on(t.k, "/dev/ld3", ld(3), 0)).toBe(0);
	});
});

describe("with both", () => {
	it("what the first has lost comes from the second, and is put right", () => {
		const t = new TestKernel(BOTH);
		const uobj = t.aobj(PAGES);
		t.run(fill(t, uobj, ALL));
		breakDisk(t, 0, "disk.lost-write", null, { when: { every: 2 } });
		pageout(t);
		expectPattern(t, uobj, ALL);
		const { sumErrors, mirrorReads, repairs, ...rest } = t.k.uvm.swapstats;
		expect(rest).toEqual({ splits: 0, degraded: 0, dead: 0 });
		expect(mirrorReads).toBeGreaterThan(10);
		expect(repairs).toBe(mirrorReads);
		expect(sumErrors).toBe(2 * mirrorReads);
		expect(t.k.uvmexp.swpgbad).toBe(0);
		checkAtRest(t, uobj);
	});

	it("two who wait for one page get it", () => {
		const t = new TestKernel(BOTH);
		const uobj = swappedObject(t, PAGES);
		breakDisk(t, 0, "disk.bad-sector", slotOf(t, uobj, 7));
		const two = [0, 1].map(() => t.spawn(readByte(t, uobj, 7)));
		t.settle();
		expect(two.map(({ result }) => result)).toEqual([pattern(7), pattern(7)]);
		expectStats(t, { mirrorReads: 1, repairs: 1 });
		checkAtRest(t, uobj);
	});
});
