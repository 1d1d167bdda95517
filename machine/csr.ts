/**
 * Control and status registers: who may read and write which, and what a write leaves behind.
 * Privileged specification 1.12, chapters 2 to 4; Sstc 0.5.4; the counters of Zicntr.
 *
 * Registers that this hart has no use for but must have (mcountinhibit, the hardware performance
 * counters) read as zero and ignore writes.
 */
import type { Clock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import {
	type HartState,
	IRQ_SEI,
	IRQ_SSI,
	IRQ_STI,
	MENVCFGH_STCE,
	MSTATUS_FS,
	MSTATUS_MIE,
	MSTATUS_MPIE,
	MSTATUS_MPP,
	MSTATUS_MPP_SHIFT,
	MSTATUS_MPRV,
	MSTATUS_MXR,
	MSTATUS_SD,
	MSTATUS_SIE,
	MSTATUS_SPIE,
	MSTATUS_SPP,
	MSTATUS_SUM,
	MSTATUS_TSR,
	MSTATUS_TVM,
	MSTATUS_TW,
	PRIV_M,
	PRIV_S,
	PRIV_U,
} from "./hart-state.ts";
import type { Mmu } from "./mmu.ts";
import type { Pmp } from "./pmp.ts";
import { S_INTERRUPTS, type Traps } from "./trap.ts";

/** RV32, and the letters of its extensions and modes. */
const MISA = [..."ACDFIMSU"].reduce(
	(misa, letter) => misa | (1 << (letter.charCodeAt(0) - 65)),
	0x4000_0000,
);
const SSTATUS = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR;
const MSTATUS =
	SSTATUS | MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPRV | MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR;
/** Exceptions that can be delegated: all but ecall from M-mode, and only those that exist. */
const MEDELEG = 0xb3ff;
/** MEI, SEI, MTI, STI, MSI, SSI. */
const MIE = 0xaaa;
/** CY, TM, IR. */
const COUNTEREN = 7;
const FIOM = 1;
const BIT_TM = 1 << 1;
const PMPCFG0 = 0x3a0;
const PMPADDR0 = 0x3b0;

/** What `read` returns for a register that does not exist. */
const NO_CSR = -1;

export class Csrs {
	readonly #state: HartState;
	readonly #mmu: Mmu;
	readonly #pmp: Pmp;
	readonly #traps: Traps;
	readonly #counters: Counters;
	readonly #clock: Clock;
	readonly #timerHandler: number;

	constructor(state: HartState, mmu: Mmu, pmp: Pmp, traps: Traps, counters: Counters) {
		this.#state = state;
		this.#mmu = mmu;
		this.#pmp = pmp;
		this.#traps = traps;
		this.#counters = counters;
		this.#clock = counters.clock;
		// The event only ends the run of the engine; STIP itself is a function of the time.
		this.#timerHandler = this.#clock.register(() => {});
	}

	/**
	 * May the present mode access `csr`?
	 * => `writes` says whether the instruction would write it.
	 */
	allows(csr: number, writes: boolean): boolean {
		const state = this.#state;
		if (((csr >>> 8) & 3) > state.priv) return false;
		if (writes && csr >>> 10 === 3) return false;
		if (csr <= 0x003) return (state.mstatus & MSTATUS_FS) !== 0;
		if (csr === 0x180) {
			return state.priv !== PRIV_S || (state.mstatus & MSTATUS_TVM) === 0;
		}
		if (csr === 0x14d || csr === 0x15d) {
			return (
				state.priv === PRIV_M ||
				((state.menvcfgh & MENVCFGH_STCE) !== 0 && (state.mcounteren & BIT_TM) !== 0)
			);
		}
		if ((csr & 0xf60) === 0xc00) {
			const bit = csr & 31;
			if (state.priv < PRIV_M && ((state.mcounteren >>> bit) & 1) === 0) return false;
			if (state.priv === PRIV_U && ((state.scounteren >>> bit) & 1) === 0) return false;
		}
		return true;
	}

	/** => the unsigned value, or -1 if there is no such register. The clock is up to date. */
	read(csr: number): number {
		if (csr < 0x100) return this.#readFloat(csr);
		const value = csr < 0x300 ? this.#readSupervisor(csr) : this.#readMachine(csr);
		return value === NO_CSR ? this.#readCounter(csr) : value;
	}

	/** => false if there is no such register. */
	write(csr: number, value: number): boolean {
		if (csr < 0x100) return this.#writeFloat(csr, value);
		return csr < 0x300 ? this.#writeSupervisor(csr, value) : this.#writeMachine(csr, value);
	}

	/** What csrrs and csrrc modify: SEIP reads as a line too, but only software's bit is changed. */
	readForModify(csr: number): number {
		const value = this.read(csr);
		if (csr !== 0x344 && csr !== 0x144) return value;
		const software = this.#state.mipSoftware & (1 << IRQ_SEI);
		return (value & ~(1 << IRQ_SEI)) | software;
	}

	/** stimecmp, in time ticks. */
	setTimeCompare(low: number, high: number): void {
		const state = this.#state;
		state.stimecmpLow = low;
		state.stimecmpHigh = high;
		this.updateTimer();
	}

	/** Schedule the event at which the supervisor timer falls due. */
	updateTimer(): void {
		const state = this.#state;
		this.#clock.cancel(this.#timerHandler);
		if ((state.menvcfgh & MENVCFGH_STCE) === 0) return;
		const when = this.#counters.cycleOfTime(state.stimecmpHigh * 2 ** 32 + state.stimecmpLow);
		// Beyond 2^53 cycles nothing ever happens.
		if (when > this.#clock.cycles && when < Number.MAX_SAFE_INTEGER) {
			this.#clock.schedule(when, this.#timerHandler);
		}
	}

	#readFloat(csr: number): number {
		const { fflags, frm } = this.#state;
		switch (csr) {
			case 0x001:
				return fflags;
			case 0x002:
				return frm;
			case 0x003:
				return (frm << 5) | fflags;
			default:
				return NO_CSR;
		}
	}

	#writeFloat(csr: number, value: number): boolean {
		const state = this.#state;
		if (csr < 0x001 || csr > 0x003) return false;
		state.mstatus |= MSTATUS_FS;
		if (csr !== 0x002) state.fflags = value & 31;
		if (csr !== 0x001) state.frm = (csr === 0x003 ? value >>> 5 : value) & 7;
		return true;
	}

	#readSupervisor(csr: number): number {
		const state = this.#state;
		switch (csr) {
			case 0x100:
				return withSummary(state.mstatus & SSTATUS);
			case 0x104:
				return state.mie & state.mideleg;
			case 0x105:
				return state.stvec;
			case 0x106:
				return state.scounteren;
			case 0x10a:
				return state.senvcfg;
			case 0x140:
				return state.sscratch;
			case 0x141:
				return state.sepc;
			case 0x142:
				return state.scause;
			case 0x143:
				return state.stval;
			case 0x144:
				return this.#traps.mip & state.mideleg;
			case 0x14d:
				return state.stimecmpLow;
			case 0x15d:
				return state.stimecmpHigh;
			case 0x180:
				return state.satp;
			default:
				return NO_CSR;
		}
	}

	#readMachine(csr: number): number {
		const state = this.#state;
		switch (csr) {
			case 0x300:
				return withSummary(state.mstatus);
			case 0x301:
				return MISA;
			case 0x302:
				return state.medeleg;
			case 0x303:
				return state.mideleg;
			case 0x304:
				return state.mie;
			case 0x305:
				return state.mtvec;
			case 0x306:
				return state.mcounteren;
			case 0x30a:
				return state.menvcfg;
			case 0x31a:
				return state.menvcfgh;
			case 0x340:
				return state.mscratch;
			case 0x341:
				return state.mepc;
			case 0x342:
				return state.mcause;
			case 0x343:
				return state.mtval;
			case 0x344:
				return this.#traps.mip;
			default:
				if (isPmp(csr)) return this.#readPmp(csr);
				return isZero(csr) ? 0 : NO_CSR;
		}
	}

	#readCounter(csr: number): number {
		const state = this.#state;
		const high = (csr & 0x80) !== 0;
		switch (csr & ~0x80) {
			case 0xb00:
			case 0xc00:
				return half(this.#clock.cycles, state.cycleOffsetLow, state.cycleOffsetHigh, high);
			case 0xc01:
				return this.#readTime(high);
			case 0xb02:
			case 0xc02:
				return half(this.#counters.instret, state.instretOffsetLow, state.instretOffsetHigh, high);
			default:
				return NO_CSR;
		}
	}

	#readTime(high: boolean): number {
		const { ticks, timeOffsetLow, timeOffsetHigh } = this.#counters;
		return half(ticks, timeOffsetLow, timeOffsetHigh, high);
	}

	#writeSupervisor(csr: number, value: number): boolean {
		const state = this.#state;
		switch (csr) {
			case 0x100:
				this.#writeStatus(value, SSTATUS);
				return true;
			case 0x104:
				state.mie = (state.mie & ~state.mideleg) | (value & state.mideleg & S_INTERRUPTS);
				return true;
			case 0x105:
				state.stvec = (value & ~2) >>> 0;
				return true;
			case 0x106:
				state.scounteren = value & COUNTEREN;
				return true;
			case 0x10a:
				state.senvcfg = value & FIOM;
				return true;
			case 0x140:
				state.sscratch = value;
				return true;
			case 0x141:
				state.sepc = (value & ~1) >>> 0;
				return true;
			case 0x142:
				state.scause = value;
				return true;
			case 0x143:
				state.stval = value;
				return true;
			case 0x144:
				this.#writePending(value, state.mideleg & (1 << IRQ_SSI));
				return true;
			case 0x14d:
				this.setTimeCompare(value, state.stimecmpHigh);
				return true;
			case 0x15d:
				this.setTimeCompare(state.stimecmpLow, value);
				return true;
			case 0x180:
				state.satp = value;
				this.#mmu.updateContext();
				return true;
			default:
				return false;
		}
	}

	#writeMachine(csr: number, value: number): boolean {
		const state = this.#state;
		switch (csr) {
			case 0x300:
				this.#writeStatus(value, MSTATUS);
				return true;
			case 0x301:
				return true;
			case 0x302:
				state.medeleg = value & MEDELEG;
				return true;
			case 0x303:
				state.mideleg = value & S_INTERRUPTS;
				return true;
			case 0x304:
				state.mie = value & MIE;
				return true;
			case 0x305:
				state.mtvec = (value & ~2) >>> 0;
				return true;
			case 0x306:
				state.mcounteren = value & COUNTEREN;
				return true;
			case 0x30a:
				state.menvcfg = value & FIOM;
				return true;
			case 0x31a:
				state.menvcfgh = (value & MENVCFGH_STCE) >>> 0;
				this.updateTimer();
				return true;
			case 0x340:
				state.mscratch = value;
				return true;
			case 0x341:
				state.mepc = (value & ~1) >>> 0;
				return true;
			case 0x342:
				state.mcause = value;
				return true;
			case 0x343:
				state.mtval = value;
				return true;
			case 0x344:
				this.#writePending(value, (1 << IRQ_SSI) | (1 << IRQ_STI) | (1 << IRQ_SEI));
				return true;
			default:
				if (isPmp(csr)) return this.#writePmp(csr, value);
				return isZero(csr) || this.#writeCounter(csr, value);
		}
	}

	#readPmp(csr: number): number {
		return csr < PMPADDR0 ? this.#pmp.readCfg(csr - PMPCFG0) : this.#pmp.readAddr(csr - PMPADDR0);
	}

	#writePmp(csr: number, value: number): true {
		if (csr < PMPADDR0) this.#pmp.writeCfg(csr - PMPCFG0, value);
		else this.#pmp.writeAddr(csr - PMPADDR0, value);
		this.#mmu.protectionChanged();
		return true;
	}

	#writeStatus(value: number, mask: number): void {
		const state = this.#state;
		let mstatus = (state.mstatus & ~mask) | (value & mask);
		// MPP has no value 2: such a write leaves it as it is.
		const mpp = value & MSTATUS_MPP;
		if (mask !== SSTATUS && mpp !== 2 << MSTATUS_MPP_SHIFT) {
			mstatus = (mstatus & ~MSTATUS_MPP) | mpp;
		}
		state.mstatus = mstatus >>> 0;
		this.#mmu.updateContext();
	}

	#writePending(value: number, mask: number): void {
		const state = this.#state;
		// With Sstc the timer's bit belongs to stimecmp.
		const writable = (state.menvcfgh & MENVCFGH_STCE) !== 0 ? mask & ~(1 << IRQ_STI) : mask;
		state.mipSoftware = (state.mipSoftware & ~writable) | (value & writable);
	}

	/**
	 * The counter reads as `value` in the next instruction: the write replaces the increment for
	 * the instruction that does it.
	 */
	#writeCounter(csr: number, value: number): boolean {
		const state = this.#state;
		const high = (csr & 0x80) !== 0;
		const isCycle = (csr & ~0x80) === 0xb00;
		if (!isCycle && (csr & ~0x80) !== 0xb02) return false;
		const count = BigInt(isCycle ? this.#clock.cycles : this.#counters.instret) + 1n;
		const oldLow = BigInt(this.read(csr & ~0x80));
		const oldHigh = BigInt(this.read(csr | 0x80));
		const wanted = high ? (BigInt(value) << 32n) | oldLow : (oldHigh << 32n) | BigInt(value);
		const offset = BigInt.asUintN(64, wanted - count);
		const offsetLow = Number(offset & 0xffff_ffffn);
		const offsetHigh = Number(offset >> 32n);
		if (isCycle) {
			state.cycleOffsetLow = offsetLow;
			state.cycleOffsetHigh = offsetHigh;
		} else {
			state.instretOffsetLow = offsetLow;
			state.instretOffsetHigh = offsetHigh;
		}
		return true;
	}
}

/** pmpcfg0..15 and pmpaddr0..63. */
const isPmp = (csr: number): boolean => csr >= PMPCFG0 && csr <= 0x3ef;

/** mstatus or sstatus as it is read, with SD. */
function withSummary(mstatus: number): number {
	return (mstatus & MSTATUS_FS) === MSTATUS_FS ? mstatus + MSTATUS_SD : mstatus;
}

/** Registers that are read-only zero. */
function isZero(csr: number): boolean {
	return (
		csr === 0x310 || // mstatush: little-endian only
		(csr >= 0x7a0 && csr <= 0x7a4) || // tselect, tdata1..3, tinfo: there is no trigger
		(csr >= 0xf11 && csr <= 0xf15) || // mvendorid .. mconfigptr; mhartid is 0
		csr === 0x320 || // mcountinhibit
		(csr >= 0x323 && csr <= 0x33f) || // mhpmevent3..31
		(csr >= 0xb03 && csr <= 0xb1f) || // mhpmcounter3..31
		(csr >= 0xb83 && csr <= 0xb9f) ||
		(csr >= 0xc03 && csr <= 0xc1f) || // hpmcounter3..31
		(csr >= 0xc83 && csr <= 0xc9f)
	);
}

/** One half of count + offset, modulo 2^64. */
function half(count: number, offsetLow: number, offsetHigh: number, high: boolean): number {
	const low = (count % 2 ** 32) + offsetLow;
	if (!high) return low % 2 ** 32;
	const carry = low >= 2 ** 32 ? 1 : 0;
	return (Math.floor(count / 2 ** 32) + offsetHigh + carry) % 2 ** 32;
}
