/** Page table entries of Sv32. Privileged specification 1.12, 4.3.1. */
export const PTE_V = 1 << 0;
export const PTE_R = 1 << 1;
export const PTE_W = 1 << 2;
export const PTE_X = 1 << 3;
export const PTE_U = 1 << 4;
export const PTE_G = 1 << 5;
export const PTE_A = 1 << 6;
export const PTE_D = 1 << 7;
export const PTE_PPN_SHIFT = 10;
/** Page numbers inside a 4 MiB page. */
export const SUPERPAGE_MASK = 0x3ff;
