/** The TLB in compiled code: what Tlb.find, Tlb.fill and Tlb.fence do for pages of 4 KiB. */
import {
	CONTEXTS,
	CT,
	H_ASIDS,
	type Memory,
	RT,
	TLB_OFFSET,
	TLB_OWNED,
	WT,
	XT,
} from "../memory.ts";
import { NOT_TRANSLATED } from "../mirror.ts";
import { PAGE_SHIFT } from "../port.ts";
import { TAG_ASID, TAG_GLOBAL, TAG_PAGE, TAG_SUPER, TAG_VALID } from "../tlb.ts";
import * as wasm from "./encoder.ts";
import { ASID, AT, BITS, FOUND, GLOBAL, OLD, PTE, SET, TABLES, TAG, VPN } from "./refill-locals.ts";
import type { Writer } from "./writer.ts";

/** What a walk depends on besides the state of the hart. */
export interface Walks {
	readonly tlbEntries: number;
	readonly tlbWays: number;
	readonly walkCycles: number;
}

const ENTRY_BYTES = 8;
const DIRECTORY_SHIFT = 22;

export class TlbCode {
	readonly #code: Writer;
	readonly #memory: Memory;
	readonly #walks: Walks;

	constructor(code: Writer, memory: Memory, walks: Walks) {
		this.#code = code;
		this.#memory = memory;
		this.#walks = walks;
	}

	/** Return 0 if what is on the stack is not 0. */
	refuseIf(): void {
		const code = this.#code;
		code.open(wasm.IF);
		code.constant(0);
		code.op(wasm.RETURN);
		code.close();
	}

	/** Set SET and AT to the first entry of the set for the page number on the stack. */
	#beginSet(): void {
		const code = this.#code;
		const { tlbEntries, tlbWays } = this.#walks;
		code.constant(tlbEntries / tlbWays - 1);
		code.op(wasm.I32_AND);
		code.constant(tlbWays * ENTRY_BYTES);
		code.op(wasm.I32_MUL);
		code.tee(SET);
		code.set(AT);
	}

	/** Set FOUND, and PTE, to what the TLB has for a page or a large page. Sets SET. */
	search(index: () => void, flags: number): void {
		const code = this.#code;
		index();
		this.#beginSet();
		code.open(wasm.BLOCK);
		const done = code.depth;
		code.open(wasm.LOOP);
		const next = code.depth;
		code.get(AT);
		code.memory(wasm.I32_LOAD, 2, TLB_OFFSET);
		code.set(TAG);
		this.#isPage(index, flags);
		code.get(TAG);
		code.constant(TAG_GLOBAL);
		code.op(wasm.I32_AND);
		code.get(TAG);
		code.constant(TAG_ASID);
		code.op(wasm.I32_AND);
		code.get(ASID);
		code.op(wasm.I32_EQ, wasm.I32_OR);
		code.constant(0);
		code.op(wasm.I32_NE, wasm.I32_AND);
		code.open(wasm.IF);
		code.get(AT);
		code.memory(wasm.I32_LOAD, 2, TLB_OFFSET + 4);
		code.set(PTE);
		code.constant(1);
		code.set(FOUND);
		code.branchTo(done);
		code.close();
		this.#nextWay(next);
		code.close();
		code.close();
	}

	/** Leave on the stack whether TAG is that of a page or a large page. */
	#isPage(index: () => void, flags: number): void {
		const code = this.#code;
		code.get(TAG);
		code.constant(TAG_PAGE);
		code.op(wasm.I32_AND);
		index();
		code.constant((flags & TAG_SUPER) === 0 ? PAGE_SHIFT : DIRECTORY_SHIFT);
		code.op(wasm.I32_SHL);
		code.constant(flags);
		code.op(wasm.I32_OR, wasm.I32_EQ);
	}

	/** Set AT to the next entry of the set, and go to `next` if there is one. */
	#nextWay(next: number): void {
		const code = this.#code;
		code.get(AT);
		code.constant(ENTRY_BYTES);
		code.op(wasm.I32_ADD);
		code.tee(AT);
		code.get(SET);
		code.constant(this.#walks.tlbWays * ENTRY_BYTES);
		code.op(wasm.I32_ADD, wasm.I32_LT_U);
		code.branchIf(next);
	}

	/** Do `each` for the entries of a page or a large page, TAG at AT, in any address space. */
	forAll(index: () => void, flags: number, each: () => void): void {
		const code = this.#code;
		index();
		this.#beginSet();
		code.open(wasm.LOOP);
		const next = code.depth;
		code.get(AT);
		code.memory(wasm.I32_LOAD, 2, TLB_OFFSET);
		code.set(TAG);
		this.#isPage(index, flags);
		code.open(wasm.IF);
		each();
		code.close();
		this.#nextWay(next);
		code.close();
	}

	/** Remove the entry TAG at AT, of a page of 4 KiB. See Tlb.fence. */
	remove(): void {
		const code = this.#code;
		this.#drop();
		for (const offset of [TLB_OFFSET, TLB_OFFSET + 4]) {
			code.get(AT);
			code.constant(0);
			code.memory(wasm.I32_STORE, 2, offset);
		}
	}

	/** Put PTE into the set; its oldest entry gives way. See Tlb.fill. */
	enter(): void {
		const code = this.#code;
		const { tlbWays } = this.#walks;
		code.get(VPN);
		this.#beginSet();
		code.open(wasm.BLOCK);
		const found = code.depth;
		code.open(wasm.LOOP);
		const next = code.depth;
		code.get(AT);
		code.memory(wasm.I32_LOAD, 2, TLB_OFFSET);
		code.tee(TAG);
		code.constant(TAG_VALID);
		code.op(wasm.I32_AND, wasm.I32_EQZ);
		code.get(AT);
		code.get(SET);
		code.constant((tlbWays - 1) * ENTRY_BYTES);
		code.op(wasm.I32_ADD, wasm.I32_EQ, wasm.I32_OR);
		code.branchIf(found);
		code.get(AT);
		code.constant(ENTRY_BYTES);
		code.op(wasm.I32_ADD);
		code.set(AT);
		code.branchTo(next);
		code.close();
		code.close();
		code.get(TAG);
		code.constant(TAG_VALID);
		code.op(wasm.I32_AND);
		code.open(wasm.IF);
		code.get(TAG);
		code.constant(TAG_SUPER);
		code.op(wasm.I32_AND);
		this.refuseIf();
		this.#drop();
		code.close();
		this.#shift();
		code.get(SET);
		code.get(VPN);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHL);
		code.constant(TAG_VALID);
		code.op(wasm.I32_OR);
		code.get(ASID);
		code.op(wasm.I32_OR);
		code.get(GLOBAL);
		code.op(wasm.I32_OR);
		code.tee(TAG);
		code.memory(wasm.I32_STORE, 2, TLB_OFFSET);
		code.get(SET);
		code.get(PTE);
		code.memory(wasm.I32_STORE, 2, TLB_OFFSET + 4);
		this.#count(() => code.get(ASID), 1);
		// It comes before entries that other address spaces have for this page.
		code.get(GLOBAL);
		code.open(wasm.IF);
		this.#clearSlots();
		code.close();
	}

	/** The entries before AT become older. */
	#shift(): void {
		const code = this.#code;
		code.open(wasm.BLOCK);
		const done = code.depth;
		code.open(wasm.LOOP);
		const next = code.depth;
		code.get(AT);
		code.get(SET);
		code.op(wasm.I32_EQ);
		code.branchIf(done);
		for (const offset of [TLB_OFFSET, TLB_OFFSET + 4]) {
			code.get(AT);
			code.get(AT);
			code.memory(wasm.I32_LOAD, 2, offset - ENTRY_BYTES);
			code.memory(wasm.I32_STORE, 2, offset);
		}
		code.get(AT);
		code.constant(ENTRY_BYTES);
		code.op(wasm.I32_SUB);
		code.set(AT);
		code.branchTo(next);
		code.close();
		code.close();
	}

	/** How many entries an address space has. */
	#count(asid: () => void, by: number): void {
		const code = this.#code;
		asid();
		code.scale();
		code.tee(BITS);
		code.get(BITS);
		code.loadBehind(TLB_OWNED);
		code.constant(by);
		code.op(wasm.I32_ADD);
		code.memory(wasm.I32_STORE, 2, 4 * TLB_OWNED);
	}

	/** Leave the address space of TAG on the stack. */
	#asid(): void {
		const code = this.#code;
		code.get(TAG);
		code.constant(TAG_ASID);
		code.op(wasm.I32_AND);
	}

	/** The entry TAG goes. */
	#drop(): void {
		this.#count(() => this.#asid(), -1);
		this.#clearSlots();
	}

	/** Empty the slots of the page TAG in the tables of its address space, or of all. */
	#clearSlots(): void {
		const code = this.#code;
		code.get(TAG);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.tee(OLD);
		code.memory(wasm.I32_LOAD8_U, 0, this.#memory.listedOffset);
		code.set(BITS);
		code.get(OLD);
		code.scale();
		code.set(OLD);
		code.open(wasm.BLOCK);
		const done = code.depth;
		code.open(wasm.LOOP);
		const next = code.depth;
		code.get(BITS);
		code.op(wasm.I32_EQZ);
		code.branchIf(done);
		code.get(BITS);
		code.op(wasm.I32_CTZ);
		code.scale();
		code.loadBehind(H_ASIDS);
		code.tee(TABLES);
		this.#asid();
		code.op(wasm.I32_EQ);
		code.get(TABLES);
		code.constant(NOT_TRANSLATED);
		code.op(wasm.I32_NE);
		code.constant(0);
		code.get(TAG);
		code.constant(TAG_GLOBAL);
		code.op(wasm.I32_AND, wasm.SELECT, wasm.I32_OR);
		code.open(wasm.IF);
		this.#tablesOf(() => {
			code.get(BITS);
			code.op(wasm.I32_CTZ);
		});
		for (const table of [RT, WT, CT, XT]) {
			code.get(TABLES);
			code.get(OLD);
			code.op(wasm.I32_ADD);
			code.constant(0);
			code.memory(wasm.I32_STORE, 2, 4 * table);
		}
		code.close();
		code.get(BITS);
		code.get(BITS);
		code.constant(1);
		code.op(wasm.I32_SUB, wasm.I32_AND);
		code.set(BITS);
		code.branchTo(next);
		code.close();
		code.close();
	}

	/** Set TABLES to the host offset of a context's tables. */
	#tablesOf(context: () => void): void {
		const code = this.#code;
		const [first, second] = [this.#memory.tables(0), this.#memory.tables(1)];
		const step = CONTEXTS > 2 ? this.#memory.tables(2) - second : 0;
		code.constant(4 * first);
		context();
		code.constant(4 * step);
		code.op(wasm.I32_MUL);
		code.constant(4 * (second - step));
		code.op(wasm.I32_ADD);
		context();
		code.op(wasm.I32_EQZ, wasm.SELECT);
		code.set(TABLES);
	}
}
