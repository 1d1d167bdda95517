/** Bits of TLB entries and page table entries, inverted at an instant. */
import type { Machine } from "../../machine/machine.ts";
import {
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
	SATP_ASID_MAX,
	SATP_ASID_SHIFT,
	SATP_MODE_SV32,
	SATP_PPN_MASK,
} from "../../machine/port.ts";
import { walk } from "../../machine/walk.ts";
import { type Choose, change, hex } from "./fault-host.ts";
import type { PteBit, PteField, PteFlip, TlbFlip } from "./mmu-rule.ts";

/** A change that can be made now. */
export interface Flip {
	/** For the ledger: what it hits, and what it does to it. */
	readonly target: string;
	readonly effect: string;
	readonly apply: () => void;
	/** The index of the TLB entry, or the physical address of the page table entry. */
	readonly at: number;
	readonly mask: number;
}

/** The lowest bit of each field, and how many it has. */
const FIELDS: Readonly<Record<PteField, readonly [number, number]>> = {
	V: [0, 1],
	R: [1, 1],
	W: [2, 1],
	X: [3, 1],
	U: [4, 1],
	G: [5, 1],
	A: [6, 1],
	D: [7, 1],
	RSW: [8, 2],
	PPN: [10, 22],
};

/** The address space that runs, or -1 without translation. */
export function runningAsid({ hart }: Machine): number {
	const { satp } = hart.state;
	return satp < SATP_MODE_SV32 ? -1 : (satp >>> SATP_ASID_SHIFT) & SATP_ASID_MAX;
}

/** The physical address of the page table that runs, or -1 without translation. */
export function runningRoot({ hart }: Machine): number {
	const { satp } = hart.state;
	return satp < SATP_MODE_SV32 ? -1 : (satp & SATP_PPN_MASK) * PAGE_SIZE;
}

/** A mask with the bit of a page table entry that the rule names, or that is drawn. */
export function pteMask({ field, bit }: PteBit, choose: Choose): number {
	const [first, count] =
		field === undefined ? [bit ?? 0, bit === undefined ? 32 : 1] : FIELDS[field];
	return 1 << (first + choose("bit", count));
}

export function flipTlb(machine: Machine, params: TlbFlip, choose: Choose): Flip | null {
	const { tlb, mmu } = machine.hart;
	const { va } = params;
	const asid = params.asid ?? (va === undefined ? undefined : runningAsid(machine));
	const entries = tlb.list();
	const matching =
		va === undefined || asid === undefined
			? entries.filter((e) => asid === undefined || e.global || e.asid === asid)
			: entries.filter((e) => e.index === tlb.find(va >>> PAGE_SHIFT, asid));
	if (matching.length === 0) return null;
	const entry = matching[choose("entry", matching.length)]!;
	const mask = pteMask(params, choose);
	const page = `va ${hex(entry.vpn * PAGE_SIZE)}`;
	return {
		target: `tlb ${entry.index}, ${page} asid ${entry.asid}, mask ${hex(mask)}`,
		effect: change(entry.pte, entry.pte ^ mask),
		apply: () => mmu.damage(entry.index, mask),
		at: entry.index,
		mask,
	};
}

export function flipPte(machine: Machine, params: PteFlip, choose: Choose): Flip | null {
	const { memory, dma } = machine;
	const root = runningRoot(machine);
	if (root < 0) return null;
	const leaf = walk(memory, root, params.va);
	if (leaf === null || (leaf.superpage && params.level === 0)) return null;
	const at = params.level === 1 ? root + (params.va >>> 22) * 4 : leaf.at;
	const before = dma.load32(at);
	const mask = pteMask(params, choose);
	return {
		target: `pte of ${hex(params.va & ~PAGE_MASK)}, at ${hex(at)}, mask ${hex(mask)}`,
		effect: change(before, before ^ mask),
		apply: () => dma.store32(at, before ^ mask),
		at,
		mask,
	};
}
