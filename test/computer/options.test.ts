/** Mistakes that an untyped program may make give one clear error. */
import { describe, expect, it } from "vitest";
import { Bare, createSystem, MemoryDisk, UserError } from "../../index.ts";
import { workload } from "../support/workload.ts";

const image = workload("hello");
const program = "hello";
const loose = (options: unknown): (() => unknown) => {
	return () => createSystem(options as Parameters<typeof createSystem>[0]);
};
const looseBare = (options: unknown): (() => unknown) => {
	return () => new Bare(options as ConstructorParameters<typeof Bare>[0]);
};

describe("createSystem refuses", () => {
	it.each([
		["nothing", undefined, /^createSystem: options: expected Object but received undefined$/],
		["no program", {}, /^createSystem: program: is required$/],
		["no image", { program }, /^createSystem: image: is required$/],
		["a path as image", { program, image: "hello" }, /^createSystem: image: expected Uint8Array/],
		["one argument", { args: "x" }, /^createSystem: args: expected Array but received "x"$/],
		[
			"numbers as arguments",
			{ args: [1] },
			/^createSystem: args\.0: expected string but received 1/,
		],
		[
			"an unknown policy",
			{ adPolicy: "maybe" },
			/adPolicy: expected \("hardware" \| "trap"\) but received "maybe"$/,
		],
		[
			"an unknown engine",
			{ engine: "fast" },
			/engine: expected \("auto" \| "interp" \| "jit"\) but received "fast"$/,
		],
		["half a seed", { seed: 1.5 }, /^createSystem: seed: .*received 1\.5$/],
		["a negative size", { ram: -4096 }, /^createSystem: ram: .*received -4096$/],
		["RAM as text", { ram: "8M" }, /^createSystem: ram: expected number but received "8M"$/],
		[
			"NaN",
			{ tlbEntries: Number.NaN },
			/^createSystem: tlbEntries: expected number but received NaN$/,
		],
		[
			"a path as disk",
			{ root: "a.tar" },
			/^createSystem: root: expected Object but received "a.tar"$/,
		],
		[
			"an object that is not a medium",
			{ disks: [{ media: {} }] },
			/^createSystem: disks\.0\.media: expected a size in bytes or a disk/,
		],
		[
			"an unknown timing",
			{ swap: [{ media: 1 << 20, timing: "tape" }] },
			/swap\.0\.timing: expected .*received "tape"$/,
		],
		["no callback", { console: true }, /^createSystem: console: expected a function$/],
		["a wrong name", { swapp: [] }, /^createSystem: swapp: no such option$/],
		[
			"a picture of text",
			{ framebuffer: { width: "a", height: 1 } },
			/framebuffer\.width: expected number/,
		],
	])("%s", (_, options, message) => {
		const given =
			options === undefined
				? options
				: Object.keys(options).length === 0 || "program" in options
					? options
					: { program, image, ...options };
		expect(loose(given)).toThrow(UserError);
		expect(loose(given)).toThrow(message);
	});
});

describe("Bare refuses", () => {
	it.each([
		["nothing", {}, /^Bare: image: is required$/],
		["a path as disk", { disks: ["disk.img"] }, /^Bare: disks\.0: expected Object/],
		["a size as disk", { disks: [{ media: 1 << 20 }] }, /^Bare: disks\.0\.media: expected a disk/],
		[
			"a timing by name",
			{ disks: [{ media: new MemoryDisk(512), timing: "ssd" }] },
			/timing: expected a timing model/,
		],
		["unknown registers", { virtio: "new" }, /^Bare: virtio: expected \("legacy" \| "modern"\)/],
		["17 PMP entries", { pmpEntries: 17 }, /^Bare: pmpEntries: /],
	])("%s", (_, options, message) => {
		const given = Object.keys(options).length === 0 ? options : { image, ...options };
		expect(looseBare(given)).toThrow(UserError);
		expect(looseBare(given)).toThrow(message);
	});
});

it("options that are undefined count as left out", () => {
	const system = createSystem({
		...{ program, image, args: undefined, ram: undefined, swap: undefined, root: undefined },
		...{ seed: undefined, adPolicy: undefined, framebuffer: undefined, console: undefined },
	});
	expect(system.report(0).config).toEqual(createSystem({ program, image }).report(0).config);
});

it("run and pass take a number of cycles", () => {
	const system = createSystem({ program, image });
	expect(() => system.run(Number.NaN)).toThrow(/^run: NaN is not a number of cycles$/);
	expect(() => system.run("5" as unknown as number)).toThrow(UserError);
	expect(() => system.pass(Number.NaN)).toThrow(/^pass: NaN is not a number of cycles$/);
	expect(() => system.pass(-1)).toThrow(/^pass: -1 /);
	expect(() => system.pass(0.5)).toThrow(UserError);
	expect(() => system.pass(Number.POSITIVE_INFINITY)).toThrow(UserError);
	expect(system.run()).toBe("ended");
});
