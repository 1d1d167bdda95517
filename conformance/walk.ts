/**
 * A page table walk as the specification describes it (Sv32, privileged specification 1.12, section
 * 4.3.2), without a TLB and without side effects.
 */
import type { Machine } from "../machine/machine.ts";

export interface Walk {
	/** Physical address, or -1 if there is no leaf. Rights are not checked. */
	readonly pa: number;
	/** The leaf, or -1. */
	readonly pte: number;
	/** Physical addresses of the entries that the walk reads. */
	readonly reads: readonly number[];
}

/** => `priv` is the effective mode: MPP for data with MPRV. `satp`: default the hart's. */
export function walk(
	machine: Machine,
	va: number,
	priv: number,
	satp = machine.hart.state.satp,
): Walk {
	if (priv === 3 || satp < 0x8000_0000) return { pa: va, pte: -1, reads: [] };
	const reads: number[] = [];
	let table = (satp & 0x3f_ffff) * 4096;
	for (const level of [1, 0]) {
		const at = table + 4 * ((va >>> (12 + 10 * level)) & 0x3ff);
		reads.push(at);
		const pte = machine.dma.load32(at);
		if (pte < 0 || (pte & 1) === 0) return { pa: -1, pte: -1, reads };
		const ppn = Math.floor(pte / 1024);
		if ((pte & 0xa) !== 0) {
			const size = 4096 * 1024 ** level;
			const pa = Math.floor((ppn * 4096) / size) * size + (va % size);
			return { pa, pte, reads };
		}
		table = ppn * 4096;
	}
	return { pa: -1, pte: -1, reads };
}
