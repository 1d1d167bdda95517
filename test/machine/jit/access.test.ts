/** Accesses of compiled code, where the mirror's tables do not allow them any more. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import type { Machine } from "../../../machine/machine.ts";
import { Prng } from "../../../machine/prng.ts";
import { type Guest, guest } from "../../isa/guest.ts";

const build = (source: string, engine: Engine): Guest => {
	const built = guest(source, { ramSize: 1 << 17, engine });
	expect(built.machine.runBare(3000)).toBeDefined();
	return built;
};

const STORES: readonly (readonly [string, string])[] = [
	["a store", "sw a1, 0(a0)"],
	["a store of a byte", "sb a1, 1(a0)"],
	["a store of a halfword", "sh a1, 2(a0)"],
	["stores beside each other", "sw a1, 0(a0)\nsw a1, 8(a0)"],
	["a store beside a load", "lw a2, 0(a0)\nsw a1, 4(a0)"],
	["a load beside a store", "sw a1, 4(a0)\nlw a2, 0(a0)"],
	["an amo", "amoadd.w a2, a1, (a0)"],
	["a store-conditional", "lr.w a2, (a0)\nsc.w a3, a1, (a0)"],
];

describe("compiled code notices that a page is watched: ", () => {
	it.each(STORES)("%s", (_, body) => {
		const source = `la a0, 0x80008000\nloop: addi a1, a1, 1\n${body}\nj loop`;
		const { machine } = build(source, "jit");
		expect(machine.hart.jit!.counts.instructions).toBeGreaterThan(2000);
		const { ram8 } = machine.memory;
		const before = ram8.slice();
		const checkpoint = machine.checkpoint();
		machine.runBare(500);
		expect(Buffer.compare(ram8, before)).not.toBe(0);
		machine.rollback(checkpoint);
		expect(Buffer.compare(ram8, before)).toBe(0);
	});
});

describe("compiled code is not executed any more after it has changed: ", () => {
	// The store into the loop is compiled with it, and is in effect at once.
	it.each([
		["a store", "sw a1, 0(a0)"],
		["stores beside each other", "sw a1, 0(a0)\nsw a2, 4(a0)"],
		["an amo", "amoswap.w a5, a1, (a0)"],
		["a store-conditional", "lr.w a5, (a0)\nsc.w a5, a1, (a0)"],
	])("%s", (_, body) => {
		const source = `
			la a0, there
			la t0, spare
		loop:	addi a3, a3, 1
			andi a4, a3, 255
			bne a4, zero, there
			# Two instructions take turns, so that the place changes each time.
			lw a1, 0(t0)
			lw a2, 8(t0)
			lw t1, 0(a0)
			sw t1, 0(t0)
			${body}
		there:	addi a6, a6, 1
			addi a7, a7, 1
			j loop
			.org 8192
		spare:	addi a6, a6, 5
			addi a7, a7, 9
			addi a7, a7, 1
		`;
		const [jit, interp] = [build(source, "jit"), build(source, "interp")];
		expect(jit.machine.hart.jit!.counts.instructions).toBeGreaterThan(1000);
		for (let i = 0; i < 20; i++) {
			jit.machine.runBare(777);
			interp.machine.runBare(777);
			expect([...jit.machine.hart.x]).toEqual([...interp.machine.hart.x]);
		}
		expect(jit.machine.hart.x[16]).not.toBe(jit.machine.hart.x[17]);
	});
});

describe("compiled code leaves what is out of the ordinary to the interpreter: ", () => {
	const LOADS = [
		["a load", "lw a2, 0(a0)"],
		["a load of a halfword", "lh a2, 0(a0)"],
		["a load of a byte", "lbu a2, 0(a0)"],
		["loads beside each other", "lw a2, 0(a0)\nlh a3, 12(a0)\nlbu a4, -1(a0)"],
		["accesses around a move", "lw a2, -4(a0)\naddi a0, a0, 8\nsw a1, 0(a0)\naddi a0, a0, -8"],
		["loads that are aligned differently", "lw a2, 0(a0)\nlh a3, 5(a0)"],
		["accesses that are aligned differently", "sh a1, 1(a0)\nlw a3, 6(a0)\nsw a1, 8(a0)"],
		["a load-reserved", "lr.w a2, (a0)"],
	] as const;
	const ADDRESSES = [
		...[0x8000_8001, 0x8000_8002, 0x8000_8003, 0x8000_8ffc, 0x8000_8ffe, 0x8000_8fff],
		...[0x8000_9000, 0x8001_fffc, 0x8001_fffe, 0x8002_0000, 0x8000_0000, 0x1000_0000],
	];
	it.each([...LOADS, ...STORES])("%s", (_, body) => {
		const source = `
			la a0, 0x80008100
			j loop
		handler: addi a5, a5, 1
			csrrs t0, mepc, zero
			addi t0, t0, 4
			csrrw zero, mepc, t0
			mret
		loop:	addi a1, a1, 77
			${body}
			j loop
		`;
		for (const misaligned of ["handle", "trap"] as const) {
			const [jit, interp] = (["jit", "interp"] as const).map((engine) => {
				const { machine, labels } = guest(source, { ramSize: 1 << 17, engine, misaligned });
				machine.hart.state.mtvec = labels.get("handler")!;
				const random = new Prng(1);
				for (let i = 0x8000; i < 0xa000; i++) machine.memory.ram8[i] = random.below(256);
				machine.runBare(1000);
				return machine;
			}) as [Machine, Machine];
			for (const address of ADDRESSES) {
				for (const machine of [jit, interp]) {
					machine.hart.x[10] = address;
					machine.runBare(41);
				}
				const what = `${address.toString(16)}, misaligned: ${misaligned}`;
				const { mcause, mtval } = interp.hart.state;
				expect([...jit.hart.x], what).toEqual([...interp.hart.x]);
				expect([jit.hart.state.mcause, jit.hart.state.mtval], what).toEqual([mcause, mtval]);
				expect(jit.stateHash(), what).toBe(interp.stateHash());
			}
		}
	});
});
