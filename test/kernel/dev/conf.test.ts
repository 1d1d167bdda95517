/** Device numbers and the switch of block devices. */
import { describe, expect, it } from "vitest";
import {
	BDEV_LD,
	bdev_lookup,
	bdev_name,
	bdev_open,
	bdev_size,
	FREAD,
	FWRITE,
	major,
	makedev,
	minor,
} from "../../../kernel/dev/conf.ts";
import { ENXIO } from "../../../sys/errno.ts";
import { ld, TestKernel } from "../../support/kernel.ts";

describe("a device number", () => {
	it.each([
		[0, 0],
		[1, 12],
		[2 ** 21 - 1, 2 ** 32 - 1],
	])("keeps major %d and minor %d", (ma, mi) => {
		const dev = makedev(ma, mi);
		expect([major(dev), minor(dev)]).toEqual([ma, mi]);
	});

	it("out of range is not that of another device", () => {
		expect(major(makedev(2 ** 30, 0))).toBe(2 ** 21 - 1);
		expect(minor(makedev(0, 2 ** 40))).toBe(2 ** 32 - 1);
		expect(major(makedev(0, 2 ** 40))).toBe(0);
	});
});

describe("the switch of block devices", () => {
	const { k } = new TestKernel({ disks: [4 << 20, 1 << 20] });

	it("finds a disk by its number and by its name", () => {
		expect(bdev_size(k, ld(1))).toBe((1 << 20) / 512);
		expect(bdev_open(k, ld(1), FREAD | FWRITE)).toBe(0);
		expect(bdev_name(k, ld(1))).toBe("ld1");
		expect(bdev_lookup(k, "ld1")).toBe(ld(1));
	});

	it("has no other devices", () => {
		for (const dev of [ld(2), makedev(BDEV_LD + 1, 0), makedev(BDEV_LD, 2 ** 40)]) {
			expect(bdev_size(k, dev)).toBe(-1);
			expect(bdev_open(k, dev, FREAD)).toBe(ENXIO);
		}
		for (const name of ["ld2", "ld", "sd0", "ld1x", "console"]) {
			expect(bdev_lookup(k, name)).toBeNull();
		}
	});
});
