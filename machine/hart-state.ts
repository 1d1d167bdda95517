/**
 * The hart's privileged state: mode, control and status registers, the exception being raised.
 *
 * Integer registers, pc, the reservation and what engines share lie in the hart block of Memory.
 * Values are unsigned 32-bit unless a comment says otherwise. Privileged specification 1.12,
 * chapters 3, 4.
 */

import {
	H_MCAUSE,
	H_MEPC,
	H_MSCRATCH,
	H_MTVAL,
	H_MTVEC,
	H_SCAUSE,
	H_SEPC,
	H_SSCRATCH,
	H_STVAL,
	H_STVEC,
	setCsrMasks,
} from "./csr-words.ts";
import {
	H_CYCLE_OFFSET,
	H_FFLAGS,
	H_FRM,
	H_INSTRET_OFFSET,
	H_MCOUNTEREN,
	H_MSTATUS,
	H_PRIV,
	H_RESERVATION,
	H_SCOUNTEREN,
	HART_BLOCK,
} from "./memory.ts";
import { IRQ_SEI, IRQ_SSI, IRQ_STI } from "./port.ts";

export const PRIV_U = 0;
export const PRIV_S = 1;
export const PRIV_M = 3;
export type Privilege = typeof PRIV_U | typeof PRIV_S | typeof PRIV_M;

/** mstatus; sstatus is a view of it. */
export const MSTATUS_SIE = 1 << 1;
export const MSTATUS_MIE = 1 << 3;
export const MSTATUS_SPIE = 1 << 5;
export const MSTATUS_MPIE = 1 << 7;
export const MSTATUS_SPP = 1 << 8;
export const MSTATUS_MPP_SHIFT = 11;
export const MSTATUS_MPP = 3 << MSTATUS_MPP_SHIFT;
/** State of the floating-point unit: FS_* of port.ts. */
export const MSTATUS_FS_SHIFT = 13;
export const MSTATUS_FS = 3 << MSTATUS_FS_SHIFT;
export const MSTATUS_MPRV = 1 << 17;
export const MSTATUS_SUM = 1 << 18;
export const MSTATUS_MXR = 1 << 19;
export const MSTATUS_TVM = 1 << 20;
export const MSTATUS_TW = 1 << 21;
export const MSTATUS_TSR = 1 << 22;
/** FS is Dirty. Read-only, and not kept in HartState. */
export const MSTATUS_SD = 0x8000_0000;

/** Interrupts of M-mode, and their bits in mip and mie; those of S-mode are in port.ts. */
export const IRQ_MSI = 3; // software
export const IRQ_MTI = 7; // timer
export const IRQ_MEI = 11; // external

/** Interrupts that can be delegated to S-mode, as bits of mideleg, mie and mip. */
export const S_INTERRUPTS = (1 << IRQ_SSI) | (1 << IRQ_STI) | (1 << IRQ_SEI);
/** medeleg: every exception but calls from S-mode and M-mode. */
export const S_EXCEPTIONS = 0xb1ff;
/** mcounteren and scounteren: cycle, time, instret. */
export const ALL_COUNTERS = 7;

/** menvcfgh: the supervisor timer of Sstc is enabled. */
export const MENVCFGH_STCE = 0x8000_0000;

/** Plain copy of the privileged state, for snapshots and hashing. */
export type HartRegisters = { [K in (typeof REGISTERS)[number]]: number };

/** Every field that software can observe, in the order in which they are hashed. */
export const REGISTERS = [
	"priv",
	"mstatus",
	"fflags",
	"frm",
	"medeleg",
	"mideleg",
	"mie",
	"mipSoftware",
	"mtvec",
	"mepc",
	"mcause",
	"mtval",
	"mscratch",
	"mcounteren",
	"menvcfg",
	"menvcfgh",
	"stvec",
	"sepc",
	"scause",
	"stval",
	"sscratch",
	"scounteren",
	"senvcfg",
	"satp",
	"stimecmpLow",
	"stimecmpHigh",
	"cycleOffsetLow",
	"cycleOffsetHigh",
	"instretOffsetLow",
	"instretOffsetHigh",
	"reservation",
	"waiting",
] as const;

/** HartState.leave: a debugger stops the hart before the current instruction. */
export const LEAVE_DEBUG = 2;

export class HartState {
	medeleg = 0;
	mideleg = 0;
	mie = 0;
	/** The bits of mip that software may set: SSIP, STIP, SEIP. Lines are in InterruptLines. */
	mipSoftware = 0;
	menvcfg = 0;
	menvcfgh = 0;
	senvcfg = 0;
	satp = 0;
	stimecmpLow = 0xffff_ffff;
	stimecmpHigh = 0xffff_ffff;
	/** 1 while wfi waits for an interrupt. */
	waiting = 0;

	/** A fault: STIP stays clear although stimecmp has passed. */
	timerMasked = false;

	/** The exception of the current instruction; see `raise`. */
	cause = 0;
	tval = 0;
	/** Cycles that table walks of the current instruction have cost, not yet accounted for. */
	stall = 0;
	/** 1 if the engine must not run on after the current instruction, or LEAVE_DEBUG; see rare.ts. */
	leave = 0;

	readonly #words: Int32Array;

	/** `words` begins with the hart block that this state belongs to. */
	constructor(words: Int32Array = new Int32Array(HART_BLOCK)) {
		this.#words = words;
		setCsrMasks(words);
		words.fill(0, H_MSTATUS, HART_BLOCK);
		this.priv = PRIV_M;
		this.reservation = -1;
	}

	/** Host offset that lr.w has reserved, or -1. It lies in the hart block. */
	get reservation(): number {
		return this.#words[H_RESERVATION]!;
	}

	set reservation(host: number) {
		this.#words[H_RESERVATION] = host;
	}

	get priv(): Privilege {
		return this.#words[H_PRIV] as Privilege;
	}

	set priv(priv: Privilege) {
		this.#words[H_PRIV] = priv;
	}

	/** Without SD. */
	get mstatus(): number {
		return this.#words[H_MSTATUS]!;
	}

	set mstatus(value: number) {
		this.#words[H_MSTATUS] = value;
	}

	/** The fields of fcsr. */
	get fflags(): number {
		return this.#words[H_FFLAGS]!;
	}

	set fflags(value: number) {
		this.#words[H_FFLAGS] = value;
	}

	get frm(): number {
		return this.#words[H_FRM]!;
	}

	set frm(value: number) {
		this.#words[H_FRM] = value;
	}

	get mcounteren(): number {
		return this.#words[H_MCOUNTEREN]! >>> 0;
	}

	set mcounteren(value: number) {
		this.#words[H_MCOUNTEREN] = value;
	}

	get scounteren(): number {
		return this.#words[H_SCOUNTEREN]! >>> 0;
	}

	set scounteren(value: number) {
		this.#words[H_SCOUNTEREN] = value;
	}

	/** Added to the counters when read, because software wrote mcycle or minstret. */
	get cycleOffsetLow(): number {
		return this.#words[H_CYCLE_OFFSET]! >>> 0;
	}

	set cycleOffsetLow(value: number) {
		this.#words[H_CYCLE_OFFSET] = value;
	}

	get cycleOffsetHigh(): number {
		return this.#words[H_CYCLE_OFFSET + 1]! >>> 0;
	}

	set cycleOffsetHigh(value: number) {
		this.#words[H_CYCLE_OFFSET + 1] = value;
	}

	get instretOffsetLow(): number {
		return this.#words[H_INSTRET_OFFSET]! >>> 0;
	}

	set instretOffsetLow(value: number) {
		this.#words[H_INSTRET_OFFSET] = value;
	}

	get instretOffsetHigh(): number {
		return this.#words[H_INSTRET_OFFSET + 1]! >>> 0;
	}

	set instretOffsetHigh(value: number) {
		this.#words[H_INSTRET_OFFSET + 1] = value;
	}

	get mtvec(): number {
		return this.#words[H_MTVEC]! >>> 0;
	}

	set mtvec(value: number) {
		this.#words[H_MTVEC] = value;
	}

	get mepc(): number {
		return this.#words[H_MEPC]! >>> 0;
	}

	set mepc(value: number) {
		this.#words[H_MEPC] = value;
	}

	get mcause(): number {
		return this.#words[H_MCAUSE]! >>> 0;
	}

	set mcause(value: number) {
		this.#words[H_MCAUSE] = value;
	}

	get mtval(): number {
		return this.#words[H_MTVAL]! >>> 0;
	}

	set mtval(value: number) {
		this.#words[H_MTVAL] = value;
	}

	get mscratch(): number {
		return this.#words[H_MSCRATCH]! >>> 0;
	}

	set mscratch(value: number) {
		this.#words[H_MSCRATCH] = value;
	}

	get stvec(): number {
		return this.#words[H_STVEC]! >>> 0;
	}

	set stvec(value: number) {
		this.#words[H_STVEC] = value;
	}

	get sepc(): number {
		return this.#words[H_SEPC]! >>> 0;
	}

	set sepc(value: number) {
		this.#words[H_SEPC] = value;
	}

	get scause(): number {
		return this.#words[H_SCAUSE]! >>> 0;
	}

	set scause(value: number) {
		this.#words[H_SCAUSE] = value;
	}

	get stval(): number {
		return this.#words[H_STVAL]! >>> 0;
	}

	set stval(value: number) {
		this.#words[H_STVAL] = value;
	}

	get sscratch(): number {
		return this.#words[H_SSCRATCH]! >>> 0;
	}

	set sscratch(value: number) {
		this.#words[H_SSCRATCH] = value;
	}

	/** Note an exception. => 0, so that a function can end with `return state.raise(...)`. */
	raise(cause: number, tval: number): 0 {
		this.cause = cause;
		this.tval = tval >>> 0;
		return 0;
	}

	save(): HartRegisters {
		const registers: Partial<HartRegisters> = {};
		for (const name of REGISTERS) registers[name] = this[name];
		return registers as HartRegisters;
	}

	restore(registers: HartRegisters): void {
		for (const name of REGISTERS) (this as HartRegisters)[name] = registers[name];
	}
}
