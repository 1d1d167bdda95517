/** Traps, delegation, privileged instructions. Privileged specification 1.12, chapters 3 and 4. */

import { describe, expect, it } from "vitest";
import {
	IRQ_MEI,
	IRQ_MSI,
	IRQ_MTI,
	MSTATUS_MIE,
	MSTATUS_MPIE,
	MSTATUS_MPP,
	MSTATUS_MPRV,
	MSTATUS_SIE,
	MSTATUS_SPIE,
	MSTATUS_SPP,
	MSTATUS_TSR,
	MSTATUS_TVM,
	MSTATUS_TW,
	PRIV_M,
	PRIV_S,
	PRIV_U,
	type Privilege,
} from "../../machine/hart-state.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { IRQ_SEI, IRQ_SSI } from "../../machine/port.ts";
import { encode } from "./assembler.ts";
import { type Guest, guest } from "./guest.ts";

const M_HANDLER = RAM_BASE + 0x4000;
const S_HANDLER = RAM_BASE + 0x6000;

/** A machine in `priv` at the start of RAM, with loops for handlers. */
function at(priv: Privilege, mstatus = 0): Guest {
	const g = guest("nop");
	const { hart, dma } = g.machine;
	for (let offset = 0; offset < 0x100; offset += 4) {
		dma.store32(M_HANDLER + offset, encode("jal", { rd: 0, imm: 0 }));
		dma.store32(S_HANDLER + offset, encode("jal", { rd: 0, imm: 0 }));
	}
	hart.state.mtvec = M_HANDLER;
	hart.state.stvec = S_HANDLER;
	hart.state.priv = priv;
	hart.state.mstatus = mstatus;
	hart.mmu.updateContext();
	return g;
}

function step(g: Guest, w: number, cycles = 1): void {
	const { hart, dma } = g.machine;
	if ((w & 3) === 3) dma.store32(RAM_BASE, w);
	else dma.store16(RAM_BASE, w);
	hart.pc = RAM_BASE;
	g.machine.runBare(cycles);
}

const ILLEGAL = 2;

describe("exceptions", () => {
	it.each([
		["ecall", encode("ecall"), [8, 9, 11], 0],
		["ebreak", encode("ebreak"), [3, 3, 3], RAM_BASE],
		["c.ebreak", encode("c.ebreak"), [3, 3, 3], RAM_BASE],
		["an illegal word", 0xffff_ffff, [2, 2, 2], 0xffff_ffff],
		["an illegal halfword", 0x0000, [2, 2, 2], 0],
		["a reserved halfword", 0x8002, [2, 2, 2], 0x8002],
	])("%s: cause, epc, tval", (_name, w, causes, tval) => {
		for (const [i, priv] of [PRIV_U, PRIV_S, PRIV_M].entries()) {
			const g = at(priv as Privilege);
			step(g, w);
			const { state } = g.machine.hart;
			expect(g.machine.hart.pc).toBe(M_HANDLER);
			expect([state.mcause, state.mepc, state.mtval]).toEqual([causes[i], RAM_BASE, tval]);
			expect((state.mstatus & MSTATUS_MPP) >> 11).toBe(priv);
			expect(state.priv).toBe(PRIV_M);
			// It takes its cycle and is not retired.
			expect([g.machine.clock.cycles, g.machine.hart.counters.instret]).toEqual([1, 0]);
		}
	});

	it("go to S-mode if delegated, but never from M-mode", () => {
		for (const priv of [PRIV_U, PRIV_S, PRIV_M] as const) {
			const g = at(priv, MSTATUS_SIE | MSTATUS_MIE);
			const { state } = g.machine.hart;
			state.medeleg = 1 << ILLEGAL;
			step(g, 0xffff_ffff);
			if (priv === PRIV_M) {
				expect(g.machine.hart.pc).toBe(M_HANDLER);
				expect(state.mstatus & (MSTATUS_MIE | MSTATUS_MPIE)).toBe(MSTATUS_MPIE);
				continue;
			}
			expect(g.machine.hart.pc).toBe(S_HANDLER);
			expect([state.scause, state.sepc, state.stval]).toEqual([2, RAM_BASE, 0xffff_ffff]);
			expect(state.priv).toBe(PRIV_S);
			expect(state.mstatus & (MSTATUS_SIE | MSTATUS_SPIE)).toBe(MSTATUS_SPIE);
			expect((state.mstatus & MSTATUS_SPP) !== 0).toBe(priv === PRIV_S);
			step(g, encode("ecall")); // not delegated
			expect([g.machine.hart.pc, state.mcause]).toEqual([M_HANDLER, 9]);
		}
	});

	it("fetching outside RAM is an access fault at the target", () => {
		const g = at(PRIV_M);
		g.machine.hart.x[10] = 0x1234_5678;
		step(g, encode("jalr", { rd: 0, rs1: 10 }), 2);
		const { state } = g.machine.hart;
		expect([state.mcause, state.mepc, state.mtval]).toEqual([1, 0x1234_5678, 0x1234_5678]);
	});
});

describe("mret and sret", () => {
	it("mret restores mode and interrupt enable, and leaves MPRV only in M-mode", () => {
		for (const target of [PRIV_U, PRIV_S, PRIV_M] as const) {
			const g = at(PRIV_M, MSTATUS_MPIE | MSTATUS_MPRV | (target << 11));
			const { state } = g.machine.hart;
			state.mepc = RAM_BASE + 0x100;
			step(g, encode("mret"));
			expect([g.machine.hart.pc, state.priv]).toEqual([RAM_BASE + 0x100, target]);
			const kept = target === PRIV_M ? MSTATUS_MPRV : 0;
			expect(state.mstatus).toBe(MSTATUS_MIE | MSTATUS_MPIE | kept);
			expect(g.machine.hart.counters.instret).toBe(1);
		}
	});

	it("sret restores mode and interrupt enable, and clears MPRV", () => {
		for (const spp of [0, MSTATUS_SPP]) {
			const g = at(PRIV_S, spp | MSTATUS_SPIE);
			g.machine.hart.state.sepc = RAM_BASE + 0x102;
			step(g, encode("sret"));
			const { state } = g.machine.hart;
			expect([g.machine.hart.pc, state.priv]).toEqual([RAM_BASE + 0x102, spp === 0 ? 0 : 1]);
			expect(state.mstatus).toBe(MSTATUS_SIE | MSTATUS_SPIE);
		}
	});

	it.each([
		["mret", PRIV_S, 0, true],
		["mret", PRIV_U, 0, true],
		["sret", PRIV_U, 0, true],
		["sret", PRIV_S, MSTATUS_TSR, true],
		["sret", PRIV_M, MSTATUS_TSR, false],
		["wfi", PRIV_U, 0, true],
		["wfi", PRIV_S, MSTATUS_TW, true],
		["wfi", PRIV_S, 0, false],
		["wfi", PRIV_M, MSTATUS_TW, false],
		["sfence.vma", PRIV_U, 0, true],
		["sfence.vma", PRIV_S, MSTATUS_TVM, true],
		["sfence.vma", PRIV_S, 0, false],
		["sfence.vma", PRIV_M, MSTATUS_TVM, false],
	] as const)("%s in mode %i with mstatus %i: illegal is %s", (name, priv, mstatus, illegal) => {
		const g = at(priv, mstatus);
		step(g, encode(name));
		expect(g.machine.hart.state.mcause === ILLEGAL && g.machine.hart.pc === M_HANDLER).toBe(
			illegal,
		);
	});
});

describe("interrupts", () => {
	it("are taken by priority, with the cause's bit 31 set", () => {
		const g = at(PRIV_U);
		const { state } = g.machine.hart;
		const order = [IRQ_MEI, IRQ_MSI, IRQ_MTI, IRQ_SEI, IRQ_SSI];
		state.mie = 0xaaa;
		for (const irq of order) g.machine.lines.raise(irq);
		for (const irq of order) {
			state.priv = PRIV_U;
			step(g, encode("addi"));
			expect(state.mcause).toBe(0x8000_0000 + irq);
			expect(state.mtval).toBe(0);
			g.machine.lines.lower(irq);
		}
	});

	it("need the global enable bit only in their own mode", () => {
		for (const [priv, mstatus, delegated, taken] of [
			[PRIV_M, 0, false, false],
			[PRIV_M, MSTATUS_MIE, false, true],
			[PRIV_S, 0, false, true],
			[PRIV_U, 0, false, true],
			[PRIV_M, MSTATUS_MIE | MSTATUS_SIE, true, false],
			[PRIV_S, 0, true, false],
			[PRIV_S, MSTATUS_SIE, true, true],
			[PRIV_U, 0, true, true],
		] as const) {
			const g = at(priv, mstatus);
			const { state } = g.machine.hart;
			state.mie = 1 << IRQ_SEI;
			state.mideleg = delegated ? 1 << IRQ_SEI : 0;
			g.machine.lines.raise(IRQ_SEI);
			step(g, encode("addi"));
			const where = delegated ? S_HANDLER : M_HANDLER;
			expect(g.machine.hart.pc === where, `${priv} ${mstatus} ${delegated}`).toBe(taken);
		}
	});

	it("go to base + 4 * cause if the vector says so, exceptions to the base", () => {
		const g = at(PRIV_U);
		const { state } = g.machine.hart;
		state.mtvec = M_HANDLER | 1;
		state.stvec = S_HANDLER | 1;
		state.mie = (1 << IRQ_MTI) | (1 << IRQ_SSI);
		state.mideleg = 1 << IRQ_SSI;
		g.machine.lines.raise(IRQ_SSI);
		step(g, encode("addi"));
		expect(g.machine.hart.pc).toBe(S_HANDLER + 4);
		g.machine.lines.raise(IRQ_MTI);
		step(g, encode("addi"));
		expect(g.machine.hart.pc).toBe(M_HANDLER + 28);
		g.machine.lines.lower(IRQ_MTI);
		step(g, 0xffff_ffff);
		expect(g.machine.hart.pc).toBe(M_HANDLER);
	});

	it("wfi waits for an enabled interrupt even if it is masked globally", () => {
		const g = at(PRIV_M);
		const { clock, hart, lines } = g.machine;
		hart.state.mie = 1 << IRQ_MTI;
		const handler = clock.register(() => lines.raise(IRQ_MTI));
		clock.schedule(5000, handler);
		g.machine.dma.store32(RAM_BASE + 4, encode("addi", { rd: 10, rs1: 0, imm: 7 }));
		g.machine.dma.store32(RAM_BASE + 8, encode("jal", { rd: 0, imm: 0 }));
		step(g, encode("wfi"), 4000);
		expect([hart.pc, clock.cycles, hart.x[10]]).toEqual([RAM_BASE + 4, 4000, 0]);
		g.machine.runBare(1001);
		expect([hart.pc, clock.cycles, hart.x[10]]).toEqual([RAM_BASE + 8, 5001, 7]);
		expect(hart.counters.instret).toBe(2);
	});
});
