/**
 * From a region to the body of a WebAssembly function: its control flow, along the tree of
 * dominators. Ramsey: Beyond Relooper (ICFP 2022). straight.ts has what is between.
 *
 * The function takes the number of an entry and its pc. It returns the pc at which control goes on;
 * bit 0 says that the instruction there is for the interpreter.
 */
import { CODE_MAP, H_FETCH_HOST, H_FETCH_PAGE, H_JUMP, H_LEFT, RAM_OFFSET, XT } from "../memory.ts";
import { PAGE_SHIFT } from "../port.ts";
import {
	type Block,
	END_AGAIN,
	END_BRANCH,
	END_DISPATCH,
	END_GOTO,
	END_INTERPRET,
	END_JUMP,
	END_LEAVE,
	END_STRIP,
	isReturn,
	type Region,
} from "./block.ts";
import * as wasm from "./encoder.ts";
import { ENTRY, LEFT, PC, TABLES } from "./locals.ts";
import { EXIT, type Meaning, StraightCode } from "./straight.ts";
import { Writer } from "./writer.ts";

export interface Translation extends Meaning {
	/** Host offset of the page that holds virtual address `pc`. */
	host(pc: number): number;
}

/** Addresses that a jump is compared with one by one, and halfwords that a table spans. */
const COMPARED_MAX = 3;
const TABLE_MAX = 2048;

export class Emitter {
	readonly #code = new Writer();
	readonly #region: Region;
	readonly #translation: Translation;
	readonly #straight: StraightCode;
	/** The depths of the labels of loops, and of what follows a block. */
	readonly #loops = new Map<Block, number>();
	readonly #merges = new Map<Block, number>();
	/** Are there entries that an inner dispatching block knows? */
	readonly #hasInner: boolean;

	constructor(region: Region, translation: Translation) {
		this.#region = region;
		this.#translation = translation;
		this.#straight = new StraightCode(this.#code, translation, region.blocks);
		this.#hasInner = region.blocks.some((b) => b.end === END_DISPATCH && b !== region.start);
	}

	/** => the body with its locals */
	emit(): wasm.Bytes {
		const code = this.#code;
		this.#straight.load();
		code.open(wasm.BLOCK);
		this.#tree(this.#region.start);
		code.close();
		this.#straight.store();
		code.storeLocal(H_LEFT, LEFT);
		code.get(PC);
		code.op(wasm.END);
		return code.bytes;
	}

	/** Emit a block, and those that it dominates. */
	#tree(block: Block): void {
		const code = this.#code;
		const merges = block.children.filter((child) => child.isMerge);
		merges.sort((a, b) => b.order - a.order);
		if (!block.isHeader) {
			this.#within(block, merges, 0);
			return;
		}
		code.open(wasm.LOOP);
		this.#loops.set(block, code.depth);
		this.#within(block, merges, 0);
		code.close();
		code.op(wasm.UNREACHABLE);
	}

	/** Emit a block inside the labels of those blocks of `merges` from index `i` on. */
	#within(block: Block, merges: readonly Block[], i: number): void {
		const merge = merges[i];
		if (merge === undefined) {
			this.#begin(block);
			this.#straight.body(block);
			this.#end(block);
			return;
		}
		this.#code.open(wasm.BLOCK);
		this.#merges.set(merge, this.#code.depth);
		this.#within(block, merges, i + 1);
		this.#code.close();
		this.#tree(merge);
	}

	/** What a block asks for before its instructions. */
	#begin(block: Block): void {
		const code = this.#code;
		if (block === this.#region.start) {
			this.#check(block.need, () => {
				code.get(PC);
				code.constant(1);
				code.op(wasm.I32_OR);
			});
			return;
		}
		if (block.entry !== 0 && this.#hasInner) {
			code.constant(0);
			code.set(ENTRY);
		}
		if (block.checks && block.end !== END_AGAIN) {
			this.#check(block.need, () => code.constant(block.pc | 1));
		}
	}

	/** Leave the region for `pc` unless `need` cycles are left. */
	#check(need: number, pc: () => void): void {
		if (need === 0) return;
		const code = this.#code;
		code.get(LEFT);
		code.constant(need);
		code.op(wasm.I32_LT_S);
		code.open(wasm.IF);
		pc();
		code.set(PC);
		code.branchTo(EXIT);
		code.close();
	}

	#end(block: Block): void {
		const code = this.#code;
		switch (block.end) {
			case END_GOTO:
				this.#edge(block, 0);
				break;
			case END_LEAVE:
				this.#straight.leave(block.target);
				break;
			case END_INTERPRET:
				this.#straight.leave(block.target | 1);
				break;
			case END_BRANCH:
				this.#straight.condition(block.instructions.at(-1)!);
				code.open(wasm.IF);
				this.#edge(block, 0);
				code.op(wasm.ELSE);
				this.#edge(block, 1);
				code.close();
				code.op(wasm.UNREACHABLE);
				break;
			case END_JUMP:
				this.#jump(block);
				break;
			case END_STRIP:
				code.open(wasm.BLOCK);
				this.#straight.strip(block.strip!, code.depth);
				this.#edge(block, 0);
				code.close();
				this.#edge(block, 1);
				break;
			case END_AGAIN:
				this.#straight.isInStrip();
				code.open(wasm.IF);
				this.#edge(block, 0);
				code.close();
				this.#edge(block, 1);
				break;
			case END_DISPATCH:
				this.#dispatch(block);
		}
	}

	/** Control goes to the successor at PC, or leaves the region. */
	#jump(block: Block): void {
		const code = this.#code;
		const { successors } = block;
		const addresses = successors.map((successor) => successor.pc >>> 0);
		const lowest = Math.min(...addresses);
		const span = (Math.max(...addresses) - lowest) / 2 + 1;
		if (successors.length > COMPARED_MAX && span <= TABLE_MAX) {
			const table = new Array<number>(span).fill(-1);
			for (let i = 0; i < addresses.length; i++) table[(addresses[i]! - lowest) / 2] = i;
			this.#switch(block, 0, table, () => {
				code.get(PC);
				code.constant(lowest);
				code.op(wasm.I32_SUB);
				code.constant(1);
				code.op(wasm.I32_ROTR);
			});
		} else {
			for (let i = 0; i < successors.length; i++) {
				code.get(PC);
				code.constant(successors[i]!.pc);
				code.op(wasm.I32_EQ);
				code.open(wasm.IF);
				this.#edge(block, i);
				code.close();
			}
		}
		const jump = block.instructions.at(-1)!;
		if (!isReturn(jump)) code.storeConstant(H_JUMP, jump.pc);
		code.branchTo(EXIT);
	}

	/**
	 * Control goes to the successor that `table` has for an index, or on behind this code for -1.
	 * Successors before `first` are not among them.
	 */
	#switch(block: Block, first: number, table: readonly number[], index: () => void): void {
		const code = this.#code;
		const length = block.successors.length - first;
		for (let i = 0; i <= length; i++) code.open(wasm.BLOCK);
		index();
		code.branchTable(
			table.map((i) => (i < 0 ? length : i - first)),
			length,
		);
		for (let i = 0; i < length; i++) {
			code.close();
			this.#edge(block, first + i);
		}
		code.close();
	}

	#dispatch(block: Block): void {
		const { routes, successors } = block;
		if (successors.length > 1) {
			const table: number[] = [];
			for (const [entry, to] of routes) {
				while (table.length <= entry) table.push(-1);
				if (to !== successors[0]) table[entry] = successors.indexOf(to);
			}
			this.#switch(block, 1, table, () => this.#code.get(ENTRY));
		}
		this.#edge(block, 0);
	}

	/** Control goes to a successor of `block`. */
	#edge(block: Block, i: number): void {
		const code = this.#code;
		const to = block.successors[i]!;
		if (block.end !== END_DISPATCH) this.#cross(block, to);
		if (block.redirected[i] === true) {
			code.constant(to.entry);
			code.set(ENTRY);
			code.constant(to.pc);
			code.set(PC);
			code.branchTo(this.#loops.get(this.#region.start)!);
		} else if (to.order <= block.order) code.branchTo(this.#loops.get(to)!);
		else if (to.isMerge) code.branchTo(this.#merges.get(to)!);
		else this.#tree(to);
	}

	/** Where control comes to another page, the page must still be the one that was compiled. */
	#cross(from: Block, to: Block): void {
		const code = this.#code;
		const last = from.instructions.at(-1)?.pc ?? from.pc;
		const page = to.pc >>> PAGE_SHIFT;
		if (page === last >>> PAGE_SHIFT) return;
		// Perhaps without a cycle left: the page is looked up by the hart.
		if (to.end === END_LEAVE || (to.end === END_INTERPRET && to.instructions.length === 0)) return;
		const host = this.#translation.host(to.pc);
		code.get(TABLES);
		code.loadBehind(XT + page);
		code.constant(host);
		code.op(wasm.I32_NE);
		code.loadWord(CODE_MAP + ((host - RAM_OFFSET) >>> PAGE_SHIFT));
		code.op(wasm.I32_EQZ, wasm.I32_OR);
		// Without a cycle left control is not yet in the page.
		code.get(LEFT);
		code.constant(1);
		code.op(wasm.I32_LT_S, wasm.I32_OR);
		code.open(wasm.IF);
		this.#straight.leave(to.pc);
		code.close();
		code.storeConstant(H_FETCH_PAGE, page << PAGE_SHIFT);
		code.storeConstant(H_FETCH_HOST, host);
	}
}
