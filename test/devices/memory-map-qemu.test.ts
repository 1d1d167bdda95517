/**
 * Which accesses the board completes: a program tries all sizes over the whole map, here and on
 * QEMU's `virt` board, and prints a letter for each.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { MEMORY_MAP } from "../../devices/memory-map.ts";
import { assemble } from "../isa/assembler.ts";
import { CHILD_LIMIT_MS } from "../support/limits.ts";

const RAM = 0x8000_0000;
const { power, rtc, clint, plic, uart } = MEMORY_MAP;

/** Tries the accesses of the table behind it: "T" for a trap, else "." for 0 and "v" for more. */
const PROBE = `
	la t0, trap
	csrrw zero, mtvec, t0
	la s1, table
	lui s0, 0x10000
next:	lw a0, 0(s1)
	lw a1, 4(s1)
	addi s1, s1, 8
	li a2, 46
	li a3, 0
	la t0, operations
	slli a1, a1, 3
	add t0, t0, a1
	jalr zero, 0(t0)
operations:
	lbu a3, 0(a0)
	j done
	lhu a3, 0(a0)
	j done
	lw a3, 0(a0)
	j done
	sb zero, 0(a0)
	j done
	sh zero, 0(a0)
	j done
	sw zero, 0(a0)
	j done
wait:	lbu t0, 5(s0)        # until all is sent
	andi t0, t0, 0x40
	beq t0, zero, wait
	lui t0, 0x100
	li t1, 0x5555
	sw t1, 0(t0)
done:	beq a3, zero, put
	li t0, 46
	bne a2, t0, put
	li a2, 118
put:	lbu t0, 5(s0)
	andi t0, t0, 0x20
	beq t0, zero, put
	sb a2, 0(s0)
	j next
trap:	li a2, 84
	csrrs t0, mepc, zero
	addi t0, t0, 4
	csrrw zero, mepc, t0
	mret
	.word 0
table:	.word 0`;

const OPERATIONS = ["lbu", "lhu", "lw", "sb", "sh", "sw"];
const END = OPERATIONS.length;

/** Registers, and what lies between them, at offsets from `base`. */
const at = (base: number, ...offsets: number[]): number[] => offsets.map((o) => base + o);
const words = (from: number, to: number): number[] =>
	Array.from({ length: (to - from) / 4 }, (_, i) => from + 4 * i);

const ADDRESSES = [
	...at(0, 0, 0x100, 0xffc, 0x1000, 0x1004, 0xfffc, 0x1_0000),
	...at(power.base, 0, 2, 4, 8, 0x10, 0x100, 0xffc),
	...at(rtc.base, ...words(0, 0x28), 0x100, 0xffc),
	...at(clint.base, 0, 4, 8, 0x100, 0x3ff8, 0x3ffc, 0x4000, 0x4004, 0x4008, 0x7ff8, 0x8000),
	...at(clint.base, 0xbff0, 0xbff8, 0xbffc, 0xc000, 0xfff8, 0xfffc, 0x1_0000),
	...at(plic.base, 0, 4, 0x17c, 0x180, 0x184, 0xffc, 0x1000, 0x1008, 0x100c, 0x1010, 0x1080),
	...at(plic.base, 0x1ffc, 0x2000, 0x200c, 0x2010, 0x2080, 0x208c, 0x2100, 0x3000, 0x1f_fffc),
	...at(plic.base, 0x20_0000, 0x20_0004, 0x20_0008, 0x20_0ffc, 0x20_1000, 0x20_1004, 0x20_1008),
	...at(plic.base, 0x20_2000, 0x20_2004, 0x30_0000, 0x5f_fffc, 0x60_0000),
	...at(uart.base, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0xc, 0x10, 0x80, 0xfc, 0x100, 0x200, 0xffc),
	...[0, 3].flatMap((slot) =>
		at(
			MEMORY_MAP.virtio[slot]!.base,
			...words(0, 0x10c),
			...[0x101, 0x102, 0x120, 0x15c, 0x160, 0x180, 0x1fc, 0x200, 0x400, 0xffc],
		),
	),
	...at(MEMORY_MAP.virtio[7]!.base, 0x1000),
];

/** Values that the boards need not share: only whether there is one. */
const OWN_VALUES = new Set([
	clint.base + 0x4000, // mtimecmp after reset
	clint.base + 0x4004,
	uart.base + 4, // OUT2 after reset
	...[0xb8, 0xbc].map((offset) => MEMORY_MAP.virtio[0]!.base + offset), // 4.2.2 wants ones
	...[0x120, 0x140].map((offset) => MEMORY_MAP.virtio[0]!.base + offset), // the disk's limits
]);

const TABLE = ADDRESSES.flatMap((address) =>
	OPERATIONS.map((_, operation) => ({ address, operation })),
).filter(({ address, operation }) => {
	if (address % 2 ** (operation % 3) !== 0) return false;
	// These would print, or turn the interrupts of the UART on.
	return operation < 3 || (address !== uart.base && address !== uart.base + 4);
});

function image(): Uint8Array {
	const { bytes, labels } = assemble(PROBE, RAM);
	const table = labels.get("table")! - RAM;
	const all = new Uint8Array(table + 8 * (TABLE.length + 1));
	all.set(bytes);
	const view = new DataView(all.buffer);
	TABLE.forEach(({ address, operation }, i) => {
		view.setUint32(table + 8 * i, address, true);
		view.setUint32(table + 8 * i + 4, operation, true);
	});
	view.setUint32(table + 8 * TABLE.length + 4, END, true);
	return all;
}

/** One line for each address: what came of each operation. */
function described(letters: string): string[] {
	const lines = new Map<number, string>();
	for (const [i, { address, operation }] of TABLE.entries()) {
		const letter = OWN_VALUES.has(address) ? letters[i]!.replace("v", ".") : letters[i]!;
		const line = lines.get(address) ?? `${address.toString(16)}:`;
		lines.set(address, `${line} ${OPERATIONS[operation]} ${letter}`);
	}
	return [...lines.values()];
}

const hasQemu = spawnSync("qemu-system-riscv32", ["--version"]).status === 0;

describe.skipIf(!hasQemu)("what the board answers", () => {
	const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
	afterAll(() => rmSync(dir, { recursive: true }));

	it.each(["legacy", "modern"] as const)("is what QEMU's does, with %s disks", (virtio) => {
		const program = join(dir, "probe");
		const disk = join(dir, "disk");
		writeFileSync(program, image());
		writeFileSync(disk, new Uint8Array(1 << 20));
		const args = ["-M", "virt", "-nographic", "-bios", program, "-drive"];
		args.push(`file=${disk},if=none,format=raw,id=x`, "-device");
		args.push("virtio-blk-device,drive=x,bus=virtio-mmio-bus.0");
		args.push("-global", `virtio-mmio.force-legacy=${virtio === "legacy"}`);
		const options = { encoding: "latin1", input: "", timeout: CHILD_LIMIT_MS } as const;
		const qemu = spawnSync("qemu-system-riscv32", args, options).stdout;
		const media = new MemoryDisk(1 << 20);
		const bare = new Bare({ image: image(), ram: 1 << 20, virtio, disks: [{ media }] });
		bare.run();
		expect(bare.exit.kind).toBe("exited");
		expect(described(bare.report(0).console)).toEqual(described(qemu));
	});
});
