/** The boot ROM: where it jumps, and with which registers. */
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { ImageError } from "../../firmware/image.ts";

const LOOP = Uint8Array.of(0x6f, 0, 0, 0);
const RAM = 0x8000_0000;

/** The registers when the first software in RAM begins. */
function entered(bare: Bare): { pc: number; a0: number; a1: number; a2: number } {
	const { hart } = bare.machine;
	expect(hart.pc).toBe(0x1000);
	while (hart.pc < RAM) bare.run(bare.machine.clock.cycles + 1);
	const [a0, a1, a2] = [...hart.x.subarray(10, 13)].map((x) => x >>> 0) as [number, number, number];
	return { pc: hart.pc, a0, a1, a2 };
}

it("jumps to the image: a0 the hart, a1 the device tree", () => {
	const bare = new Bare({ image: LOOP, ram: 8 << 20 });
	const { pc, a0, a1 } = entered(bare);
	expect([pc, a0]).toEqual([RAM, 0]);
	const tree = new Uint8Array(bare.dtb.length);
	bare.machine.dma.read(a1, tree);
	expect(tree).toEqual(bare.dtb);
});

it("jumps to firmware, which finds its next stage in a2", () => {
	const bare = new Bare({ image: LOOP, bios: LOOP, ram: 8 << 20 });
	const { pc, a2 } = entered(bare);
	expect(pc).toBe(RAM);
	const { memory } = bare.machine;
	const words = Array.from(
		{ length: 5 },
		(_, i) =>
			memory.u16[(memory.romOffsetOf(a2) >> 1) + 2 * i]! |
			(memory.u16[(memory.romOffsetOf(a2) >> 1) + 2 * i + 1]! << 16),
	);
	// "OSBI", version 2, next address, S-mode, no options.
	expect(words.map((word) => word >>> 0)).toEqual([0x4942_534f, 2, RAM + 0x40_0000, 1, 0]);
	expect(bare.machine.dma.load32(RAM + 0x40_0000)).toBe(0x6f);
});

it("cannot be written by software", () => {
	// li t0, 0x1000; sw t0, 0(t0); j .
	const image = Uint8Array.from(
		[0x12b7, 0x0052_a023, 0x6f].flatMap((w) => [
			w & 255,
			(w >> 8) & 255,
			(w >> 16) & 255,
			w >>> 24,
		]),
	);
	const bare = new Bare({ image, ram: 1 << 20 });
	bare.machine.hart.state.mtvec = RAM + 8;
	const before = bare.machine.rom8.slice();
	bare.run(100);
	expect(bare.machine.hart.state.mcause).toBe(0);
	expect(bare.machine.hart.pc).toBe(RAM + 8);
	expect(bare.machine.rom8).toEqual(before);
});

it.each([
	[
		"an initial RAM disk that does not fit",
		{ image: LOOP, initrd: new Uint8Array(1 << 20), ram: 1 << 20 },
	],
	["a kernel beyond RAM", { image: LOOP, sbi: true, ram: 1 << 20 }],
	["an empty image", { image: new Uint8Array(0) }],
	[
		"an image that lies across the end of the ROM",
		{ image: new Uint8Array(0x10000), loadAddress: 0x1000 },
	],
])("%s is refused in one line", (_, options) => {
	expect(() => new Bare(options)).toThrow(ImageError);
	expect(() => new Bare(options)).toThrow(/^[^\n]+$/);
});
