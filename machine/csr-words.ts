/**
 * Control and status registers that hold a value and do nothing else. They lie in the hart block,
 * each with a mask of the bits that a write changes, where engines read and write them.
 */
import { CSR, CSR_COUNT } from "./csr-numbers.ts";
import { H_CSR, H_CSR_MASK } from "./memory.ts";

/** Word indexes into the hart block. */
export const H_MTVEC = H_CSR;
export const H_MEPC = H_CSR + 1;
export const H_MCAUSE = H_CSR + 2;
export const H_MTVAL = H_CSR + 3;
export const H_MSCRATCH = H_CSR + 4;
export const H_STVEC = H_CSR + 5;
export const H_SEPC = H_CSR + 6;
export const H_SCAUSE = H_CSR + 7;
export const H_STVAL = H_CSR + 8;
export const H_SSCRATCH = H_CSR + 9;

/** Bit 1 of xtvec is reserved. */
const TVEC = ~2;
/** Instructions are aligned to two bytes. */
const EPC = ~1;

const PLACES = [
	["mtvec", H_MTVEC, TVEC],
	["mepc", H_MEPC, EPC],
	["mcause", H_MCAUSE, ~0],
	["mtval", H_MTVAL, ~0],
	["mscratch", H_MSCRATCH, ~0],
	["stvec", H_STVEC, TVEC],
	["sepc", H_SEPC, EPC],
	["scause", H_SCAUSE, ~0],
	["stval", H_STVAL, ~0],
	["sscratch", H_SSCRATCH, ~0],
] as const;

export type HeldCsr = (typeof PLACES)[number][0];

/** Where register `csr` lies, or 0. */
export const CSR_WORDS = new Uint8Array(CSR_COUNT);
const MASKS = new Int32Array(CSR_COUNT);
for (const [name, word, mask] of PLACES) {
	CSR_WORDS[CSR[name]] = word;
	MASKS[CSR[name]] = mask;
}

/** The bits of register `csr` that a write changes. => it is one of these */
export const csrMask = (csr: number): number => MASKS[csr]!;

/** Set the masks of a hart block. */
export function setCsrMasks(words: Int32Array): void {
	for (const [, word, mask] of PLACES) words[word - H_CSR + H_CSR_MASK] = mask;
}
