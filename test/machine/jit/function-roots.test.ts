/** Functions that the compiler finds by their calls, where their beginning is unusual. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import type { Machine } from "../../../machine/machine.ts";
import { guest } from "../../isa/guest.ts";

const SLICES = 60;

function start(source: string, engine: Engine): Machine {
	const { machine, labels } = guest(source, { ramSize: 1 << 17, engine });
	machine.hart.state.mtvec = labels.get("handler") ?? 0;
	return machine;
}

/** => the instructions that compiled code has executed */
function compare(source: string): number {
	const [jit, interp] = [start(source, "jit"), start(source, "interp")];
	for (let i = 0; i < SLICES; i++) {
		for (const machine of [jit, interp]) machine.runBare(331);
		expect([jit.hart.pc, ...jit.hart.x], `${i}`).toEqual([interp.hart.pc, ...interp.hart.x]);
	}
	expect(jit.stateHash()).toBe(interp.stateHash());
	return jit.hart.jit!.counts.instructions;
}

const HANDLER = `
	handler: csrrs t0, mepc, zero
		addi t0, t0, 4
		csrrw zero, mepc, t0
		mret`;
const LOOP = `
		li a1, 30
	loop:	add a0, a0, a1
		addi a1, a1, -1
		bne a1, zero, loop
		ret`;
const MAIN = `
		j main
	${HANDLER}
	main:	call work
		addi a3, a3, 1
		j main`;

describe("the loop of a function is compiled", () => {
	it.each([
		["begins with a system call", "work: ecall"],
		["begins with fence.i", "work: fence.i"],
		["begins with a branch to itself", "work: addi a4, a4, 1\nandi a5, a4, 7\nbne a5, zero, work"],
		["is entered in the middle of an instruction", "lui a4, 0x50\nwork: addi a4, a4, 1"],
		["is as long as a region", `work:\n${"addi a4, a4, 1\n".repeat(392)}`],
		["is longer than a region", `work:\n${"addi a4, a4, 1\n".repeat(450)}`],
		["has many branches", `work:\n${"beq a4, a3, loop\naddi a4, a4, 1\n".repeat(190)}`],
		["is jumped over", "work: j behind\n.word 0\nbehind:"],
	])("of one that %s", (_, first) => {
		expect(compare(`${MAIN}\n${first}\n${LOOP}`)).toBeGreaterThan(5000);
	});
});

it("a call into the middle of an instruction, beside one to its beginning", () => {
	// The upper half of lui is c.addi.
	const source = `
		j main
	${HANDLER}
	main:	call work
		call work+2
		j main
	work:	.word 0x05050537
	${LOOP}`;
	expect(compare(source)).toBeGreaterThan(5000);
});

it("a function at the end of RAM, whose last instruction is its last word", () => {
	const source = `
		j main
	${HANDLER}
	main:	la t1, 0x8001ffec
		jalr ra, 0(t1)
		j main
		.org 0x1ffec
		li a1, 30
	loop:	add a0, a0, a1
		addi a1, a1, -1
		bne a1, zero, loop
		jalr zero, 0(ra)`;
	expect(compare(source)).toBeGreaterThan(5000);
});
