/**
 * Instructions that deal with the privileged state: Zicsr, ecall, ebreak, xRET, wfi, sfence.vma,
 * fence.i. Privileged specification 1.12, sections 2.1, 3.3, 4.2.1.
 */
import type { CodeCache } from "./code-cache.ts";
import { CSR_WRITE, type Csrs } from "./csr.ts";
import type { HartParts } from "./hart-parts.ts";
import {
	type HartState,
	MSTATUS_TSR,
	MSTATUS_TVM,
	MSTATUS_TW,
	PRIV_M,
	PRIV_S,
	PRIV_U,
} from "./hart-state.ts";
import { H_FETCH_PAGE, H_PC, H_SINK } from "./memory.ts";
import type { Mmu } from "./mmu.ts";
import { OP } from "./op.ts";
import {
	CAUSE_BREAKPOINT,
	CAUSE_ILLEGAL_INSTRUCTION,
	CAUSE_USER_ECALL,
	FENCE_ALL,
} from "./port.ts";
import type { Traps } from "./trap.ts";

/** The instruction is done and the next one follows it. */
const SYSTEM_NEXT = 0;
/** The instruction is done and has set pc itself. */
export const SYSTEM_JUMP = 1;
/** The instruction has met an exception, which HartState notes. */
export const SYSTEM_TRAP = 2;
/** The instruction is done; the page of the next one must be entered again. */
export const SYSTEM_ENTER = 3;

type SystemParts = Pick<HartParts, "state" | "memory" | "mmu" | "csrs" | "traps" | "code">;

export class SystemInstructions {
	readonly #state: HartState;
	readonly #words: Int32Array;
	readonly #mmu: Mmu;
	readonly #csrs: Csrs;
	readonly #traps: Traps;
	readonly #code: CodeCache;

	constructor({ state, memory, mmu, csrs, traps, code }: SystemParts) {
		this.#state = state;
		this.#words = memory.i32;
		this.#mmu = mmu;
		this.#csrs = csrs;
		this.#traps = traps;
		this.#code = code;
	}

	/** Execute the instruction `w`, whose operation is `op`. => SYSTEM_* */
	execute(op: number, w: number): number {
		const state = this.#state;
		switch (op) {
			case OP.FENCE_I:
				this.#code.fence();
				return SYSTEM_ENTER;
			case OP.CSR:
				return this.#csr(w);
			case OP.ECALL:
				state.raise(CAUSE_USER_ECALL + state.priv, 0);
				return SYSTEM_TRAP;
			case OP.EBREAK:
				state.raise(CAUSE_BREAKPOINT, this.#words[H_PC]!);
				return SYSTEM_TRAP;
			case OP.SRET:
				return this.#sret(w);
			case OP.MRET:
				if (state.priv !== PRIV_M) return this.#illegal(w);
				this.#traps.returnFromMachine();
				return SYSTEM_JUMP;
			case OP.WFI:
				return this.#wfi(w);
			case OP.SFENCE_VMA:
				return this.#sfence(w);
			default:
				return this.#illegal(w);
		}
	}

	#illegal(w: number): number {
		this.#state.raise(CAUSE_ILLEGAL_INSTRUCTION, w);
		return SYSTEM_TRAP;
	}

	#sret(w: number): number {
		const state = this.#state;
		if (state.priv === PRIV_U || (state.priv === PRIV_S && (state.mstatus & MSTATUS_TSR) !== 0)) {
			return this.#illegal(w);
		}
		this.#traps.returnFromSupervisor();
		return SYSTEM_JUMP;
	}

	#wfi(w: number): number {
		const state = this.#state;
		// In U-mode, and in S-mode with TW set, wfi may not wait.
		if (state.priv === PRIV_U || (state.priv === PRIV_S && (state.mstatus & MSTATUS_TW) !== 0)) {
			return this.#illegal(w);
		}
		state.waiting = 1;
		state.leave = 1;
		return SYSTEM_NEXT;
	}

	#sfence(w: number): number {
		const state = this.#state;
		if (state.priv === PRIV_U || (state.priv === PRIV_S && (state.mstatus & MSTATUS_TVM) !== 0)) {
			return this.#illegal(w);
		}
		const rs1 = (w >>> 15) & 31;
		const rs2 = (w >>> 20) & 31;
		const x = this.#words;
		this.#mmu.fence(rs1 === 0 ? FENCE_ALL : x[rs1]! >>> 0, rs2 === 0 ? FENCE_ALL : x[rs2]! >>> 0);
		return SYSTEM_ENTER;
	}

	/** csrrw, csrrs, csrrc and their immediate forms. */
	#csr(w: number): number {
		const words = this.#words;
		const csr = w >>> 20;
		const field = (w >>> 15) & 31;
		const operand = ((w & 0x4000) !== 0 ? field : words[field]!) >>> 0;
		const kind = (w >>> 12) & 3;
		const writes = kind === CSR_WRITE || field !== 0;
		const old = this.#csrs.execute(csr, kind, operand, writes);
		if (old < 0) return this.#illegal(w);
		const rd = (w >>> 7) & 31;
		words[rd === 0 ? H_SINK : rd] = old;
		return words[H_FETCH_PAGE] === 1 ? SYSTEM_ENTER : SYSTEM_NEXT;
	}
}
