/**
 * Control and status registers. Each is one entry of a table: how it is read, what a write does,
 * and who may access it. Privileged specification 1.12, chapters 2 to 4; Sstc 0.5.4; the
 * counters of Zicntr.
 *
 * Registers that must exist but have no function here (hardware performance counters, triggers)
 * read as zero and ignore writes.
 */

import {
	CSR,
	CSR_COUNT,
	CSR_ROWS,
	type CsrName,
	type CsrRow,
	csrPrivilege,
	isReadOnlyCsr,
} from "./csr-numbers.ts";
import { csrMask, type HeldCsr } from "./csr-words.ts";
import type { HartParts } from "./hart-parts.ts";
import {
	ALL_COUNTERS,
	type HartState,
	IRQ_MEI,
	IRQ_MSI,
	IRQ_MTI,
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
	S_EXCEPTIONS,
	S_INTERRUPTS,
} from "./hart-state.ts";
import { CAUSE_SUPERVISOR_ECALL, IRQ_SEI, IRQ_SSI, IRQ_STI } from "./port.ts";

/** Bits 13..12 of the instruction: csrrw, csrrs, csrrc. */
export const CSR_WRITE = 1;
const CSR_SET = 2;

/** RV32, and the letters of its extensions and modes. */
const MISA = [..."ACDFIMSU"].reduce(
	(misa, letter) => misa | (1 << (letter.charCodeAt(0) - 65)),
	0x4000_0000,
);
/** The bits of sstatus and mstatus, but SD. */
export const SSTATUS =
	MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR;
export const MSTATUS =
	SSTATUS |
	MSTATUS_MIE |
	MSTATUS_MPIE |
	MSTATUS_MPP |
	MSTATUS_MPRV |
	MSTATUS_TVM |
	MSTATUS_TW |
	MSTATUS_TSR;
/** Exceptions that can be delegated: all but ecall from M-mode, and only those that exist. */
const MEDELEG = S_EXCEPTIONS | (1 << CAUSE_SUPERVISOR_ECALL);
const MIE = S_INTERRUPTS | (1 << IRQ_MSI) | (1 << IRQ_MTI) | (1 << IRQ_MEI);
const COUNTEREN_TM = 1 << 1;
const FIOM = 1;
/** The parts of a hart that its registers belong to. */
type CsrParts = Pick<HartParts, "state" | "mmu" | "pmp" | "traps" | "counters" | "clock" | "timer">;

/** Leave, after the time is up to date: others may be concerned. Reads need the time as well. */
const LEAVE = 0;
/** Nothing: the register holds a value and does nothing. */
const NOTHING = 1;
/** Look: the context, or which interrupts are taken, may have changed. */
const LOOK = 2;
type After = typeof LEAVE | typeof NOTHING | typeof LOOK;

/** One control and status register. Values are unsigned. */
interface Csr {
	/** => the clock is up to date if the register is one of LEAVE. */
	readonly read: (hart: CsrParts) => number;
	/** null: no instruction can write the register. */
	readonly write: ((hart: CsrParts, value: number) => void) | null;
	/** The value that csrrs and csrrc modify, where that is not what `read` returns. */
	readonly modify: ((hart: CsrParts) => number) | null;
	/** May the present mode access it? null: the number's own rule (csrPrivilege) is enough. */
	readonly allowed: ((state: HartState) => boolean) | null;
	/** What an engine must do after a write. */
	readonly after: After;
}

/** An entry of the table; members left out are null, or LEAVE. */
type CsrEntry = Pick<Csr, "read" | "write"> & Partial<Csr>;

/** A register that reads as zero and ignores writes. */
const ZERO: CsrEntry = { after: NOTHING, read: () => 0, write: () => {} };

/** A register that lies in the hart block: engines need not come here for it. */
const held = (name: HeldCsr): CsrEntry => ({
	after: NOTHING,
	read: ({ state }) => state[name],
	write: ({ state }, value) => {
		state[name] = (value & csrMask(CSR[name])) >>> 0;
	},
});

const floatEnabled = (state: HartState): boolean => (state.mstatus & MSTATUS_FS) !== 0;

/** fflags, frm or fcsr: writing it makes FS Dirty. */
const float = (
	read: CsrEntry["read"],
	write: (state: HartState, value: number) => void,
): CsrEntry => ({
	after: NOTHING,
	allowed: floatEnabled,
	read,
	write: ({ state }: CsrParts, value: number) => {
		state.mstatus |= MSTATUS_FS;
		write(state, value);
	},
});

/** mstatus or sstatus, of which the bits of `mask` are visible. */
const status = (mask: number): CsrEntry => ({
	after: LOOK,
	read: ({ state }) => {
		const mstatus = state.mstatus & mask;
		return (mstatus & MSTATUS_FS) === MSTATUS_FS ? mstatus + MSTATUS_SD : mstatus;
	},
	write: ({ state, mmu }, value) => {
		let written = mask;
		// MPP has no value 2: such a write leaves it unchanged.
		if ((value & MSTATUS_MPP) === 2 << MSTATUS_MPP_SHIFT) written &= ~MSTATUS_MPP;
		state.mstatus = ((state.mstatus & ~written) | (value & written)) >>> 0;
		mmu.updateContext();
	},
});

/** Set the pending bits in `mask` that are software's. */
function writePending(state: HartState, value: number, mask: number): void {
	// With Sstc, STIP belongs to stimecmp.
	const writable = (state.menvcfgh & MENVCFGH_STCE) !== 0 ? mask & ~(1 << IRQ_STI) : mask;
	state.mipSoftware = (state.mipSoftware & ~writable) | (value & writable);
}

/** SEIP reads as a line too, but csrrs and csrrc change software's bit alone. */
const withSoftwareSeip = (mip: number, state: HartState): number =>
	(mip & ~(1 << IRQ_SEI)) | (state.mipSoftware & (1 << IRQ_SEI));

/** Sstc 0.5.4: S-mode needs menvcfgh.STCE and mcounteren.TM. */
const timerAllowed = (state: HartState): boolean =>
	state.priv === PRIV_M ||
	((state.menvcfgh & MENVCFGH_STCE) !== 0 && (state.mcounteren & COUNTEREN_TM) !== 0);

const readCycle = ({ state, clock }: CsrParts, high: boolean): number =>
	half(clock.cycles, state.cycleOffsetLow, state.cycleOffsetHigh, high);

const readInstret = ({ state, counters }: CsrParts, high: boolean): number =>
	half(counters.instret, state.instretOffsetLow, state.instretOffsetHigh, high);

const readTime = ({ counters }: CsrParts, high: boolean): number =>
	half(counters.ticks, counters.timeOffsetLow, counters.timeOffsetHigh, high);

function writeCycle({ state, clock }: CsrParts, low: number, high: number): void {
	[state.cycleOffsetLow, state.cycleOffsetHigh] = counterOffset(clock.cycles, low, high);
}

function writeInstret({ state, counters }: CsrParts, low: number, high: number): void {
	[state.instretOffsetLow, state.instretOffsetHigh] = counterOffset(counters.instret, low, high);
}

/** One half of count + offset, modulo 2^64. */
function half(count: number, offsetLow: number, offsetHigh: number, high: boolean): number {
	const low = (count % 2 ** 32) + offsetLow;
	if (!high) return low % 2 ** 32;
	const carry = low >= 2 ** 32 ? 1 : 0;
	return (Math.floor(count / 2 ** 32) + offsetHigh + carry) % 2 ** 32;
}

/**
 * What to add to `count` so that the next instruction reads the given value: the write replaces
 * the increment for the instruction that does it.
 */
function counterOffset(count: number, low: number, high: number): [low: number, high: number] {
	const value = (BigInt(high) << 32n) | BigInt(low);
	const offset = BigInt.asUintN(64, value - BigInt(count) - 1n);
	return [Number(offset & 0xffff_ffffn), Number(offset >> 32n)];
}

/** Lower modes read a counter if its bit is set in mcounteren and, for U-mode, in scounteren. */
const counterAllowed =
	(bit: number) =>
	({ priv, mcounteren, scounteren }: HartState): boolean =>
		(priv === PRIV_M || ((mcounteren >>> bit) & 1) !== 0) &&
		(priv !== PRIV_U || ((scounteren >>> bit) & 1) !== 0);

const userCounter = (bit: number, read: CsrEntry["read"]): CsrEntry => ({
	allowed: counterAllowed(bit),
	read,
	write: null,
});

/** One register for each name of csr-numbers.ts; pmpcfg0 and pmpaddr0 stand in ROWS. */
const REGISTERS: Readonly<Record<Exclude<CsrName, "pmpcfg0" | "pmpaddr0">, CsrEntry>> = {
	fflags: float(
		({ state }) => state.fflags,
		(state, value) => {
			state.fflags = value & 31;
		},
	),
	frm: float(
		({ state }) => state.frm,
		(state, value) => {
			state.frm = value & 7;
		},
	),
	fcsr: float(
		({ state }) => (state.frm << 5) | state.fflags,
		(state, value) => {
			state.fflags = value & 31;
			state.frm = (value >>> 5) & 7;
		},
	),

	sstatus: status(SSTATUS),
	sie: {
		after: LOOK,
		read: ({ state }) => state.mie & state.mideleg,
		write: ({ state }, value) => {
			state.mie = (state.mie & ~state.mideleg) | (value & state.mideleg & S_INTERRUPTS);
		},
	},
	stvec: held("stvec"),
	scounteren: {
		after: NOTHING,
		read: ({ state }) => state.scounteren,
		write: ({ state }, value) => {
			state.scounteren = value & ALL_COUNTERS;
		},
	},
	senvcfg: {
		after: NOTHING,
		read: ({ state }) => state.senvcfg,
		write: ({ state }, value) => {
			state.senvcfg = value & FIOM;
		},
	},
	sscratch: held("sscratch"),
	sepc: held("sepc"),
	scause: held("scause"),
	stval: held("stval"),
	sip: {
		read: ({ state, traps }) => traps.mip & state.mideleg,
		modify: ({ state, traps }) => withSoftwareSeip(traps.mip & state.mideleg, state),
		write: ({ state }, value) => writePending(state, value, state.mideleg & (1 << IRQ_SSI)),
	},
	stimecmp: {
		allowed: timerAllowed,
		read: ({ state }) => state.stimecmpLow,
		write: ({ state, timer }, value) => timer.set(value, state.stimecmpHigh),
	},
	stimecmph: {
		allowed: timerAllowed,
		read: ({ state }) => state.stimecmpHigh,
		write: ({ state, timer }, value) => timer.set(state.stimecmpLow, value),
	},
	satp: {
		after: LOOK,
		allowed: (state) => state.priv !== PRIV_S || (state.mstatus & MSTATUS_TVM) === 0,
		read: ({ state }) => state.satp,
		write: ({ state, mmu }, value) => {
			state.satp = value;
			mmu.updateContext();
		},
	},

	mstatus: status(MSTATUS),
	misa: { read: () => MISA, write: () => {} },
	medeleg: {
		after: NOTHING,
		read: ({ state }) => state.medeleg,
		write: ({ state }, value) => {
			state.medeleg = value & MEDELEG;
		},
	},
	mideleg: {
		after: LOOK,
		read: ({ state }) => state.mideleg,
		write: ({ state }, value) => {
			state.mideleg = value & S_INTERRUPTS;
		},
	},
	mie: {
		after: LOOK,
		read: ({ state }) => state.mie,
		write: ({ state }, value) => {
			state.mie = value & MIE;
		},
	},
	mtvec: held("mtvec"),
	mcounteren: {
		after: NOTHING,
		read: ({ state }) => state.mcounteren,
		write: ({ state }, value) => {
			state.mcounteren = value & ALL_COUNTERS;
		},
	},
	menvcfg: {
		after: NOTHING,
		read: ({ state }) => state.menvcfg,
		write: ({ state }, value) => {
			state.menvcfg = value & FIOM;
		},
	},
	mstatush: ZERO, // little-endian only
	menvcfgh: {
		read: ({ state }) => state.menvcfgh,
		write: ({ state, timer }, value) => {
			state.menvcfgh = (value & MENVCFGH_STCE) >>> 0;
			timer.update();
		},
	},
	mcountinhibit: ZERO,
	mscratch: held("mscratch"),
	mepc: held("mepc"),
	mcause: held("mcause"),
	mtval: held("mtval"),
	mip: {
		read: ({ traps }) => traps.mip,
		modify: ({ state, traps }) => withSoftwareSeip(traps.mip, state),
		write: ({ state }, value) => writePending(state, value, S_INTERRUPTS),
	},

	mcycle: {
		read: (hart) => readCycle(hart, false),
		write: (hart, value) => writeCycle(hart, value, readCycle(hart, true)),
	},
	minstret: {
		read: (hart) => readInstret(hart, false),
		write: (hart, value) => writeInstret(hart, value, readInstret(hart, true)),
	},
	mcycleh: {
		read: (hart) => readCycle(hart, true),
		write: (hart, value) => writeCycle(hart, readCycle(hart, false), value),
	},
	minstreth: {
		read: (hart) => readInstret(hart, true),
		write: (hart, value) => writeInstret(hart, readInstret(hart, false), value),
	},
	cycle: userCounter(0, (hart) => readCycle(hart, false)),
	time: userCounter(1, (hart) => readTime(hart, false)),
	instret: userCounter(2, (hart) => readInstret(hart, false)),
	cycleh: userCounter(0, (hart) => readCycle(hart, true)),
	timeh: userCounter(1, (hart) => readTime(hart, true)),
	instreth: userCounter(2, (hart) => readInstret(hart, true)),

	mvendorid: ZERO,
	marchid: ZERO,
	mimpid: ZERO,
	mhartid: ZERO,
	mconfigptr: ZERO,
};

/** The `i`th register of each row. */
const ROWS: Readonly<Record<CsrRow, (i: number) => CsrEntry>> = {
	mhpmevent: () => ZERO,
	pmpcfg: (i) => ({
		read: ({ pmp }) => pmp.readCfg(i),
		write: ({ pmp, mmu }, value) => {
			pmp.writeCfg(i, value);
			mmu.protectionChanged();
		},
	}),
	pmpaddr: (i) => ({
		read: ({ pmp }) => pmp.readAddr(i),
		write: ({ pmp, mmu }, value) => {
			pmp.writeAddr(i, value);
			mmu.protectionChanged();
		},
	}),
	trigger: () => ZERO,
	mhpmcounter: () => ZERO,
	mhpmcounterh: () => ZERO,
	hpmcounter: (i) => ({ ...ZERO, allowed: counterAllowed(3 + i) }),
	hpmcounterh: (i) => ({ ...ZERO, allowed: counterAllowed(3 + i) }),
};

/** All registers by number. */
const TABLE: readonly (Csr | null)[] = buildTable();

function buildTable(): (Csr | null)[] {
	const table = new Array<Csr | null>(CSR_COUNT).fill(null);
	// One order of properties, so that all entries have one shape.
	const put = (csr: number, entry: CsrEntry) => {
		const { read, write, modify = null, allowed = null, after = LEAVE } = entry;
		table[csr] = { read, write, modify, allowed, after };
	};
	for (const [name, entry] of Object.entries(REGISTERS)) put(CSR[name as CsrName], entry);
	for (const [name, entryOf] of Object.entries(ROWS)) {
		const { first, count } = CSR_ROWS[name as CsrRow];
		for (let i = 0; i < count; i++) put(first + i, entryOf(i));
	}
	return table;
}

/** The registers of one hart. */
export class Csrs {
	readonly #hart: CsrParts;

	constructor(hart: CsrParts) {
		this.#hart = hart;
	}

	/**
	 * Execute csrrw, csrrs or csrrc: write `operand`, or set or clear its bits.
	 * => `writes` is false if the instruction only reads.
	 * => the old value, or -1 for an illegal instruction. HartState.leave is set if a write concerns
	 *    others, or an interrupt is to be taken; H_FETCH_PAGE is 1 if the context has changed.
	 */
	execute(csr: number, kind: number, operand: number, writes: boolean): number {
		const hart = this.#hart;
		const { state } = hart;
		const register = TABLE[csr] ?? null;
		if (register === null || csrPrivilege(csr) > state.priv) return -1;
		if (writes && isReadOnlyCsr(csr)) return -1;
		if (register.allowed !== null && !register.allowed(state)) return -1;
		if (register.after === LEAVE) hart.counters.sync();
		const old = register.read(hart);
		if (!writes) return old;
		if (register.after === LEAVE) state.leave = 1;
		let value = operand;
		if (kind !== CSR_WRITE) {
			const present = register.modify === null ? old : register.modify(hart);
			value = (kind === CSR_SET ? present | operand : present & ~operand) >>> 0;
		}
		register.write?.(hart, value);
		if (register.after === LOOK && hart.traps.pending() >= 0) state.leave = 1;
		return old;
	}

	/** For debuggers. => the unsigned value, or -1 if there is no such register. */
	read(csr: number): number {
		return TABLE[csr]?.read(this.#hart) ?? -1;
	}

	/** For debuggers. => false if there is no such register, or none that can be written. */
	write(csr: number, value: number): boolean {
		const write = TABLE[csr]?.write ?? null;
		if (write === null) return false;
		write(this.#hart, value);
		return true;
	}
}
