/** Compiled code whose pages are mapped in several ways, and code that changes while it waits. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import type { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { guest } from "../../isa/guest.ts";

const LEAF = 0xcf; // D A X W R V
/** Physical pages. */
const ROOTS = [RAM_BASE + 0x1_0000, RAM_BASE + 0x1_1000];
const TABLES = [RAM_BASE + 0x1_2000, RAM_BASE + 0x1_3000];
const [FIRST, SECOND, OTHER] = [RAM_BASE + 0x4000, RAM_BASE + 0x5000, RAM_BASE + 0x6000];
/** Where they are mapped. */
const [HERE, THERE] = [0x4000_0000, 0x5000_0000];

/** Two address spaces: FIRST is in both, behind it is SECOND in one and OTHER in the other one. */
function build(source: string, engine: Engine): Machine {
	const { machine } = guest(source, { ramSize: 1 << 17, engine });
	const { hart, dma } = machine;
	for (const [i, behind] of [SECOND, OTHER].entries()) {
		for (const va of [HERE, THERE]) {
			dma.store32(ROOTS[i]! + 4 * (va >>> 22), (TABLES[i]! / 4) | 1);
		}
		dma.store32(TABLES[i]!, (FIRST / 4) | LEAF);
		dma.store32(TABLES[i]! + 4, (behind / 4) | LEAF);
	}
	hart.reset(HERE);
	hart.state.satp = (0x8000_0000 + ROOTS[0]! / 4096) >>> 0;
	hart.state.priv = 1;
	hart.x[14] = (0x8000_0000 + (1 << 22) + ROOTS[1]! / 4096) | 0;
	hart.x[13] = THERE;
	hart.x[15] = HERE;
	hart.mmu.updateContext();
	return machine;
}

function compare(source: string): Machine {
	const [jit, interp] = [build(source, "jit"), build(source, "interp")];
	for (let i = 0; i < 60; i++) {
		jit.runBare(331);
		interp.runBare(331);
		expect([jit.hart.pc, ...jit.hart.x], `${i}`).toEqual([interp.hart.pc, ...interp.hart.x]);
	}
	expect(jit.stateHash()).toBe(interp.stateHash());
	expect(jit.hart.jit!.counts.instructions).toBeGreaterThan(5000);
	return interp;
}

describe("a loop over two pages", () => {
	it("goes on in the second one of its address space", () => {
		const machine = compare(`
			.org 0x4000
		loop:	addi a1, a1, 1
			andi a2, a1, 127
			bne a2, zero, on
			csrrw a4, satp, a4
		on:	j second
			.org 0x5000
		second:	addi a0, a0, 1
			jal zero, loop
			.org 0x6000
			addi s0, s0, 1
			jal zero, loop+0x1000
		`);
		expect(machine.hart.x[10]).toBeGreaterThan(1000);
		expect(machine.hart.x[8]).toBeGreaterThan(1000);
	});
});

it("code that is executed at two addresses knows its own", () => {
	const machine = compare(`
		.org 0x4000
	loop:	auipc a0, 0
		addi a1, a1, 1
		add s1, s1, a0
		andi a2, a1, 63
		bne a2, zero, loop
		mv t0, a3
		mv a3, a5
		mv a5, t0
		jalr zero, 0(t0)
	`);
	expect(machine.hart.x[11]).toBeGreaterThan(1000);
});

it("code that changes while it waits for its module is not compiled", () => {
	const source = "loop: addi a0, a0, 1\naddi a1, a1, 1\nj loop";
	// Longer than what is between two samples.
	const CYCLES = 5000;
	const ramSize = 1 << 17;
	const start = (engine: "auto" | "interp") => guest(source, { ramSize, engine }).machine;
	const compiled = (machine: Machine): boolean => (machine.hart.jit?.counts.functions ?? 0) > 0;
	const unchanged = start("auto");
	let slices = 0;
	for (; !compiled(unchanged) && slices < 1000; slices++) unchanged.runBare(CYCLES);
	expect(slices, "it never gets hot").toBeLessThan(1000);
	// Before it is compiled it waits for some forty slices.
	for (let change = slices - 55; change < slices + 5; change += 3) {
		const machines = (["auto", "interp"] as const).map((engine) => {
			const machine = start(engine);
			machine.runBare(change * CYCLES);
			machine.dma.store32(RAM_BASE + 4, 0x0075_8593); // addi a1, a1, 7
			for (let i = 0; i < slices; i++) machine.runBare(CYCLES);
			return machine;
		});
		const [auto, interp] = machines as [Machine, Machine];
		expect(compiled(auto)).toBe(true);
		expect([...auto.hart.x], `change after ${change} slices`).toEqual([...interp.hart.x]);
	}
});
