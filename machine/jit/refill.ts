/**
 * The TLB misses of compiled code, as a WebAssembly module: what Mmu.translate does for a load or
 * store to RAM, where nothing is rare about it. Whatever is, a fault, a large page, an A or D bit
 * to be set, a watched page, is left to the Mmu, before anything has changed.
 */
import {
	H_CONTEXT,
	H_LISTED,
	H_LOAD_MISSES,
	H_STALL,
	H_STORE_MISSES,
	H_SUPERPAGES,
	H_TABLES,
	H_WALK_ASID,
	H_WALK_MASK,
	H_WALK_ROOT,
	H_WALK_VALUE,
	H_WALKED,
	LIST_SIZE,
	type Memory,
	RAM_BASE,
	RAM_OFFSET,
	RT,
	WATCHED_OFFSET,
	WT,
} from "../memory.ts";
import { DISTRUSTED } from "../mirror.ts";
import { PAGE_SHIFT } from "../port.ts";
import { PTE_D, PTE_G, PTE_PPN_SHIFT, PTE_V, PTE_W } from "../pte.ts";
import { TAG_GLOBAL, TAG_SUPER, TAG_VALID } from "../tlb.ts";
import { TYPES } from "./dispatcher.ts";
import * as wasm from "./encoder.ts";
import {
	ASID,
	AT,
	BITS,
	CONTEXT,
	FOUND,
	GLOBAL,
	KIND,
	KIND_SIZE_SHIFT,
	KIND_STORE,
	LOCALS,
	MASK,
	OLD,
	PAGE,
	PTE,
	VA,
	VPN,
} from "./refill-locals.ts";
import { TlbCode, type Walks } from "./refill-tlb.ts";
import { Writer } from "./writer.ts";

const DIRECTORY_SHIFT = 22;
const DIRECTORY_MASK = 0x3ff;
/** Flags of a pointer to a page table: those that are reserved, and V. */
const POINTER_FLAGS = 0xff & ~PTE_G;

export const kindOf = (stores: boolean, bytes: number): number =>
	(stores ? KIND_STORE : 0) | ((bytes - 1) << KIND_SIZE_SHIFT);

class Refill {
	readonly #code = new Writer();
	readonly #memory: Memory;
	readonly #walks: Walks;
	readonly #tlb: TlbCode;

	constructor(memory: Memory, walks: Walks) {
		this.#memory = memory;
		this.#walks = walks;
		this.#tlb = new TlbCode(this.#code, memory, walks);
	}

	body(): wasm.Bytes {
		const code = this.#code;
		code.locals(LOCALS);
		this.#prepare();
		this.#tlb.search(() => code.get(VPN), TAG_VALID);
		code.get(FOUND);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		this.#refuseSuperpages();
		this.#walk();
		code.close();
		this.#check();
		code.constant(0);
		code.set(AT);
		code.get(FOUND);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		this.#tlb.enter();
		code.get(KIND);
		code.constant(KIND_STORE);
		code.op(wasm.I32_AND);
		code.open(wasm.IF);
		this.#increase(H_STORE_MISSES, 1);
		code.op(wasm.ELSE);
		this.#increase(H_LOAD_MISSES, 1);
		code.close();
		this.#increase(H_STALL, this.#walks.walkCycles);
		code.constant(this.#walks.walkCycles);
		code.set(AT);
		code.close();
		code.storeLocal(H_WALKED, AT);
		this.#mirror();
		code.get(PAGE);
		code.op(wasm.END);
		return code.bytes;
	}

	#increase(word: number, by: number): void {
		const code = this.#code;
		code.storeWord(word, () => {
			code.loadWord(word);
			code.constant(by);
			code.op(wasm.I32_ADD);
		});
	}

	/** Set MASK, ASID, VPN; leave misaligned accesses to the hart. */
	#prepare(): void {
		const code = this.#code;
		code.loadWord(H_WALK_ROOT);
		code.op(wasm.I32_EQZ);
		code.get(VA);
		code.get(KIND);
		code.constant(KIND_SIZE_SHIFT);
		code.op(wasm.I32_SHR_U, wasm.I32_AND, wasm.I32_OR);
		this.#tlb.refuseIf();
		// Both bits that a store needs beyond a load.
		code.constant(0);
		code.get(KIND);
		code.constant(KIND_STORE);
		code.op(wasm.I32_AND, wasm.I32_SUB);
		code.constant(PTE_W | PTE_D);
		code.op(wasm.I32_AND);
		code.set(MASK);
		code.loadWord(H_WALK_ASID);
		code.set(ASID);
		code.get(VA);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.set(VPN);
	}

	/** Large pages that the TLB holds are for the hart. */
	#refuseSuperpages(): void {
		const code = this.#code;
		code.loadWord(H_SUPERPAGES);
		code.open(wasm.IF);
		this.#tlb.search(() => indexOf(code, DIRECTORY_SHIFT), TAG_VALID | TAG_SUPER);
		code.get(FOUND);
		this.#tlb.refuseIf();
		code.close();
	}

	/** Set PTE to the leaf, and GLOBAL. Privileged specification 4.3.2. */
	#walk(): void {
		const code = this.#code;
		code.loadWord(H_WALK_ROOT);
		code.get(VA);
		code.constant(DIRECTORY_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.scale();
		code.op(wasm.I32_ADD);
		code.loadBehind(0);
		code.tee(PTE);
		code.constant(POINTER_FLAGS);
		code.op(wasm.I32_AND);
		code.constant(PTE_V);
		code.op(wasm.I32_NE);
		this.#tlb.refuseIf();
		code.get(PTE);
		code.set(GLOBAL);
		this.#pageOf();
		code.get(PAGE);
		code.get(VPN);
		code.constant(DIRECTORY_MASK);
		code.op(wasm.I32_AND);
		code.scale();
		code.op(wasm.I32_ADD);
		code.loadBehind(0);
		code.tee(PTE);
		code.get(GLOBAL);
		code.op(wasm.I32_OR);
		code.constant(PTE_G);
		code.op(wasm.I32_AND);
		code.constant(TAG_GLOBAL / PTE_G);
		code.op(wasm.I32_MUL);
		code.set(GLOBAL);
	}

	/** Set PAGE to the host offset of the page that PTE names; it must be in RAM. */
	#pageOf(): void {
		const code = this.#code;
		code.get(PTE);
		code.constant(PTE_PPN_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.constant(RAM_BASE >>> PAGE_SHIFT);
		code.op(wasm.I32_SUB);
		code.tee(PAGE);
		code.constant(this.#memory.ramSize >>> PAGE_SHIFT);
		code.op(wasm.I32_GE_U);
		this.#tlb.refuseIf();
		code.get(PAGE);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHL);
		code.constant(RAM_OFFSET);
		code.op(wasm.I32_ADD);
		code.set(PAGE);
	}

	/** Is the access allowed, and may the page be in the table? */
	#check(): void {
		const code = this.#code;
		code.get(PTE);
		code.loadWord(H_WALK_MASK);
		code.get(MASK);
		code.op(wasm.I32_OR, wasm.I32_AND);
		code.loadWord(H_WALK_VALUE);
		code.get(MASK);
		code.op(wasm.I32_OR, wasm.I32_NE);
		this.#tlb.refuseIf();
		this.#pageOf();
		// A load may be from a watched page, unless it errs or is observed.
		code.get(PAGE);
		code.constant(RAM_OFFSET);
		code.op(wasm.I32_SUB);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.memory(wasm.I32_LOAD8_U, 0, WATCHED_OFFSET);
		code.constant(1);
		code.constant(DISTRUSTED);
		code.get(MASK);
		code.op(wasm.SELECT, wasm.I32_GE_U);
		this.#tlb.refuseIf();
		code.loadWord(H_CONTEXT);
		code.set(CONTEXT);
		code.get(VPN);
		code.memory(wasm.I32_LOAD8_U, 0, this.#memory.listedOffset);
		code.constant(1);
		code.get(CONTEXT);
		code.op(wasm.I32_SHL, wasm.I32_AND, wasm.I32_EQZ);
		code.get(CONTEXT);
		code.scale();
		code.loadBehind(H_LISTED);
		code.constant(LIST_SIZE);
		code.op(wasm.I32_EQ, wasm.I32_AND);
		this.#tlb.refuseIf();
	}

	/** Put PAGE into the table of the running context. See Mirror.fill. */
	#mirror(): void {
		const code = this.#code;
		const { listedOffset, listsOffset } = this.#memory;
		code.constant(1);
		code.get(CONTEXT);
		code.op(wasm.I32_SHL);
		code.set(BITS);
		code.get(VPN);
		code.memory(wasm.I32_LOAD8_U, 0, listedOffset);
		code.tee(OLD);
		code.get(BITS);
		code.op(wasm.I32_AND, wasm.I32_EQZ);
		code.open(wasm.IF);
		code.get(VPN);
		code.get(OLD);
		code.get(BITS);
		code.op(wasm.I32_OR);
		code.memory(wasm.I32_STORE8, 0, listedOffset);
		code.get(CONTEXT);
		code.constant(LIST_SIZE);
		code.op(wasm.I32_MUL);
		code.get(CONTEXT);
		code.scale();
		code.loadBehind(H_LISTED);
		code.tee(OLD);
		code.op(wasm.I32_ADD);
		code.scale();
		code.get(VPN);
		code.memory(wasm.I32_STORE, 2, listsOffset);
		code.get(CONTEXT);
		code.scale();
		code.get(OLD);
		code.constant(1);
		code.op(wasm.I32_ADD);
		code.memory(wasm.I32_STORE, 2, 4 * H_LISTED);
		code.close();
		code.loadWord(H_TABLES);
		code.get(VPN);
		code.op(wasm.I32_ADD);
		code.constant(WT);
		code.constant(RT);
		code.get(MASK);
		code.op(wasm.SELECT, wasm.I32_ADD);
		code.scale();
		code.get(PAGE);
		code.memory(wasm.I32_STORE, 2, 0);
	}
}

/** (va, kind) => host offset of the page that now is in the table for the access, or 0 */
export const refillBody = (memory: Memory, walks: Walks): wasm.Bytes =>
	new Refill(memory, walks).body();

/**
 * (va, any) => 1: the page of that address is in no address space of the TLB any longer; 0: it may
 * be part of a large one, and nothing has changed
 */
export function fenceBody(memory: Memory, walks: Walks): wasm.Bytes {
	const code = new Writer();
	const tlb = new TlbCode(code, memory, walks);
	code.locals(LOCALS);
	code.loadWord(H_SUPERPAGES);
	code.open(wasm.IF);
	tlb.forAll(
		() => indexOf(code, DIRECTORY_SHIFT),
		TAG_VALID | TAG_SUPER,
		() => {
			code.constant(0);
			code.op(wasm.RETURN);
		},
	);
	code.close();
	tlb.forAll(
		() => indexOf(code, PAGE_SHIFT),
		TAG_VALID,
		() => tlb.remove(),
	);
	code.constant(1);
	code.op(wasm.END);
	return code.bytes;
}

/** Leave the number of the page or large page of VA on the stack. */
function indexOf(code: Writer, shift: number): void {
	code.get(VA);
	code.constant(shift);
	code.op(wasm.I32_SHR_U);
}

/** A module with the function of refillBody alone. */
export function refillModule(memory: Memory, walks: Walks): Uint8Array {
	const functions = [{ type: 0, body: refillBody(memory, walks) }];
	return wasm.encodeModule({ pages: memory.wasmPages, table: 0, types: TYPES, functions });
}
