/**
 * All allowed differences between QEMU 7.2 and this machine: where the specifications leave a
 * choice that the two make differently, and where QEMU does not follow them.
 *
 * There are two ways to deal with a step that may differ. If `mustStop` says so, the stream ends
 * before it. Otherwise `fixupOf` gives QEMU our values after it, so that the choice itself is not
 * compared but everything that follows is.
 */
import { CSR } from "../machine/csr-numbers.ts";
import type { Decoder } from "../machine/decode.ts";
import { MENVCFGH_STCE, MSTATUS_FS, MSTATUS_MPRV, PRIV_S } from "../machine/hart-state.ts";
import type { Machine } from "../machine/machine.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { OP } from "../machine/op.ts";
import { PMP_MIXED } from "../machine/pmp.ts";
import { ACCESS_FETCH, ACCESS_STORE, IRQ_STI, PAGE_SIZE } from "../machine/port.ts";
import { CODE_END, DATA, RAM_SIZE, ROOT } from "./layout.ts";
import { walk } from "./walk.ts";

/** Observations of one step, which the rules below judge; filled in while the step runs. */
export interface StepNote {
	/** Address and word of the instruction; the word is -1 if none was fetched. */
	pc: number;
	word: number;
	readonly decoder: Decoder;
	/** rs1 plus the immediate. */
	address: number;
	/** State before the step. */
	priv: number;
	mstatus: number;
	satp: number;
	reservation: number;
	/** The exception that the step raised and its trap value; cause is -1 if there was none. */
	cause: number;
	tval: number;
	/** The interrupt that was taken, or -1. */
	irq: number;
	/** The interrupts among which it was chosen. */
	ready: number;
	/** The page tables were changed before the step and have not been fenced since. */
	tablesChanged: boolean;
	/** Values of satp before the present one that have not been fenced since. */
	unfenced: readonly number[];
	/** The step accessed an address outside RAM. */
	device: boolean;
}

/** What to change in QEMU after a step. */
export interface Fixup {
	/** The x register that gets our value, or -1. */
	readonly x: number;
	/** CSRs that get our value; the bits of `mask` must be equal already. */
	readonly csrs: readonly {
		readonly csr: number;
		readonly value: number;
		readonly mask: number;
		/** Write it even if it is equal. */
		readonly always: boolean;
	}[];
	/** Make QEMU drop its cached translations. */
	readonly flush: boolean;
}

/**
 * CSRs of which only one of the two machines lets software write some bits, each with a mask of the
 * bits that must still be equal. Section numbers are those of the privileged specification 1.12.
 */
const WARL: ReadonlyMap<number, number> = new Map([
	// 3.1.8: exceptions that cannot happen (misaligned fetch with C, ecall from M-mode) may be
	// read-only zero.
	[CSR.medeleg, 0xb3fe],
	// 3.1.7, 4.1.2: MODE is WARL; QEMU ignores a write with a reserved one, this machine takes bit 0.
	[CSR.mtvec, 0],
	[CSR.stvec, 0],
	// 3.1.11, 4.1.5: bits of counters that do not exist may be read-only zero.
	[CSR.mcounteren, 7],
	[CSR.scounteren, 7],
	// 3.1.14, 4.1.7: bit 0 is always zero. QEMU 7.2 keeps it.
	[CSR.mepc, 0xffff_fffe],
	[CSR.sepc, 0xffff_fffe],
	// 3.1.6.1: MPP is WARL. QEMU 7.2 keeps the value 2, which is not a mode.
	// 3.1.6.6: VS may be writable without the V extension, as in QEMU; it shows in SD.
	[CSR.mstatus, 0x7fff_e1ff],
	// 3.1.6.2, 3.1.6.4: without a hypervisor only the endianness bits exist.
	[CSR.mstatush, 0x30],
	// 3.1.18, 4.1.10: the other fields belong to extensions that this machine does not have.
	[CSR.menvcfg, 1],
	[CSR.senvcfg, 1],
	// 3.7.1: W without R is reserved; this machine clears W. Bits 5 and 6 are zero; QEMU 7.2
	// keeps them.
	...Array.from({ length: 4 }, (_, i) => [CSR.pmpcfg0 + i, 0x9d9d_9d9d] as const),
	// 3.1.9: interrupts that do not exist are read-only zero. QEMU 7.2 has some of them.
	[CSR.mideleg, 0xaaa],
	[CSR.mip, 0xaaa],
	[CSR.mie, 0xaaa],
	// 3.1.12: mcountinhibit may be read-only zero.
	[CSR.mcountinhibit, 0],
]);

/** CSRs that are views of a CSR in WARL. */
const VIEWS: ReadonlyMap<number, number> = new Map([
	[CSR.sstatus, CSR.mstatus],
	[CSR.sip, CSR.mip],
	[CSR.sie, CSR.mie],
]);

/** cycle, time, instret and hpmcounters, whose values are not comparable. */
function isCounter(csr: number): boolean {
	return (csr & 0xf60) === 0xc00 || (csr & 0xf60) === 0xb00;
}

/**
 * CSRs that only one of the two machines has, or that identify the implementation.
 * => hardware performance counters and mhpmevent (3.1.10): QEMU is configured without; here they
 *    are read-only zero.
 * => triggers (chapter 5 of the debug specification 0.13): none here, so tselect reads zero.
 * => mvendorid, marchid, mimpid: 3.1.2 to 3.1.4.
 * => pmpcfg4.., pmpaddr16..: 3.7.1, read-only zero with 16 entries; QEMU traps on them.
 */
function isOwn(csr: number): boolean {
	return (
		(csr >= 0x323 && csr <= 0x33f) ||
		(csr >= 0x7a0 && csr <= 0x7af) ||
		(csr >= 0xf11 && csr <= 0xf13) ||
		(csr >= 0x3a4 && csr <= 0x3af) ||
		(csr >= 0x3c0 && csr <= 0x3ef) ||
		((csr & 0xf60) === 0xb00 && (csr & 31) > 2) ||
		((csr & 0xf60) === 0xc00 && (csr & 31) > 2)
	);
}

/** Does `op` change the floating-point flags only, and no f register? */
function raisesFlagsOnly(op: number): boolean {
	return (
		(op >= OP.FEQ_S && op <= OP.FCVT_WU_S && op !== OP.FCLASS_S) ||
		(op >= OP.FEQ_D && op <= OP.FCVT_WU_D && op !== OP.FCLASS_D)
	);
}

const isOutside = (pa: number): boolean =>
	// Below 1000 and beyond RAM neither machine has anything.
	pa >= 0x1000 && pa < RAM_BASE;

const isRam = (pa: number): boolean => pa >= RAM_BASE && pa + 4 <= RAM_BASE + RAM_SIZE;

const ACCESSES_ELSE: readonly number[] = [OP.LB, OP.LBU, OP.SB, OP.LR, OP.SC, OP.AMO];

const LOADS: readonly number[] = [OP.LB, OP.LBU, OP.LH, OP.LHU, OP.LW, OP.FLW, OP.FLD, OP.LR];

/** Width of the access that `op` makes, in bytes; 1 if it is not a load or store. */
function widthOf(op: number): number {
	if (op === OP.FLD || op === OP.FSD) return 8;
	if (op === OP.LW || op === OP.SW || op === OP.FLW || op === OP.FSW) return 4;
	return op === OP.LH || op === OP.LHU || op === OP.SH ? 2 : 1;
}

const isAccess = (op: number): boolean => widthOf(op) > 1 || ACCESSES_ELSE.includes(op);

function isTranslated(machine: Machine, note: StepNote): boolean {
	return machine.hart.state.satp >= 0x8000_0000 && dataPrivilege(note) !== 3;
}

/** The effective mode of loads and stores before the step. */
const dataPrivilege = ({ priv, mstatus }: StepNote): number =>
	priv === 3 && (mstatus & MSTATUS_MPRV) !== 0 ? (mstatus >>> 11) & 3 : priv;

/** => have the page tables been changed without a fence, after the step of `note`? */
export function tablesChanged(machine: Machine, note: StepNote): boolean {
	const { op } = note.decoder;
	if (note.word < 0 || note.cause >= 0) return note.tablesChanged;
	if (op === OP.SFENCE_VMA) return false;
	if (!isAccess(op)) return note.tablesChanged;
	const { pa } = walk(machine, note.address >>> 0, dataPrivilege(note));
	return note.tablesChanged || (!LOADS.includes(op) && pa >= ROOT - 7 && pa < DATA);
}

/** => values of satp before that of now that have not been fenced, after the step of `note` */
export function unfenced(machine: Machine, note: StepNote): readonly number[] {
	const { op, rs1, rs2 } = note.decoder;
	const fenced = note.word >= 0 && note.cause < 0 && op === OP.SFENCE_VMA && rs1 + rs2 === 0;
	if (fenced) return [];
	if (note.satp === machine.hart.state.satp) return note.unfenced;
	return [...note.unfenced, note.satp];
}

/** May translations of another page table be used at `va`, which have another result? */
function isStale(machine: Machine, { unfenced }: StepNote, va: number, priv: number): boolean {
	const { pte } = walk(machine, va >>> 0, priv);
	return unfenced.some((satp) => walk(machine, va >>> 0, priv, satp).pte !== pte);
}

/** Is `va` in or next to the pages that hold the stream and its handlers? */
const isCode = (va: number): boolean => va >>> 0 >= RAM_BASE - 8 && va >>> 0 < CODE_END;

const crossesPage = ({ decoder, address }: StepNote): boolean =>
	(address & 0xfff) + widthOf(decoder.op) > 0x1000;

/** Is any PMP entry but the last one on? */
function hasRegions({ hart: { csrs } }: Machine): boolean {
	return (
		[0, 1, 2].some((i) => (csrs.read(CSR.pmpcfg0 + i) & 0x1818_1818) !== 0) ||
		(csrs.read(CSR.pmpcfg0 + 3) & 0x0018_1818) !== 0
	);
}

/**
 * Does a PMP entry have a bound that QEMU 7.2 gets wrong? A TOR entry whose top is 0 matches
 * nothing (3.7.1), but everything in QEMU, which also keeps only 32 of the 34 bits of an address.
 */
function hasFarRegion({ hart: { csrs } }: Machine): boolean {
	for (let i = 0; i < 16; i++) {
		const mode = (csrs.read(CSR.pmpcfg0 + (i >> 2)) >>> (8 * (i & 3) + 3)) & 3;
		const addr = csrs.read(CSR.pmpaddr0 + i);
		const before = i === 0 ? 0 : csrs.read(CSR.pmpaddr0 + i - 1);
		if (mode === 1 && (addr === 0 || Math.max(addr, before) >= 2 ** 30)) return true;
		if (mode >= 2 && addr >= 2 ** 30 && addr !== 0xffff_ffff) return true;
	}
	return false;
}

/** Does a PMP region of four bytes lie strictly inside the access of eight bytes? */
function containsRegion(machine: Machine, note: StepNote): boolean {
	const { csrs } = machine.hart;
	const { pa } = walk(machine, note.address >>> 0, dataPrivilege(note));
	for (let i = 0; i < 16; i++) {
		const mode = (csrs.read(CSR.pmpcfg0 + (i >> 2)) >>> (8 * (i & 3) + 3)) & 3;
		const addr = csrs.read(CSR.pmpaddr0 + i);
		const before = i === 0 ? 0 : csrs.read(CSR.pmpaddr0 + i - 1);
		const start = mode === 2 ? addr * 4 : before * 4;
		const isWord = mode === 2 || (mode === 1 && addr === before + 1);
		if (isWord && start > pa && start + 4 < pa + 8) return true;
	}
	return false;
}

/** Did the CSR instruction of `note` lock a PMP entry with reserved bits? */
function locksReserved({ hart }: Machine, { decoder, word, address }: StepNote): boolean {
	const csr = word >>> 20;
	if (csr < CSR.pmpcfg0 || csr >= CSR.pmpcfg0 + 4) return false;
	const operand = (word & 0x4000) !== 0 ? decoder.rs1 : address - decoder.imm;
	const written = (word & 0x3000) === 0x1000 ? operand : operand | hart.csrs.read(csr);
	return [0, 8, 16, 24].some((shift) => {
		const cfg = (written >>> shift) & 0xff;
		return cfg >= 0x80 && ((cfg & 0x60) !== 0 || (cfg & 3) === 2);
	});
}

function isMixed(machine: Machine, va: number, priv: number): boolean {
	const { pa } = walk(machine, va >>> 0, priv);
	const page = pa - (pa % PAGE_SIZE);
	return pa >= 0 && machine.hart.pmp.page(page, ACCESS_FETCH, PRIV_S) === PMP_MIXED;
}

/** => true if the two machines may differ in the step of `note`, in a way that has no fixup. */
export function mustStop(machine: Machine, note: StepNote): boolean {
	const { state, mmu, csrs } = machine.hart;
	const { cause, decoder, word } = note;
	// 3.3.3: the duration of wfi is not specified.
	if (state.waiting !== 0) return true;
	// Devices, and the boot ROM.
	if (note.device || isOutside(walk(machine, note.pc, note.priv).pa)) return true;
	// 4.2.1: until a fence, translations of another page table may be used if they are global or the
	// ASID is the same; QEMU drops them on a write to satp.
	if (isStale(machine, note, note.pc, note.priv)) return true;
	if (isStale(machine, note, note.pc + 2, note.priv)) return true;
	if (walk(machine, note.pc, note.priv).reads.some((pa) => !isRam(pa))) return true;
	if (word >= 0 && isAccess(decoder.op)) {
		if (isStale(machine, note, note.address, dataPrivilege(note))) return true;
		if (isOutside(walk(machine, note.address >>> 0, dataPrivilege(note)).pa)) return true;
	}
	if ((cause === 1 || cause === 5 || cause === 7) && isOutside(mmu.pa)) return true;
	// 4.3.2: a page table outside memory is an access fault; QEMU 7.2 raises a page fault.
	if (cause === 1 || cause === 5 || cause === 7) {
		const priv = cause === 1 ? note.priv : dataPrivilege(note);
		const { reads } = walk(machine, note.tval, priv);
		if (reads.some((pa) => !isRam(pa))) return true;
		// 3.7.1: PMP also applies to the stores of the walk; QEMU 7.2 does not check them.
		if (reads.some((pa) => !machine.hart.pmp.allows(pa, 4, ACCESS_STORE, PRIV_S))) return true;
	}
	if (hasFarRegion(machine)) return true;
	// 3.7.1: if a region begins or ends within a page, QEMU 7.2 does not check each fetch.
	if (isMixed(machine, note.pc, note.priv) || isMixed(machine, note.pc + 2, note.priv)) return true;
	// 3.1.9: SEI has priority over SSI and STI. QEMU 7.2 takes the interrupt with the lowest number.
	if (note.irq >= 0 && note.irq !== 31 - Math.clz32(note.ready & -note.ready)) return true;
	if (word < 0) return false;
	// Reserved bits of a pmpcfg that is locked at once: no fixup can change it in QEMU.
	if (decoder.op === OP.CSR && cause < 0 && locksReserved(machine, note)) return true;
	// 3.7.1: an access that crosses a page may be split in two that are checked separately, as here,
	// or checked as one, as in QEMU.
	if (crossesPage(note) && hasRegions(machine)) return true;
	// 3.7.1: the first entry that matches any byte decides. QEMU 7.2 checks the first and the last
	// byte only, and misses an entry between them.
	if (widthOf(decoder.op) === 8 && containsRegion(machine, note)) return true;
	// 3.1.6.3: with MPRV, data and instructions of a page are translated differently. QEMU 7.2 caches
	// one translation for both.
	const mprv = note.priv === 3 && (note.mstatus & MSTATUS_MPRV) !== 0;
	if (mprv && isAccess(decoder.op) && isCode(note.address)) return true;
	// 4.2.1: until a fence, a change of the page tables may or may not be seen.
	if (note.tablesChanged && isAccess(decoder.op) && isTranslated(machine, note)) return true;
	// Unprivileged specification 9.1: csrrs and csrrc with a register other than x0 write, even if it
	// holds zero. QEMU 7.2 does not treat that as a write: it neither traps if the CSR is read-only
	// nor makes FS Dirty.
	if (decoder.op === OP.CSR && decoder.rs1 !== 0 && note.address === decoder.imm) {
		if (word >>> 30 === 3 || word >>> 20 <= CSR.fcsr) return true;
	}
	// Unprivileged specification 8.4: an AMO is a store. Outside RAM QEMU loads first.
	if (decoder.op === OP.AMO && cause === 7 && !isRam(mmu.pa)) return true;
	// 3.1.6.6: FS becomes Dirty if only flags change; not in QEMU 7.2.
	const fs = note.mstatus & MSTATUS_FS;
	if (fs !== 0 && fs !== MSTATUS_FS && raisesFlagsOnly(decoder.op)) return true;
	// Unprivileged specification 8.2: sc without a reservation fails; here after its address is
	// checked, in QEMU before.
	if (decoder.op === OP.SC) {
		if (cause >= 0 || (note.reservation < 0 && isTranslated(machine, note))) return true;
	}
	// The two clocks differ, so a supervisor timer that may expire soon cannot be compared.
	if ((csrs.read(CSR.menvcfgh) & MENVCFGH_STCE) !== 0 && decoder.op === OP.CSR) {
		const high = csrs.read(CSR.stimecmph);
		if (high < 16) return true;
	}
	return decoder.op === OP.CSR && cause < 0 ? isOwn(word >>> 20) : ownRefused(note);
}

/** Was an access to a CSR refused that only one of the machines has? */
const ownRefused = (note: StepNote): boolean =>
	note.cause === 2 && note.decoder.op === OP.CSR && note.priv === 3 && isOwn(note.word >>> 20);

/** => what to change in QEMU after the step of `note`; null: nothing. */
export function fixupOf(machine: Machine, note: StepNote): Fixup | null {
	const fixup = valuesOf(machine, note);
	// 3.1.6.3: with MPRV, data is accessed with the rights of MPP. QEMU 7.2 keeps its translations
	// when a trap or mret changes MPP.
	const both = note.mstatus | machine.hart.state.mstatus;
	const { op } = note.decoder;
	const changes = note.cause >= 0 || note.irq >= 0 || op === OP.MRET || op === OP.SRET;
	if ((both & MSTATUS_MPRV) === 0 || !changes) return fixup;
	return { x: -1, csrs: [], ...fixup, flush: true };
}

function valuesOf(machine: Machine, note: StepNote): Fixup | null {
	const { decoder, word, cause } = note;
	if (cause === 3) {
		// 3.1.16: the trap value of ebreak is the address or zero.
		return copied(machine, machine.hart.state.priv === 1 ? CSR.stval : CSR.mtval, 0);
	}
	if ((cause === 5 || cause === 7) && (note.tval & 7) !== 0) {
		// 3.1.16: the trap value is where the access begins. Outside RAM QEMU 7.2 splits a misaligned
		// access into aligned ones and need not start with the lowest.
		return copied(machine, machine.hart.state.priv === 1 ? CSR.stval : CSR.mtval, 0);
	}
	if (word < 0 || cause >= 0) return null;
	if (decoder.op === OP.MRET || decoder.op === OP.SRET) {
		// 3.1.6.3: a return to a mode below M clears MPRV; not in QEMU 7.2.
		return copied(machine, CSR.mstatus, ~MSTATUS_MPRV);
	}
	if (decoder.op !== OP.CSR) return null;
	const csr = word >>> 20;
	const view = VIEWS.get(csr) ?? csr;
	if (csr === CSR.stimecmp || csr === CSR.stimecmph || csr === CSR.menvcfgh) {
		return timerOf(machine);
	}
	if (csr >= CSR.pmpaddr0 && csr < CSR.pmpaddr0 + 15) {
		// 3.7.1: pmpaddr is also the bottom of the next entry if that is TOR. QEMU 7.2 notices only
		// when pmpcfg is written.
		const next = CSR.pmpcfg0 + ((csr - CSR.pmpaddr0 + 1) >> 2);
		return { x: -1, csrs: [always(machine, next, 0x9d9d_9d9d)], flush: false };
	}
	const mask = WARL.get(view);
	const x = isCounter(csr) && decoder.rd !== 0 ? decoder.rd : -1;
	if (mask === undefined && x < 0) return null;
	return mask === undefined ? { x, csrs: [], flush: false } : { ...copied(machine, view, mask), x };
}

/**
 * Sstc: the timer interrupt follows stimecmp if STCE is set, else the bit that software writes.
 * QEMU 7.2 always follows stimecmp and ignores STCE.
 */
function timerOf(machine: Machine): Fixup {
	const { csrs } = machine.hart;
	const enabled = (csrs.read(CSR.menvcfgh) & MENVCFGH_STCE) !== 0;
	const menvcfgh = always(machine, CSR.menvcfgh, MENVCFGH_STCE);
	const all = enabled
		? [menvcfgh, always(machine, CSR.stimecmp, ~0), always(machine, CSR.stimecmph, ~0)]
		: [menvcfgh, always(machine, CSR.mip, ~(1 << IRQ_STI))];
	return { x: -1, csrs: all, flush: false };
}

const copied = (machine: Machine, csr: number, mask: number): Fixup => ({
	x: -1,
	csrs: [{ csr, value: machine.hart.csrs.read(csr), mask, always: false }],
	flush: false,
});

const always = (machine: Machine, csr: number, mask: number): Fixup["csrs"][0] => ({
	...copied(machine, csr, mask).csrs[0]!,
	always: true,
});
