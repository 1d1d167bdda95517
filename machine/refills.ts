/** What compiled code must know to walk page tables by itself; jit/refill.ts does it. */
import { PRIV_M, PRIV_S, PRIV_U } from "./hart-state.ts";
import {
	H_FENCES,
	H_LOAD_MISSES,
	H_STORE_MISSES,
	H_WALK_ASID,
	H_WALK_MASK,
	H_WALK_ROOT,
	H_WALK_VALUE,
	type Memory,
} from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import type { Pmp } from "./pmp.ts";
import { SATP_PPN_MASK } from "./port.ts";
import { PTE_A, PTE_R, PTE_U, PTE_V } from "./pte.ts";
import type { Rights } from "./rights.ts";
import type { Tlb } from "./tlb.ts";
import type { TlbCounters } from "./tlb-counters.ts";

export class Refills {
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #tlb: Tlb;
	readonly #mirror: Mirror;
	readonly #pmp: Pmp;
	#isAllowed = false;

	constructor(memory: Memory, tlb: Tlb, mirror: Mirror, pmp: Pmp) {
		this.#memory = memory;
		this.#words = memory.i32;
		this.#tlb = tlb;
		this.#mirror = mirror;
		this.#pmp = pmp;
	}

	/** Does all hardware work? Then walks are allowed unless somebody wants to know of them. */
	set isAllowed(works: boolean) {
		const isQuiet = this.#tlb.watcher === null && !this.#mirror.isGuarded;
		this.#isAllowed = works && isQuiet && this.#memory.cells === null;
	}

	/**
	 * To be called when rights or address space may have changed: those of loads and stores.
	 * => `satp` is signed
	 */
	prepare({ priv, sum, mxr }: Rights, satp: number, asid: number): void {
		const words = this.#words;
		words[H_WALK_ROOT] = 0;
		if (!this.#isAllowed || priv === PRIV_M || satp >= 0) return;
		if (mxr || !this.#pmp.isOpen) return;
		const root = this.#memory.offsetOfPage(satp & SATP_PPN_MASK);
		if (root < 0) return;
		const user = priv === PRIV_S && sum ? 0 : PTE_U;
		words[H_WALK_ROOT] = root;
		words[H_WALK_ASID] = asid;
		words[H_WALK_MASK] = PTE_V | PTE_R | PTE_A | user;
		words[H_WALK_VALUE] = PTE_V | PTE_R | PTE_A | (priv === PRIV_U ? PTE_U : 0);
	}

	/** Add the misses and fences that were not counted yet. */
	count(counters: TlbCounters): void {
		const words = this.#words;
		counters.loadMisses += words[H_LOAD_MISSES]!;
		counters.storeMisses += words[H_STORE_MISSES]!;
		counters.fencesVa += words[H_FENCES]!;
		words[H_LOAD_MISSES] = words[H_STORE_MISSES] = words[H_FENCES] = 0;
	}
}
