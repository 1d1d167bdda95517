/**
 * Address translation for observers. It reads the TLB and the page table as the hart would, but
 * changes neither, counts nothing, takes no time, and ignores permissions.
 */
import type { Hart } from "./hart.ts";
import { PRIV_M } from "./hart-state.ts";
import type { Memory } from "./memory.ts";
import {
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
	SATP_ASID_MAX,
	SATP_ASID_SHIFT,
	SATP_MODE_SV32,
	SATP_PPN_MASK,
} from "./port.ts";
import {
	PTE_A,
	PTE_D,
	PTE_G,
	PTE_PPN_SHIFT,
	PTE_R,
	PTE_U,
	PTE_V,
	PTE_W,
	PTE_X,
	SUPERPAGE_MASK,
} from "./pte.ts";

const PTES = 1024;

/** A leaf of a page table, or of the TLB. */
export interface Leaf {
	readonly pte: number;
	readonly superpage: boolean;
	/** Where it lies in RAM, or -1. */
	readonly at: number;
}

const leafAddress = ({ pte, superpage }: Leaf, va: number): number => {
	const page = pte >>> PTE_PPN_SHIFT;
	const ppn = superpage ? (page & ~SUPERPAGE_MASK) | ((va >>> PAGE_SHIFT) & SUPERPAGE_MASK) : page;
	return ppn * PAGE_SIZE + (va & PAGE_MASK);
};

const isLeaf = (pte: number): boolean => (pte & (PTE_R | PTE_X)) !== 0;

/** The leaf for `va` in the page table at physical address `root`, or null. */
export function walk(memory: Memory, root: number, va: number): Leaf | null {
	const directory = root + (va >>> 22) * 4;
	const first = loadPte(memory, directory);
	if ((first & PTE_V) === 0) return null;
	if (isLeaf(first)) return { pte: first, superpage: true, at: directory };
	const table = (first >>> PTE_PPN_SHIFT) * PAGE_SIZE;
	const at = table + ((va >>> PAGE_SHIFT) & SUPERPAGE_MASK) * 4;
	const pte = loadPte(memory, at);
	return (pte & PTE_V) !== 0 && isLeaf(pte) ? { pte, superpage: false, at } : null;
}

function loadPte(memory: Memory, pa: number): number {
	const host = memory.offsetOf(pa, 4);
	return host < 0 ? 0 : memory.i32[host >> 2]!;
}

/** The TLB's translation of `va` under `satp`, or null. */
function cached(hart: Hart, satp: number, va: number): Leaf | null {
	const index = hart.tlb.find(va >>> PAGE_SHIFT, (satp >>> SATP_ASID_SHIFT) & SATP_ASID_MAX);
	return index < 0
		? null
		: { pte: hart.tlb.pte(index), superpage: hart.tlb.isSuperpage(index), at: -1 };
}

/** Are addresses translated in the current mode? */
export const isTranslated = (hart: Hart): boolean =>
	hart.state.priv !== PRIV_M && hart.state.satp >= SATP_MODE_SV32;

/** The physical address of `va` as the hart would find it in the space of `satp`, or -1. */
export function translateIn(hart: Hart, satp: number, va: number): number {
	const leaf = cached(hart, satp, va) ?? walk(hart.memory, (satp & SATP_PPN_MASK) * PAGE_SIZE, va);
	return leaf === null ? -1 : leafAddress(leaf, va);
}

/** The physical address of `va` as the hart would fetch from it now, or -1. */
export const translateNow = (hart: Hart, va: number): number =>
	isTranslated(hart) ? translateIn(hart, hart.state.satp, va) : va;

/** Host offset of `n` bytes at `pa`, all in one page of RAM or ROM, or -1. */
export function hostOffset(memory: Memory, pa: number, n: number): number {
	const ram = memory.offsetOf(pa, n);
	return ram >= 0 ? ram : memory.romOffsetOf(pa);
}

/** Bytes from `va` on, up to the first that is not mapped, or not in RAM or ROM. */
export function readVirtual(
	memory: Memory,
	translate: (va: number) => number,
	va: number,
	length: number,
): Uint8Array {
	const bytes = new Uint8Array(Math.min(length, 2 ** 32 - va));
	let done = 0;
	while (done < bytes.length) {
		const at = va + done;
		const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), bytes.length - done);
		const pa = translate(at);
		const host = pa < 0 ? -1 : hostOffset(memory, pa, n);
		if (host < 0) break;
		bytes.set(memory.u8.subarray(host, host + n), done);
		done += n;
	}
	return bytes.subarray(0, done);
}

/** Adjacent mappings as one range: [va, va + bytes) to pa, with the same permissions. */
export interface MappedRange {
	readonly va: number;
	readonly pa: number;
	bytes: number;
	/** PTE_R, PTE_W, PTE_X, PTE_U, PTE_G, PTE_A, PTE_D of all of it. */
	readonly flags: number;
	readonly superpage: boolean;
}

const SHOWN = PTE_R | PTE_W | PTE_X | PTE_U | PTE_G | PTE_A | PTE_D;

/** All mappings of the page table at physical address `root`. */
export function mappedRanges(memory: Memory, root: number): MappedRange[] {
	const ranges: MappedRange[] = [];
	const add = (va: number, pte: number, superpage: boolean): void => {
		const flags = pte & SHOWN;
		const pa = (pte >>> PTE_PPN_SHIFT) * PAGE_SIZE;
		const bytes = superpage ? PAGE_SIZE * PTES : PAGE_SIZE;
		const last = ranges.at(-1);
		const joins =
			last !== undefined &&
			last.va + last.bytes === va &&
			last.pa + last.bytes === pa &&
			last.flags === flags &&
			last.superpage === superpage;
		if (joins) last.bytes += bytes;
		else ranges.push({ va, pa, bytes, flags, superpage });
	};
	for (let i = 0; i < PTES; i++) {
		const first = loadPte(memory, root + i * 4);
		if ((first & PTE_V) === 0) continue;
		if (isLeaf(first)) {
			add(i * PAGE_SIZE * PTES, first, true);
			continue;
		}
		const table = (first >>> PTE_PPN_SHIFT) * PAGE_SIZE;
		for (let j = 0; j < PTES; j++) {
			const pte = loadPte(memory, table + j * 4);
			if ((pte & PTE_V) !== 0 && isLeaf(pte)) add((i * PTES + j) * PAGE_SIZE, pte, false);
		}
	}
	return ranges;
}

/** "rwxugad", a dash for each bit that is clear. */
export function pteFlags(pte: number): string {
	const letters = [PTE_R, PTE_W, PTE_X, PTE_U, PTE_G, PTE_A, PTE_D];
	return letters.map((bit, i) => ((pte & bit) !== 0 ? "rwxugad"[i] : "-")).join("");
}
