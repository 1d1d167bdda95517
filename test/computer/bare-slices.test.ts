/**
 * The stopping points of `Bare.run` do not affect the simulation: random programs with timer and
 * software interrupts, input, HTIF and a disk run whole, in slices, one instruction at a time, and
 * from snapshots in between.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { restoreBare, saveBare } from "../../computer/snapshot/bare-snapshot.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { assemble } from "../isa/assembler.ts";
import { symbolic } from "../support/symbolic-elf.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 10);
const BASE = 0x8000_0000;
const END = 60_000;
const TOHOST = 0x1000;

/** s0 UART, s1 CLINT, s2 data, s3 tohost, s4 slot of the disk. */
const STEPS = [
	"sb a0, 0(s0)",
	"lbu a0, 5(s0)",
	"lbu a0, 0(s0)",
	"lw a1, 0(s2)\n addi a1, a1, 1\n sw a1, 0(s2)",
	"csrrs a0, cycle, zero\n add a1, a1, a0",
	"csrrs a0, time, zero\n add a1, a1, a0",
	"li t0, 65\n sw t0, 0(s3)\n lui t0, 0x1010\n sw t0, 4(s3)",
	"sw s2, 0(s3)",
	"li t0, 1\n lui t1, 0x2000\n sw t0, 0(t1)",
	"lui t1, 0x2000\n sw zero, 0(t1)",
	`lui t1, 0x200c
	lw t0, -8(t1)
	addi t0, t0, 3
	lui t1, 0x2004
	sw zero, 4(t1)
	sw t0, 0(t1)`,
	"lui t1, 0x200c\n sw a1, -8(t1)",
	"csrrci zero, mstatus, 8",
	"csrrsi zero, mstatus, 8",
	"lui t0, 0x2004\n sw zero, 4(t0)\n sw zero, 0(t0)\n wfi",
	"lw a0, 0(s4)\n sw a1, 0x30(s4)",
	"sw a1, 0x50(s4)",
	".word 0",
	"ecall",
	"fence.i",
	"li t0, 200\nwait#: addi t0, t0, -1\n bne t0, zero, wait#",
];

const program = fc
	.array(fc.nat(STEPS.length - 1), { minLength: 4, maxLength: 30 })
	.map((steps) => steps.map((step, i) => STEPS[step]!.replaceAll("#", String(i))).join("\n"));

function image(body: string): Uint8Array {
	const source = `
	lui s0, 0x10000
	lui s1, 0x2000
	la s2, data
	la s3, tohost
	lui s4, 0x10001
	la t0, trap
	csrrw zero, mtvec, t0
	li t0, 0x88
	csrrw zero, mie, t0
	li t0, 1
	sb t0, 1(s0)
	csrrsi zero, mstatus, 8
again:
${body}
	j again
	.org 0x800
trap:	csrrs t2, mcause, zero
	blt t2, zero, irq
	csrrs t2, mepc, zero
	addi t2, t2, 4
	csrrw zero, mepc, t2
	mret
irq:	lui t2, 0x2004
	li t1, -1
	sw t1, 4(t2)
	lui t2, 0x2000
	sw zero, 0(t2)
	addi s5, s5, 1
	mret
	.org 0xf00
data:	.word 0
	.org ${TOHOST}
tohost:	.word 0
	.word 0
	.word 0
	.word 0`;
	return symbolic(assemble(source, BASE).bytes, BASE, {
		tohost: BASE + TOHOST,
		fromhost: BASE + TOHOST + 8,
	});
}

const machine = (file: Uint8Array): Bare =>
	new Bare({ image: file, ram: 128 * 1024, disks: [{ media: new MemoryDisk(4096) }] });

/** Keys are pressed at fixed cycles. */
const KEYS = [1000, 7777, 30_000];

/** Run to END, stopping at `stops` as well; `at` may put another machine in the place. */
function run(bare: Bare, stops: readonly number[], at = (b: Bare): Bare => b): string {
	let now = bare;
	now.inputEnd();
	for (const stop of [...new Set([...stops, ...KEYS, END])].sort((a, b) => a - b)) {
		while (now.machine.clock.cycles < stop && now.run(stop) === "input");
		if (now.exit.kind !== "running") break;
		if (KEYS.includes(stop)) now.input(Uint8Array.of(stop & 0xff));
		now = at(now);
	}
	const { cycles } = now.machine.clock;
	const { traps, sinceOutput, console } = now.report(0);
	const counts = JSON.stringify([traps, sinceOutput]);
	return `${now.stateHash()} ${cycles} ${console} ${now.exit.kind} ${counts}`;
}

describe("a bare machine", () => {
	const stops = fc.array(fc.nat(END), { maxLength: 12 });

	it("does the same in any slices", () => {
		fc.assert(
			fc.property(program, stops, (body, slices) => {
				const file = image(body);
				expect(run(machine(file), slices)).toBe(run(machine(file), []));
			}),
			{ numRuns: RUNS },
		);
	});

	it("does the same while every instruction is observed", () => {
		fc.assert(
			fc.property(program, (body) => {
				const file = image(body);
				const watched = machine(file);
				watched.machine.hart.beforeInstruction = () => {};
				expect(run(watched, [])).toBe(run(machine(file), []));
			}),
			{ numRuns: RUNS },
		);
	});

	it("does the same from snapshots", () => {
		fc.assert(
			fc.property(program, stops, (body, slices) => {
				const file = image(body);
				const again = (bare: Bare): Bare => restoreBare(saveBare(bare));
				expect(run(machine(file), slices.slice(0, 3), again)).toBe(run(machine(file), []));
			}),
			{ numRuns: Math.ceil(RUNS / 4) },
		);
	});
});
