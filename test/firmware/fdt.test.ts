/** Device trees: other tools can read ours, and damaged ones are refused. */
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { flatten, validate } from "../../firmware/fdt.ts";
import { ImageError } from "../../firmware/image.ts";
import { hasCommand } from "../workloads/support.ts";

const NOTHING = Uint8Array.of(0x6f, 0, 0, 0); // j .
const create = (dtb?: Uint8Array): Bare =>
	new Bare({ image: NOTHING, ram: 1 << 20, ...(dtb === undefined ? {} : { dtb }) });

const tree = (): Uint8Array => create().dtb;

it("lays out a small tree as the specification's figures say", () => {
	const blob = flatten({ name: "", properties: { a: [1], b: "x" }, children: [] });
	const words = [0xd00dfeed, 0x74, 0x38, 0x70, 0x28, 17, 16, 0, 4, 0x38];
	const structure = [1, 0, 3, 4, 0, 1, 3, 2, 2, 0x7800_0000, 2, 9];
	const view = new DataView(blob.buffer);
	const read = Array.from({ length: blob.length / 4 }, (_, i) => view.getUint32(4 * i));
	expect(read.slice(0, 10)).toEqual([
		...words.slice(0, 1),
		blob.length,
		...words.slice(2, 3),
		read[3],
		...words.slice(4, 9),
		4 * structure.length,
	]);
	expect(read.slice(10, 14)).toEqual([0, 0, 0, 0]);
	expect(read.slice(14, 14 + structure.length)).toEqual(structure);
	expect(new TextDecoder().decode(blob.subarray(read[3]))).toBe("a\0b\0");
});

it.skipIf(!hasCommand("dtc", "--version"))("dtc reads the board's tree without a complaint", () => {
	const { status, stdout, stderr } = spawnSync("dtc", ["-I", "dtb", "-O", "dts"], {
		input: tree(),
		encoding: "utf8",
	});
	expect(status).toBe(0);
	// QEMU's tree lacks these too, and no software needs them.
	const complaints = stderr.split("\n").filter((line) => !/Missing #address-cells|^$/.test(line));
	expect(complaints).toEqual([]);
	expect(stdout).toContain("serial@10000000");
});

describe("a tree from outside", () => {
	it("is used unchanged", () => {
		const dtb = tree();
		expect(validate(dtb)).toBe(null);
		expect(create(dtb).dtb).toBe(dtb);
	});

	const good = tree();
	it.each([
		["nothing", new Uint8Array(4)],
		["something else", new TextEncoder().encode("#!/bin/sh\necho this is no device tree at all\n")],
		["a part", good.subarray(0, 200)],
		["another version", good.map((byte, i) => (i === 27 ? 18 : byte))],
	])("that is %s is refused in one line", (_, dtb) => {
		expect(() => create(dtb)).toThrow(ImageError);
		expect(validate(dtb)).toMatch(/^[^\n]+$/);
	});

	it("damaged anywhere is refused, or can be walked to its end", () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
				fc.nat(good.length),
				(changes, length) => {
					const blob = good.slice(0, length % 3 === 0 ? length : good.length);
					for (const [at, byte] of changes) if (at < blob.length) blob[at] = byte;
					const wrong = validate(blob);
					expect(wrong === null || /^[^\n]+$/.test(wrong)).toBe(true);
				},
			),
			{ numRuns: 5000 },
		);
	});
});
