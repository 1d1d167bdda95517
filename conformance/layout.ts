/**
 * The memory layout of streams, and the trap handlers that every stream has.
 *
 *   8000_0000  trap handlers: of M-mode, and at 800 of S-mode
 *   8000_1000  two pages for the stream itself
 *   8000_4000  root of the page table, 8000_5000 and 8000_6000 second level
 *   8000_7000  another root
 *   8000_8000  four pages of data
 */

import { CSR } from "../machine/csr-numbers.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { PAGE_SIZE } from "../machine/port.ts";
import { encode } from "./encode.ts";

export const RAM_SIZE = 4 * 1024 * 1024;
export const HANDLER_M = RAM_BASE;
export const HANDLER_S = RAM_BASE + 0x800;
export const CODE = RAM_BASE + 0x1000;
export const CODE_END = RAM_BASE + 0x3000;
export const ROOT = RAM_BASE + 0x4000;
/** Page table of 8000_0000: the identity mapping. */
export const TABLE_SAME = RAM_BASE + 0x5000;
/** Page table of WINDOW. */
export const TABLE_WINDOW = RAM_BASE + 0x6000;
export const OTHER_ROOT = RAM_BASE + 0x7000;
export const DATA = RAM_BASE + 0x8000;
export const DATA_PAGES = 4;
export const PAGE = PAGE_SIZE;
/**
 * Virtual addresses: sixteen pages with random mappings, and superpages from SUPER on. No memory or
 * device has these as physical addresses.
 */
export const WINDOW = 0xc000_0000;
export const WINDOW_PAGES = 16;
export const SUPER = 0x8040_0000;
export const SUPERPAGE = 0x40_0000;

/** CSRs that both M-mode and S-mode have, without the prefix of the mode. */
type TrapRegister = "cause" | "epc" | "ie" | "ip" | "scratch";

/**
 * The trap handler of M-mode or S-mode, which uses x30 and x31.
 *
 * => interrupt: disables it and, where software can, clears it.
 * => fetch fault: continues at the address in xscratch; M-mode's handler continues in M-mode.
 * => ecall to M-mode with bit 0 of a7 set: continues in M-mode.
 * => else: continues four bytes further, which may be in the middle of an instruction.
 */
function handler(mode: "m" | "s"): number[] {
	const csr = (name: TrapRegister): number => CSR[`${mode}${name}`];
	const read = (rd: number, name: TrapRegister): number => encode("csrrs", { rd, imm: csr(name) });
	const write = (rs1: number, name: TrapRegister): number =>
		encode("csrrw", { rs1, imm: csr(name) });
	const back = encode(`${mode}ret`);
	const toMachine = [
		encode("lui", { rd: 30, imm: 0x2000 }),
		encode("addi", { rd: 30, rs1: 30, imm: -0x800 }),
		mode === "m" ? encode("csrrs", { rs1: 30, imm: CSR.mstatus }) : encode("addi"),
	];
	const interrupt = [
		encode("addi", { rd: 31, imm: 1 }),
		encode("sll", { rd: 31, rs1: 31, rs2: 30 }),
		encode("csrrc", { rs1: 31, imm: csr("ie") }),
		encode("csrrc", { rs1: 31, imm: csr("ip") }),
		back,
	];
	const fetch = [...toMachine, read(31, "scratch"), write(31, "epc"), back];
	const ecall = [
		encode("andi", { rd: 30, rs1: 17, imm: 1 }),
		encode("beq", { rs1: 30, imm: 4 * (toMachine.length + 1) }),
		...toMachine,
	];
	const other = [write(31, "epc"), back];
	const toFetch = (from: number): number => 4 * (from + ecall.length + other.length);
	return [
		read(30, "cause"),
		encode("bge", { rs1: 30, imm: 4 * (interrupt.length + 1) }),
		...interrupt,
		read(31, "epc"),
		encode("addi", { rd: 31, rs1: 31, imm: 4 }),
		encode("addi", { rd: 30, rs1: 30, imm: -2 }),
		encode("beq", { rs1: 30, imm: 4 * (8 + ecall.length) }), // illegal instruction
		encode("addi", { rd: 30, rs1: 30, imm: 1 }),
		encode("beq", { rs1: 30, imm: toFetch(6) }), // instruction access fault
		encode("addi", { rd: 30, rs1: 30, imm: -11 }),
		encode("beq", { rs1: 30, imm: toFetch(4) }), // instruction page fault
		encode("addi", { rd: 30, rs1: 30, imm: 4 }),
		encode("sltiu", { rd: 30, rs1: 30, imm: 4 }),
		encode("beq", { rs1: 30, imm: 4 * (ecall.length + 1) }),
		...ecall,
		...other,
		...fetch,
	];
}

export const HANDLERS: readonly { readonly pa: number; readonly words: readonly number[] }[] = [
	{ pa: HANDLER_M, words: handler("m") },
	{ pa: HANDLER_S, words: handler("s") },
];
