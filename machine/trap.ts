/**
 * Traps: which interrupt is taken, where an exception or interrupt goes, and the return from it.
 * Privileged specification 1.12, sections 3.1.6 to 3.1.9, 3.3.2, 4.1.
 */

import type { Counters } from "./counters.ts";
import type { HartParts } from "./hart-parts.ts";
import {
	type HartState,
	IRQ_MEI,
	IRQ_MSI,
	IRQ_MTI,
	MENVCFGH_STCE,
	MSTATUS_MIE,
	MSTATUS_MPIE,
	MSTATUS_MPP,
	MSTATUS_MPP_SHIFT,
	MSTATUS_MPRV,
	MSTATUS_SIE,
	MSTATUS_SPIE,
	MSTATUS_SPP,
	PRIV_M,
	PRIV_S,
	PRIV_U,
	type Privilege,
} from "./hart-state.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import { H_FETCH_PAGE, H_PC, H_READY } from "./memory.ts";
import type { Mmu } from "./mmu.ts";
import { IRQ_SEI, IRQ_SSI, IRQ_STI, SCAUSE_INTERRUPT } from "./port.ts";
import { TrapCounts } from "./trap-counts.ts";

/** Highest priority first, section 3.1.9. */
const PRIORITY = [IRQ_MEI, IRQ_MSI, IRQ_MTI, IRQ_SEI, IRQ_SSI, IRQ_STI] as const;

export class Traps {
	/** Traps since reset, to any handler. Only debuggers use it. */
	taken = 0;
	/** The same by cause. */
	readonly byCause = new TrapCounts();
	/** Bits of the exceptions that enter their handlers at once, and end no slice. */
	quick = 0;
	readonly #state: HartState;
	readonly #words: Int32Array;
	readonly #mmu: Mmu;
	readonly #lines: InterruptLines;
	readonly #counters: Counters;

	constructor({
		state,
		memory,
		mmu,
		lines,
		counters,
	}: Pick<HartParts, "state" | "memory" | "mmu" | "lines" | "counters">) {
		this.#state = state;
		this.#words = memory.i32;
		this.#mmu = mmu;
		this.#lines = lines;
		this.#counters = counters;
	}

	/** mip: lines, software's bits, and the supervisor timer of Sstc. */
	get mip(): number {
		const state = this.#state;
		let mip = this.#lines.levels | state.mipSoftware;
		if ((state.menvcfgh & MENVCFGH_STCE) !== 0) {
			const pending = this.#counters.isDue(state) && !state.timerMasked;
			mip = pending ? mip | (1 << IRQ_STI) : mip & ~(1 << IRQ_STI);
		}
		return mip;
	}

	/** => the number of the interrupt to be taken before the next instruction, or -1. */
	pending(): number {
		const state = this.#state;
		const ready = state.mie === 0 ? 0 : this.mip & state.mie;
		this.#words[H_READY] = ready;
		if (ready === 0) return -1;
		const machine = ready & ~state.mideleg;
		if (machine !== 0 && (state.priv !== PRIV_M || (state.mstatus & MSTATUS_MIE) !== 0)) {
			return highest(machine);
		}
		const supervisor = ready & state.mideleg;
		if (supervisor === 0 || state.priv === PRIV_M) return -1;
		if (state.priv === PRIV_S && (state.mstatus & MSTATUS_SIE) === 0) return -1;
		return highest(supervisor);
	}

	/** Is an interrupt pending that ends wfi, whether or not interrupts are enabled globally? */
	wakes(): boolean {
		return (this.mip & this.#state.mie) !== 0;
	}

	/** Does exception `cause`, met in the present mode, go to S-mode? */
	isDelegated(cause: number): boolean {
		const state = this.#state;
		return state.priv !== PRIV_M && ((state.medeleg >>> cause) & 1) !== 0;
	}

	/** Count an exception; interrupts are counted where they are taken. */
	count(cause: number): void {
		this.taken++;
		this.byCause.exception(cause);
	}

	/** Does the exception that HartState notes enter its handler at once? */
	isQuick(): boolean {
		return ((this.quick >>> this.#state.cause) & 1) !== 0;
	}

	/** Count the exception that HartState notes, and enter its handler. => as enterException */
	enterQuickly(): boolean {
		this.count(this.#state.cause);
		return this.enterException();
	}

	/**
	 * Enter the handler of the exception that HartState notes, met at pc.
	 * => true if the handler's first instruction has met it, and no interrupt can end that.
	 */
	enterException(): boolean {
		const state = this.#state;
		const { cause, tval, priv } = state;
		const pc = this.#words[H_PC]!;
		if (this.isDelegated(cause)) this.#enterSupervisor(cause, tval, false);
		else this.#enterMachine(cause, tval, false);
		if (this.#words[H_PC] !== pc || state.priv !== priv) return false;
		return priv === PRIV_M || (state.mie & ~state.mideleg) === 0;
	}

	/** Enter the handler of S-mode, as M-mode software does for what cannot be delegated. */
	redirectException(): void {
		const { cause, tval } = this.#state;
		this.#enterSupervisor(cause, tval, false);
	}

	enterInterrupt(irq: number): void {
		if (((this.#state.mideleg >>> irq) & 1) !== 0) this.#enterSupervisor(irq, 0, true);
		else this.#enterMachine(irq, 0, true);
	}

	/** Set sepc, scause and stval. `interrupt` says which kind `cause` is. */
	tellSupervisor(cause: number, tval: number, interrupt: boolean): void {
		const state = this.#state;
		if (interrupt) this.#countInterrupt(cause);
		state.sepc = this.#words[H_PC]! >>> 0;
		state.scause = interrupt ? SCAUSE_INTERRUPT + cause : cause;
		state.stval = tval;
		state.reservation = -1;
		// The kernel may change everything before control comes back.
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** sret; pc is set. */
	returnFromSupervisor(): void {
		const state = this.#state;
		const mstatus = state.mstatus;
		state.priv = (mstatus & MSTATUS_SPP) !== 0 ? PRIV_S : PRIV_U;
		state.mstatus =
			((mstatus & ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV)) |
				MSTATUS_SPIE |
				((mstatus & MSTATUS_SPIE) !== 0 ? MSTATUS_SIE : 0)) >>>
			0;
		this.#goto(state.sepc);
	}

	/** mret; pc is set. */
	returnFromMachine(): void {
		const state = this.#state;
		const mstatus = state.mstatus;
		state.priv = ((mstatus & MSTATUS_MPP) >>> MSTATUS_MPP_SHIFT) as Privilege;
		state.mstatus =
			((mstatus & ~(MSTATUS_MIE | MSTATUS_MPP | (state.priv === PRIV_M ? 0 : MSTATUS_MPRV))) |
				MSTATUS_MPIE |
				((mstatus & MSTATUS_MPIE) !== 0 ? MSTATUS_MIE : 0)) >>>
			0;
		this.#goto(state.mepc);
	}

	#enterSupervisor(cause: number, tval: number, interrupt: boolean): void {
		const state = this.#state;
		const mstatus = state.mstatus;
		this.tellSupervisor(cause, tval, interrupt);
		state.mstatus =
			((mstatus & ~(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP)) |
				((mstatus & MSTATUS_SIE) !== 0 ? MSTATUS_SPIE : 0) |
				(state.priv === PRIV_S ? MSTATUS_SPP : 0)) >>>
			0;
		state.priv = PRIV_S;
		this.#goto(handler(state.stvec, cause, interrupt));
	}

	#enterMachine(cause: number, tval: number, interrupt: boolean): void {
		const state = this.#state;
		const mstatus = state.mstatus;
		if (interrupt) this.#countInterrupt(cause);
		state.mepc = this.#words[H_PC]! >>> 0;
		state.mcause = interrupt ? SCAUSE_INTERRUPT + cause : cause;
		state.mtval = tval;
		state.reservation = -1;
		state.mstatus =
			((mstatus & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP)) |
				((mstatus & MSTATUS_MIE) !== 0 ? MSTATUS_MPIE : 0) |
				(state.priv << MSTATUS_MPP_SHIFT)) >>>
			0;
		state.priv = PRIV_M;
		this.#goto(handler(state.mtvec, cause, interrupt));
	}

	#countInterrupt(irq: number): void {
		this.taken++;
		this.byCause.interrupt(irq);
	}

	#goto(pc: number): void {
		this.#words[H_PC] = pc;
		this.#words[H_FETCH_PAGE] = 1;
		this.#mmu.updateContext();
	}
}

function highest(interrupts: number): number {
	for (const irq of PRIORITY) if (((interrupts >>> irq) & 1) !== 0) return irq;
	return -1;
}

/** Address of the handler: `tvec` has its base in 31..2, and 1 in 1..0 if vectored. */
function handler(tvec: number, cause: number, interrupt: boolean): number {
	const base = tvec & ~3;
	return interrupt && (tvec & 1) !== 0 ? base + 4 * cause : base;
}
