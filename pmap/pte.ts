/**
 * Page table entries of Sv32 (RISC-V privileged specification 1.12, section 4.3) and the two bits
 * that they leave to software. The hart implements the format from the specification too; a test
 * asserts that both sides agree.
 *
 *   31        20 19        10 9       8       7 6 5 4 3 2 1 0
 *   | PPN[1]    | PPN[0]     | WIRED | MANAGED | D A G U X W R V |
 *
 * An entry with V and none of R, W, X points to the next table; W without R is reserved.
 */
import { PAGE_SIZE, type paddr_t, VM_PROT_WRITE, type vm_prot_t } from "../sys/vmparam.ts";

export const PTE_V = 1 << 0; // valid
export const PTE_R = 1 << 1;
export const PTE_W = 1 << 2;
export const PTE_X = 1 << 3;
export const PTE_U = 1 << 4; // for user mode
export const PTE_G = 1 << 5; // the same in every address space
export const PTE_A = 1 << 6; // accessed
export const PTE_D = 1 << 7; // dirty
export const PTE_MANAGED = 1 << 8; // software: on the PV list of its page
export const PTE_WIRED = 1 << 9; // software: may not be forgotten
export const PTE_PPN = 0xffff_fc00; // 31:10

export const PTE_RWX = PTE_R | PTE_W | PTE_X;

/** Entries of a table, and the memory that one entry of the root table stands for. */
export const NPTEPG = 1024;
export const L1_SHIFT = 22;
export const L1_SIZE = 1 << L1_SHIFT;

/** Physical address of an entry's page. Not `<<`: it has up to 34 bits. */
export const PTE_TO_PA = (pte: number): paddr_t => (pte >>> 10) * PAGE_SIZE;

/** Number of an entry's page. */
export const PTE_TO_PFN = (pte: number): number => pte >>> 10;

/** The PPN field for a page below 4 GiB. */
export const PA_TO_PTE = (pa: paddr_t): number => (pa >>> 12) << 10;

/**
 * R, W and X for a protection: VM_PROT_* is the same sequence one bit lower, where VM_PROT_WRITE
 * coincides with PTE_R. So WRITE gives R|W and the reserved encoding is never made.
 */
export const PROT_TO_PTE = (prot: vm_prot_t): number => (prot << 1) | (prot & VM_PROT_WRITE);

/** The protection that an entry grants. */
export const PTE_TO_PROT = (pte: number): vm_prot_t => (pte & PTE_RWX) >>> 1;

/** Whether an entry points to a table. */
export const PTE_IS_TABLE = (pte: number): boolean => (pte & (PTE_V | PTE_RWX)) === PTE_V;
