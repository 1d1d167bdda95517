/**
 * Address translation: Sv32, through the TLB. Privileged specification 1.12, section 4.3.
 *
 * A translation that the running context may use is left in the mirror (mirror.ts), from where
 * engines take it without asking again. What software can observe is decided here and in tlb.ts
 * alone: lookups happen when control enters a page and for every load and store, hits change
 * nothing, and a miss walks the page table, is counted and costs `walkCycles`.
 *
 * A page table is read from RAM only; anywhere else is an access fault.
 */
import type { HartParts } from "./hart-parts.ts";
import {
	type HartState,
	MSTATUS_MPP,
	MSTATUS_MPP_SHIFT,
	MSTATUS_MPRV,
	MSTATUS_MXR,
	MSTATUS_SUM,
	PRIV_M,
	PRIV_S,
	PRIV_U,
	type Privilege,
} from "./hart-state.ts";
import { H_FETCH_PAGE, type Memory, RAM_BASE, RAM_OFFSET, RT, WT, XT } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import { PMP_ALLOWED, PMP_MIXED, type Pmp } from "./pmp.ts";
import {
	ACCESS_FETCH,
	ACCESS_LOAD,
	ACCESS_STORE,
	type Access,
	CAUSE_INSTRUCTION_ACCESS_FAULT,
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_ACCESS_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_ACCESS_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	FENCE_ALL,
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
	SATP_ASID_MAX,
	SATP_ASID_SHIFT,
	SATP_MODE_SV32,
	SATP_PPN_MASK,
} from "./port.ts";
import type { Tlb } from "./tlb.ts";

/** Page table entry, figure 4.18. */
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

/** What sets the A and D bits: the walk, or software after a page fault. */
export type AdPolicy = "hardware" | "trap";

/** Events since reset. Hits are not counted; a walk that ends in a fault is. */
export interface TlbCounters {
	fetchMisses: number;
	loadMisses: number;
	storeMisses: number;
	/** Walks that set D for a store through an entry that had it clear. */
	dirtyUpgrades: number;
	/** sfence.vma by operands: neither, address only, address space only, both. */
	fencesAll: number;
	fencesVa: number;
	fencesAsid: number;
	fencesVaAsid: number;
}

const newTlbCounters = (): TlbCounters => ({
	fetchMisses: 0,
	loadMisses: 0,
	storeMisses: 0,
	dirtyUpgrades: 0,
	fencesAll: 0,
	fencesVa: 0,
	fencesAsid: 0,
	fencesVaAsid: 0,
});

export interface MmuOptions {
	readonly adPolicy: AdPolicy;
	/** Cycles that a page table walk costs. */
	readonly walkCycles: number;
}

/** What becomes of D where a store should have set it. */
export const D_SET = 0;
export const D_MISSED = 1; // it is clear in the page table and in the TLB
export const D_IN_TLB = 2; // it is clear in the page table, but set in the TLB
export type DirtyFate = typeof D_SET | typeof D_MISSED | typeof D_IN_TLB;

/** What a walk takes an entry for. */
export const LEVEL_RIGHT = 0;
export const LEVEL_POINTER = 1;
export const LEVEL_LEAF = 2;
export const LEVEL_SUPERPAGE = 3; // the TLB holds a leaf of a table as one of the directory
export type LevelFate =
	| typeof LEVEL_RIGHT
	| typeof LEVEL_POINTER
	| typeof LEVEL_LEAF
	| typeof LEVEL_SUPERPAGE;

/** Faults of the hardware, asked where translation leaves its fast paths. */
export interface MmuFaults {
	/** A fence. => true: it is not to be done here. Operands as of `Mmu.fence`. */
	fences(va: number, asid: number): boolean;
	/** A walk reads an entry, of the directory (1) or a table (0). => what it reads */
	reads(va: number, asid: number, level: 0 | 1, pte: number): number;
	/** What the walk takes this entry for. => LEVEL_SUPERPAGE for level 0 only */
	misreads(va: number, asid: number, level: 0 | 1, isLeaf: boolean): LevelFate;
	/** A walk for `access` is about to succeed. => true: it ends in a page fault. */
	refuses(va: number, asid: number, access: Access): boolean;
	/** A walk would set A, or fault because it is clear. => true: neither happens. */
	missesA(va: number, asid: number): boolean;
	/** A store would set D, or fault for this alone. => D_SET if so it does. */
	missesD(va: number, asid: number): DirtyFate;
	/** A walk succeeds and leaves D clear. => true: D is set all the same */
	setsD(va: number, asid: number): boolean;
	/** A walk has succeeded. */
	walked(va: number, asid: number): void;
}

/** Called for stores into watched pages of RAM, by the hart or by a page table walk. */
export interface StoreWatcher {
	/** => true if the engine must not run on after the current instruction. */
	stored(host: number, bytes: number): boolean;
}

const PAGE_FAULT = [
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
] as const;
const ACCESS_FAULT = [
	CAUSE_INSTRUCTION_ACCESS_FAULT,
	CAUSE_LOAD_ACCESS_FAULT,
	CAUSE_STORE_ACCESS_FAULT,
] as const;
const TABLE = [XT, RT, WT] as const;

/** Privilege and mstatus bits that decide whether an access is permitted. */
export interface Rights {
	priv: Privilege;
	sum: boolean;
	mxr: boolean;
}

/** Does the leaf `pte` allow `access`? Section 4.3.1. */
function permits(pte: number, access: Access, rights: Rights): boolean {
	if (rights.priv === PRIV_U) {
		if ((pte & PTE_U) === 0) return false;
	} else if ((pte & PTE_U) !== 0 && (access === ACCESS_FETCH || !rights.sum)) return false;
	if (access === ACCESS_LOAD) {
		return (pte & PTE_R) !== 0 || (rights.mxr && (pte & PTE_X) !== 0);
	}
	return (pte & (access === ACCESS_STORE ? PTE_W : PTE_X)) !== 0;
}

export class Mmu {
	counters: TlbCounters = newTlbCounters();
	/** Physical address of the last translation that succeeded. */
	pa = 0;
	/** null while the hardware works. */
	faults: MmuFaults | null = null;
	readonly #state: HartState;
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #tlb: Tlb;
	readonly #mirror: Mirror;
	readonly #watcher: StoreWatcher;
	readonly #hardwareAd: boolean;
	readonly #walkCycles: number;
	readonly #fetchRights: Rights = { priv: PRIV_M, sum: false, mxr: false };
	readonly #dataRights: Rights = { priv: PRIV_M, sum: false, mxr: false };
	#satp = 0;
	#asid = 0;
	// Result of the last walk besides the entry itself.
	#walkSuperpage = false;
	#walkGlobal = false;
	/** May the last translation be mirrored, that is, would a lookup find it again? */
	#repeatable = true;
	#mixed = false;
	readonly #pmp: Pmp;

	constructor(
		{
			state,
			memory,
			tlb,
			mirror,
			code,
			pmp,
		}: Pick<HartParts, "state" | "memory" | "tlb" | "mirror" | "code" | "pmp">,
		options: MmuOptions,
	) {
		this.#pmp = pmp;
		this.#state = state;
		this.#memory = memory;
		this.#words = memory.i32;
		this.#tlb = tlb;
		this.#mirror = mirror;
		this.#watcher = code;
		this.#hardwareAd = options.adPolicy === "hardware";
		this.#walkCycles = options.walkCycles;
	}

	/**
	 * To be called after any change of mode, mstatus or satp.
	 * => the next instruction is looked up again if the change affects translation.
	 */
	updateContext(): void {
		const state = this.#state;
		const mstatus = state.mstatus;
		const data = this.#dataRights;
		const dataPriv =
			(mstatus & MSTATUS_MPRV) !== 0 && state.priv === PRIV_M
				? (((mstatus & MSTATUS_MPP) >>> MSTATUS_MPP_SHIFT) as Privilege)
				: state.priv;
		const sum = (mstatus & MSTATUS_SUM) !== 0;
		const mxr = (mstatus & MSTATUS_MXR) !== 0;
		if (
			this.#fetchRights.priv === state.priv &&
			data.priv === dataPriv &&
			data.sum === sum &&
			data.mxr === mxr &&
			this.#satp === state.satp
		) {
			return;
		}
		this.#fetchRights.priv = state.priv;
		data.priv = dataPriv;
		data.sum = sum;
		data.mxr = mxr;
		this.#satp = state.satp;
		this.#asid = (state.satp >>> SATP_ASID_SHIFT) & SATP_ASID_MAX;
		this.#mirror.clear();
		this.#words[H_FETCH_PAGE] = 1;
	}

	/**
	 * Translate `va` for the running hart, for an access of `bytes` bytes within a page.
	 * => the host offset if it lies in RAM, or in ROM and is no store; -1 if it does not, `pa`
	 *    says where; 0 after a fault, which is noted in HartState.
	 */
	translate(va: number, access: Access, bytes = 1): number {
		const vpn = va >>> PAGE_SHIFT;
		const table = TABLE[access];
		const mirrored = this.#words[table + vpn]!;
		if (mirrored !== 0) return mirrored + (va & PAGE_MASK);
		const rights = access === ACCESS_FETCH ? this.#fetchRights : this.#dataRights;
		if (!this.#resolve(va, access, rights)) return 0;
		if (this.#pmp.binds(rights.priv) && !this.#isAllowed(va, access, bytes, rights.priv)) return 0;
		const offset = this.pa - RAM_BASE;
		let host = offset + RAM_OFFSET;
		if (!(offset >= 0 && offset < this.#memory.ramSize)) {
			host = access === ACCESS_STORE ? -1 : this.#memory.romOffsetOf(this.pa);
			if (host < 0) return -1;
		}
		if (access === ACCESS_STORE) this.#mirror.storing(host);
		if (this.#repeatable) this.#mirror.fill(table, vpn, host & ~PAGE_MASK);
		return host;
	}

	/**
	 * Translate `va` under other rights than those of the running context.
	 * => whether it succeeded: `pa` is the physical address, or the fault is noted in HartState.
	 */
	translateAs(va: number, access: Access, rights: Rights): boolean {
		return this.#resolve(va, access, rights);
	}

	/** sfence.vma with its operands; FENCE_ALL stands for x0. */
	fence(va: number, asid: number): void {
		const counters = this.counters;
		if (va === FENCE_ALL) {
			if (asid === FENCE_ALL) counters.fencesAll++;
			else counters.fencesAsid++;
		} else if (asid === FENCE_ALL) counters.fencesVa++;
		else counters.fencesVaAsid++;
		if (this.faults?.fences(va, asid)) return;
		this.flush(va, asid);
	}

	/** What a fence does. => entries for which `spares` is true stay: a fault */
	flush(va: number, asid: number, spares: ((index: number) => boolean) | null = null): void {
		this.#tlb.fence(va, asid === FENCE_ALL ? FENCE_ALL : asid & SATP_ASID_MAX, spares);
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** Power on: the TLB is empty, whatever is broken. */
	reset(): void {
		this.counters.fencesAll++;
		this.#tlb.fence(FENCE_ALL, FENCE_ALL);
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** An error in the valid entry `index` of the TLB inverts bits of its page table entry. */
	damage(index: number, mask: number): void {
		if ((mask & PTE_V) !== 0) this.#tlb.invalidate(index);
		else {
			this.#tlb.invert(index, mask);
			if ((mask & PTE_G) !== 0) this.#tlb.invertGlobal(index);
		}
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** Physical memory protection was changed. */
	protectionChanged(): void {
		this.#mirror.clear();
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** Must accesses to the page of the last translation be checked one by one (PMP_MIXED)? */
	get isMixed(): boolean {
		return this.#mixed;
	}

	/** Physical memory protection of `pa`. => false after an access fault, which is noted. */
	#isAllowed(va: number, access: Access, bytes: number, priv: Privilege): boolean {
		const { pa } = this;
		const verdict = this.#pmp.page(pa - (pa % PAGE_SIZE), access, priv);
		this.#mixed = verdict === PMP_MIXED;
		if (this.#mixed) this.#repeatable = false;
		const allowed = this.#mixed
			? this.#pmp.allows(pa, bytes, access, priv)
			: verdict === PMP_ALLOWED;
		return allowed || this.#accessFault(va, access) !== 0;
	}

	/** => false after a fault, which is noted; otherwise `pa` is set. */
	#resolve(va: number, access: Access, rights: Rights): boolean {
		this.#repeatable = true;
		this.#mixed = false;
		if (rights.priv === PRIV_M || this.#satp < SATP_MODE_SV32) {
			this.pa = va >>> 0;
			return true;
		}
		const vpn = va >>> PAGE_SHIFT;
		let index = this.#tlb.find(vpn, this.#asid);
		if (index < 0) {
			this.#countMiss(access);
			const pte = this.#walk(va, access, rights);
			if (pte === 0) return false;
			index = this.#tlb.fill(vpn, this.#walkSuperpage, this.#walkGlobal, this.#asid, pte);
		} else {
			const pte = this.#tlb.pte(index);
			if (!permits(pte, access, rights)) return this.#pageFault(va, access);
			if (access === ACCESS_STORE && (pte & PTE_D) === 0) {
				if (this.#hardwareAd) {
					index = this.#upgrade(index, va, rights);
					if (index < 0) return false;
				} else {
					const fate = this.#dirtyFate(va);
					if (fate === D_SET) return this.#pageFault(va, access);
					if (fate === D_IN_TLB) this.#tlb.invert(index, PTE_D);
				}
			}
		}
		const page = this.#tlb.pte(index) >>> PTE_PPN_SHIFT;
		const ppn = this.#tlb.isSuperpage(index)
			? (page & ~SUPERPAGE_MASK) | (vpn & SUPERPAGE_MASK)
			: page;
		// Up to 34 bits, so no shift.
		this.pa = ppn * PAGE_SIZE + (va & PAGE_MASK);
		return true;
	}

	/** A store through an entry whose D is clear. => the entry's index, or -1 after a fault. */
	#upgrade(index: number, va: number, rights: Rights): number {
		const tlb = this.#tlb;
		this.counters.dirtyUpgrades++;
		const pte = this.#walk(va, ACCESS_STORE, rights);
		if (pte === 0) return -1;
		if (tlb.isSuperpage(index) === this.#walkSuperpage) {
			tlb.update(index, this.#walkGlobal, this.#asid, pte);
			return index;
		}
		// Software changed the size of the page without a fence: the entry belongs to another set.
		// A second entry for this page, for another address space before, may come first there.
		this.#repeatable = false;
		tlb.invalidate(index);
		const vpn = va >>> PAGE_SHIFT;
		return tlb.fill(vpn, this.#walkSuperpage, this.#walkGlobal, this.#asid, pte);
	}

	#countMiss(access: Access): void {
		if (access === ACCESS_LOAD) this.counters.loadMisses++;
		else if (access === ACCESS_STORE) this.counters.storeMisses++;
		else this.counters.fetchMisses++;
	}

	/**
	 * Walk the page table, section 4.3.2.
	 * => the leaf with its A and D bits as they are now in memory, or 0 after a fault.
	 */
	#walk(va: number, access: Access, rights: Rights): number {
		this.#state.stall += this.#walkCycles;
		const words = this.#words;
		const memory = this.#memory;
		const root = this.#satp & SATP_PPN_MASK;
		let at = root * PAGE_SIZE + (va >>> 22) * 4;
		let host = memory.offsetOf(at, 4);
		if (host < 0 || !this.#walkMay(at, ACCESS_LOAD)) return this.#accessFault(va, access);
		const { faults } = this;
		let pte = words[host >> 2]!;
		if (faults !== null) pte = faults.reads(va, this.#asid, 1, pte);
		let global = pte & PTE_G;
		let superpage = (pte & (PTE_R | PTE_X)) !== 0;
		const level =
			faults === null || (pte & PTE_V) === 0
				? LEVEL_RIGHT
				: faults.misreads(va, this.#asid, 1, superpage);
		if (level !== LEVEL_RIGHT) superpage = level === LEVEL_LEAF;
		if (!superpage) {
			// A, D and U of a pointer are reserved.
			if ((pte & (PTE_V | PTE_W | PTE_U | PTE_A | PTE_D)) !== PTE_V && level !== LEVEL_POINTER) {
				return this.#fault(va, access);
			}
			const table = (pte >>> PTE_PPN_SHIFT) * PAGE_SIZE;
			at = table + ((va >>> PAGE_SHIFT) & SUPERPAGE_MASK) * 4;
			host = memory.offsetOf(at, 4);
			if (host < 0 || !this.#walkMay(at, ACCESS_LOAD)) return this.#accessFault(va, access);
			pte = words[host >> 2]!;
			if (faults !== null) pte = faults.reads(va, this.#asid, 0, pte);
			global |= pte & PTE_G;
		}
		if (
			(pte & PTE_V) === 0 ||
			(pte & (PTE_R | PTE_X)) === 0 ||
			(pte & (PTE_R | PTE_W)) === PTE_W ||
			(superpage && ((pte >>> PTE_PPN_SHIFT) & SUPERPAGE_MASK) !== 0) ||
			!permits(pte, access, rights)
		) {
			return this.#fault(va, access);
		}
		let missing = (access === ACCESS_STORE ? PTE_A | PTE_D : PTE_A) & ~pte;
		let cached = 0;
		if (faults !== null) {
			const succeeds = missing === 0 || this.#hardwareAd;
			if (succeeds && faults.refuses(va, this.#asid, access)) return this.#fault(va, access);
			if ((missing & PTE_A) !== 0 && faults.missesA(va, this.#asid)) missing &= ~PTE_A;
			if (missing === PTE_D || (this.#hardwareAd && (missing & PTE_D) !== 0)) {
				const fate = this.#dirtyFate(va);
				if (fate !== D_SET) missing &= ~PTE_D;
				if (fate === D_IN_TLB) cached = PTE_D;
			}
		}
		if (missing !== 0) {
			if (!this.#hardwareAd) return this.#fault(va, access);
			if (!this.#walkMay(at, ACCESS_STORE)) return this.#accessFault(va, access);
			pte |= missing;
			this.#setBits(host, missing);
		}
		if (faults !== null) {
			if ((pte & PTE_D) === 0 && cached === 0 && access !== ACCESS_STORE) {
				if (faults.setsD(va, this.#asid)) {
					pte |= PTE_D;
					this.#setBits(host, PTE_D);
				}
			}
			if (!superpage && faults.misreads(va, this.#asid, 0, true) === LEVEL_SUPERPAGE) {
				superpage = true;
			}
			faults.walked(va, this.#asid);
		}
		this.#walkSuperpage = superpage;
		this.#walkGlobal = global !== 0;
		return pte | cached;
	}

	/** The walk sets bits of the entry at `host`; what was read may be wrong in others. */
	#setBits(host: number, bits: number): void {
		this.#mirror.storing(host);
		this.#words[host >> 2]! |= bits;
		if (this.#mirror.isWatched(host) && this.#watcher.stored(host, 4)) this.#state.leave = 1;
	}

	/** A store through a leaf whose D is clear. A page whose D stays clear is not mirrored. */
	#dirtyFate(va: number): DirtyFate {
		const fate = this.faults === null ? D_SET : this.faults.missesD(va, this.#asid);
		if (fate === D_MISSED) this.#repeatable = false;
		return fate;
	}

	/** The walk reads and writes page tables with the rights of S-mode, 3.7.1. */
	#walkMay(pa: number, access: Access): boolean {
		return !this.#pmp.binds(PRIV_S) || this.#pmp.allows(pa, 4, access, PRIV_S);
	}

	#pageFault(va: number, access: Access): false {
		this.#state.raise(PAGE_FAULT[access], va);
		return false;
	}

	#fault(va: number, access: Access): 0 {
		return this.#state.raise(PAGE_FAULT[access], va);
	}

	#accessFault(va: number, access: Access): 0 {
		return this.#state.raise(ACCESS_FAULT[access], va);
	}
}

/** The rights of a kernel that copies from or to user memory. */
export const SUPERVISOR_USER_RIGHTS: Readonly<Rights> = { priv: PRIV_S, sum: true, mxr: false };
