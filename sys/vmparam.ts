/**
 * Machine-dependent layout of memory (NetBSD's <machine/vmparam.h>), and the protection bits that
 * pmap(9) and UVM share. Sizes and addresses are bytes.
 */

import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "../machine/port.ts";

export { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "../machine/port.ts";

/** User space; page 0 is never mapped. Below 2 GiB, so an address is a small integer in V8. */
export const VM_MIN_ADDRESS = 0x1000;
export const VM_MAXUSER_ADDRESS = 0x8000_0000;

/**
 * Kernel space: pager_map and the memory of drivers. Its page tables are allocated at boot. Its
 * addresses are words with a sign, 0xc000_0000 to 0xc100_0000 less 2^32: small integers in V8, too.
 */
export const VM_MIN_KERNEL_ADDRESS = 0xc000_0000 | 0;
export const VM_MAX_KERNEL_ADDRESS = 0xc100_0000 | 0;

/** The stack grows down from here, at a fault, up to the limit RLIMIT_STACK and to MAXSSIZ. */
export const USRSTACK = VM_MAXUSER_ADDRESS - PAGE_SIZE;
export const DFLSSIZ = 8 * 1024 * 1024;
export const MAXSSIZ = 64 * 1024 * 1024;

/** Where mmap and shmat look for room when the program names no address. */
export const VM_DEFAULT_ADDRESS = 0x4000_0000;

export const VM_PROT_NONE = 0;
export const VM_PROT_READ = 1;
export const VM_PROT_WRITE = 2;
export const VM_PROT_EXECUTE = 4;
export const VM_PROT_ALL = 7;
export type vm_prot_t = number;

export type vaddr_t = number;
export type paddr_t = number;

/** Not `&`: addresses from 2 GiB up would turn negative. */
export const trunc_page = (n: number): number => Math.floor(n / PAGE_SIZE) * PAGE_SIZE;
export const round_page = (n: number): number => trunc_page(n + PAGE_SIZE - 1);
/** Pages to bytes; `<<` would overflow at 2 GiB. */
export const ptoa = (pages: number): number => pages * PAGE_SIZE;
/** Bytes to pages, rounding down. */
export const atop = (bytes: number): number => Math.floor(bytes / PAGE_SIZE);

/**
 * trunc_page, ptoa and atop for paths that must be fast: of addresses and lengths below 4 GiB, and
 * of page counts below 2^19, where all is done with small integers. An address keeps its sign.
 */
export const va_trunc = (va: vaddr_t): vaddr_t => va - (va & PAGE_MASK);
export const va_ptoa = (pages: number): number => pages << PAGE_SHIFT;
export const va_atop = (bytes: number): number => bytes >>> PAGE_SHIFT;
