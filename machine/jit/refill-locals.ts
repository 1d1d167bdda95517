/** The locals of the functions that refill.ts and refill-tlb.ts write. */
// Parameters of the functions: the address, and what kind of access it is.
export const VA = 0;
export const KIND = 1;
/** Of KIND: is it a store? Above that is the size of the access less 1. */
export const KIND_STORE = 1;
export const KIND_SIZE_SHIFT = 1;
// Locals.
export const MASK = 2;
export const ASID = 3;
export const VPN = 4;
/** Where the set of the TLB begins, and an entry of it. */
export const SET = 5;
export const AT = 6;
export const TAG = 7;
export const PTE = 8;
export const FOUND = 9;
export const PAGE = 10;
export const CONTEXT = 11;
export const BITS = 12;
export const OLD = 13;
export const TABLES = 14;
/** Of the tag: is the page global? */
export const GLOBAL = 15;
export const LOCALS = GLOBAL - KIND;
