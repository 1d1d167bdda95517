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
import {
	D_IN_TLB,
	D_MISSED,
	D_SET,
	type DirtyFate,
	LEVEL_LEAF,
	LEVEL_POINTER,
	LEVEL_RIGHT,
	LEVEL_SUPERPAGE,
	type LevelFate,
	type MmuFaults,
} from "./fault-hooks.ts";
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
	type Privilege,
} from "./hart-state.ts";
import { H_FETCH_PAGE, H_TABLES, type Memory, RAM_BASE, RAM_OFFSET, RT, WT, XT } from "./memory.ts";
import { type Mirror, NOT_TRANSLATED } from "./mirror.ts";
import { PMP_ALLOWED, PMP_MIXED, type Pmp } from "./pmp.ts";
import {
	ACCESS_FETCH,
	ACCESS_LOAD,
	ACCESS_STORE,
	type Access,
	CAUSE_HARDWARE_ERROR,
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
import { Refills } from "./refills.ts";
import { contextKey, permits, type Rights } from "./rights.ts";
import type { Tlb } from "./tlb.ts";
import { newTlbCounters, type TlbCounters } from "./tlb-counters.ts";

/** What sets the A and D bits: the walk, or software after a page fault. */
export type AdPolicy = "hardware" | "trap";

export interface MmuOptions {
	readonly adPolicy: AdPolicy;
	/** Cycles that a page table walk costs. */
	readonly walkCycles: number;
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
export class Mmu {
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
	/** As a signed word: the mode is its sign. */
	#satp = 0;
	#asid = 0;
	// Result of the last walk besides the entry itself.
	#walkSuperpage = false;
	#walkGlobal = false;
	/** The entry that was read last. */
	#word = 0;
	/** May the last translation be mirrored, that is, would a lookup find it again? */
	#repeatable = true;
	#mixed = false;
	readonly #pmp: Pmp;
	#counters: TlbCounters = newTlbCounters();
	readonly #refills: Refills;

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
		this.#refills = new Refills(memory, tlb, mirror, pmp);
	}

	get counters(): TlbCounters {
		this.#refills.count(this.#counters);
		return this.#counters;
	}

	set counters(counters: TlbCounters) {
		this.#refills.count(this.#counters);
		this.#counters = counters;
	}

	/** Compiled code is about to run: it walks page tables where nobody else is concerned. */
	allowRefills(): void {
		this.#refills.isAllowed = this.faults === null;
		this.#prepareRefills();
	}

	#prepareRefills(): void {
		this.#refills.prepare(this.#dataRights, this.#satp, this.#asid);
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
			this.#satp === (state.satp | 0)
		) {
			return;
		}
		this.#fetchRights.priv = state.priv;
		data.priv = dataPriv;
		data.sum = sum;
		data.mxr = mxr;
		this.#satp = state.satp | 0;
		this.#asid = (state.satp >>> SATP_ASID_SHIFT) & SATP_ASID_MAX;
		const translates = this.#satp < 0 && !(dataPriv === PRIV_M && state.priv === PRIV_M);
		const asid = translates ? this.#asid : NOT_TRANSLATED;
		this.#mirror.use(contextKey(state.priv, data, asid), asid);
		this.#words[H_FETCH_PAGE] = 1;
		this.#prepareRefills();
	}

	/**
	 * Translate `va` for the running hart, for an access of `bytes` bytes within a page.
	 * => the host offset if it lies in RAM, or in ROM and is no store; -1 if it does not, `pa`
	 *    says where; 0 after a fault, which is noted in HartState.
	 */
	translate(va: number, access: Access, bytes = 1): number {
		const vpn = va >>> PAGE_SHIFT;
		const table = TABLE[access];
		const words = this.#words;
		const mirrored = words[words[H_TABLES]! + table + vpn]!;
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
		// Fetches from memory that errs are done one by one.
		if (access === ACCESS_FETCH && this.#mirror.distrusts(host)) this.#mixed = true;
		else if (this.#repeatable) this.#mirror.fill(table, vpn, host & ~PAGE_MASK);
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
		this.#prepareRefills();
	}

	/** Must fetches from the page of the last translation be checked one by one? */
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
		if (rights.priv === PRIV_M || this.#satp >= 0) {
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
			this.#tlb.watcher?.hit(index);
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
		if (access === ACCESS_LOAD) this.#counters.loadMisses++;
		else if (access === ACCESS_STORE) this.#counters.storeMisses++;
		else this.#counters.fetchMisses++;
	}

	/**
	 * Walk the page table, section 4.3.2.
	 * => the leaf with its A and D bits as they are now in memory, or 0 after a fault.
	 */
	#walk(va: number, access: Access, rights: Rights): number {
		this.#state.stall += this.#walkCycles;
		const memory = this.#memory;
		const { faults } = this;
		const root = this.#satp & SATP_PPN_MASK;
		let table = root;
		let at = (va >>> 22) * 4;
		let host = memory.offsetOfPage(table) + at;
		if (host < 0 || !this.#walkMay(table, at, ACCESS_LOAD)) return this.#accessFault(va, access);
		if (!this.#read(host)) return this.#state.raise(CAUSE_HARDWARE_ERROR, va);
		let pte = faults === null ? this.#word : faults.reads(va, this.#asid, 1, this.#word);
		let global = pte & PTE_G;
		let superpage = (pte & (PTE_R | PTE_X)) !== 0;
		let level: LevelFate = LEVEL_RIGHT;
		if (faults !== null && (pte & PTE_V) !== 0) {
			level = faults.misreads(va, this.#asid, 1, superpage);
			if (level !== LEVEL_RIGHT) superpage = level === LEVEL_LEAF;
		}
		if (!superpage) {
			// A, D and U of a pointer are reserved.
			const right = (pte & (PTE_V | PTE_W | PTE_U | PTE_A | PTE_D)) === PTE_V;
			if (!right && level !== LEVEL_POINTER) return this.#fault(va, access);
			table = pte >>> PTE_PPN_SHIFT;
			at = ((va >>> PAGE_SHIFT) & SUPERPAGE_MASK) * 4;
			host = memory.offsetOfPage(table) + at;
			if (host < 0 || !this.#walkMay(table, at, ACCESS_LOAD)) return this.#accessFault(va, access);
			if (!this.#read(host)) return this.#state.raise(CAUSE_HARDWARE_ERROR, va);
			pte = faults === null ? this.#word : faults.reads(va, this.#asid, 0, this.#word);
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
			if (!this.#walkMay(table, at, ACCESS_STORE)) return this.#accessFault(va, access);
			pte |= missing;
			this.#setBits(host, missing);
		}
		this.#walkSuperpage = superpage;
		this.#walkGlobal = global !== 0;
		pte |= cached;
		return faults === null ? pte : this.#walked(va, access, pte, host, faults);
	}

	/** A walk has succeeded where the hardware may do more. => the leaf */
	#walked(va: number, access: Access, pte: number, host: number, faults: MmuFaults): number {
		let leaf = pte;
		if (access !== ACCESS_STORE && (pte & PTE_D) === 0 && faults.setsD(va, this.#asid)) {
			leaf |= PTE_D;
			this.#setBits(host, PTE_D);
		}
		if (!this.#walkSuperpage) {
			this.#walkSuperpage = faults.misreads(va, this.#asid, 0, true) === LEVEL_SUPERPAGE;
		}
		faults.walked(va, this.#asid);
		return leaf;
	}

	/** Read the entry at `host` into `#word`. => false: memory cannot tell what it is */
	#read(host: number): boolean {
		const { cells } = this.#memory;
		if (cells === null || !this.#mirror.distrusts(host)) {
			this.#word = this.#words[host >> 2]!;
			return true;
		}
		const bytes = new Uint8Array(4);
		const sound = cells.read(host, 4, bytes, 0);
		this.#word = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
		return sound;
	}

	/** The walk sets bits of the entry at `host`; what was read may be wrong in others. */
	#setBits(host: number, bits: number): void {
		const { cells } = this.#memory;
		const errs = cells !== null && this.#mirror.distrusts(host);
		if (errs) cells.writing(host, 4);
		this.#mirror.storing(host);
		this.#words[host >> 2]! |= bits;
		if (errs) cells.written(host, 4);
		if (this.#mirror.isWatched(host) && this.#watcher.stored(host, 4)) this.#state.leave = 1;
	}

	/** A store through a leaf whose D is clear. A page whose D stays clear is not mirrored. */
	#dirtyFate(va: number): DirtyFate {
		const fate = this.faults === null ? D_SET : this.faults.missesD(va, this.#asid);
		if (fate === D_MISSED) this.#repeatable = false;
		return fate;
	}

	/** The walk reads and writes page tables with the rights of S-mode, 3.7.1. */
	#walkMay(ppn: number, at: number, access: Access): boolean {
		return !this.#pmp.binds(PRIV_S) || this.#pmp.allows(ppn * PAGE_SIZE + at, 4, access, PRIV_S);
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
