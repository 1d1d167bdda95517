/**
 * References to memory in place of a program's instructions: who pages for a trace of references
 * needs neither the program nor its data. Each takes the cycle of an instruction, goes through TLB
 * and page tables as a load, store or fetch does, sets the same A and D bits, costs the same walks
 * and meets the same page faults; nothing is read or written.
 */
import type { Hart } from "./hart.ts";
import { H_LEFT, H_STALL, H_TABLES, RT, WT, XT } from "./memory.ts";
import {
	ACCESS_FETCH,
	ACCESS_LOAD,
	ACCESS_STORE,
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
} from "./port.ts";
import { STOP_BUDGET, STOP_STARVED, STOP_TRAP } from "./rare.ts";

/** A reference is the address of its page, or'ed with what it does. */
export const REFERENCE_LOAD = 0;
export const REFERENCE_STORE = 1;
export const REFERENCE_FETCH = 2;

/** Cycles at a time. */
const SLICE_MAX = 1 << 22;

/** By what a reference does. */
const TABLE = [RT, WT, XT] as const;
const ACCESS = [ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH] as const;

export class References {
	/** True since a reference was to be made and there was none. */
	starved = false;
	readonly #hart: Hart;
	#references: Int32Array = new Int32Array(0);
	#at = 0;
	#end = 0;

	constructor(hart: Hart) {
		this.#hart = hart;
	}

	/** How many are still to be made. */
	get left(): number {
		return this.#end - this.#at;
	}

	/** The next `count` ones. => all before were made; `references` is not changed until these are */
	give(references: Int32Array, count: number): void {
		this.#references = references;
		this.#at = 0;
		this.#end = count;
		this.starved = false;
	}

	/** As Hart.slice. => STOP_STARVED before a reference that is not there, after no cycles. */
	slice(budget: number): number {
		if (this.#at === this.#end) {
			this.starved = true;
			return STOP_STARVED;
		}
		const { counters, traps, state } = this.#hart;
		counters.start(Math.min(budget, SLICE_MAX));
		const stop = this.#run();
		counters.sync();
		if (stop === STOP_TRAP) traps.count(state.cause);
		return stop;
	}

	/** => STOP_BUDGET: the cycles or the references are used up */
	#run(): number {
		const { mmu, state, memory } = this.#hart;
		const words = memory.i32;
		const references = this.#references;
		const tables = words[H_TABLES]!;
		for (;;) {
			const first = this.#at;
			const left = words[H_LEFT]!;
			const last = left < this.#end - first ? first + left : this.#end;
			let at = first;
			while (at < last) {
				const reference = references[at]!;
				const table = tables + TABLE[reference & PAGE_MASK]!;
				if (words[table + (reference >>> PAGE_SHIFT)] === 0) break;
				at++;
			}
			this.#at = at;
			words[H_LEFT] = left - (at - first);
			if (at >= last) return STOP_BUDGET;
			const reference = references[at]!;
			const va = (reference & -PAGE_SIZE) >>> 0;
			const found = mmu.translate(va, ACCESS[reference & PAGE_MASK]!) > 0;
			const used = state.stall + 1;
			state.stall = 0;
			words[H_LEFT]! -= used;
			// A reference that traps takes its cycle, but is not made.
			words[H_STALL]! += found ? used - 1 : used;
			if (!found) return STOP_TRAP;
			this.#at++;
		}
	}
}
