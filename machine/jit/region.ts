/**
 * What is compiled together: the code that control reaches from a hot place without leaving what
 * was executed before, over the ends of pages, into functions that are called and back. Small
 * functions that call nothing are copied to their callers.
 */

import { OP } from "../op.ts";
import { PAGE_SHIFT } from "../port.ts";
import type { Accesses, Region } from "./block.ts";
import {
	Block,
	END_BRANCH,
	END_GOTO,
	END_INTERPRET,
	END_JUMP,
	END_LEAVE,
	type Instruction,
	isLink,
	isReturn,
} from "./block.ts";
import { shape } from "./graph.ts";

/** Instructions of a region, and of a function that is copied to its callers. */
export const REGION_MAX = 400;
const LEAF_MAX = 30;
/** Addresses that a jump is compared with. */
const TARGETS_MAX = 4;

/** Where instructions come from. */
export interface CodeSource extends Accesses {
	/** The instruction at `pc`, or null if none was executed there. */
	at(pc: number): Instruction | null;
	/** Is it one that is compiled? */
	compiles(instruction: Instruction): boolean;
	/** Addresses that the jump at `pc` went to, besides returns. */
	targets(pc: number): readonly number[];
	/** Where the function that holds `pc` may begin: a place that is called, or null. */
	functionOf(pc: number): number | null;
}

/** A copy of code: that which the region begins with, or a function copied to a caller. */
class Context {
	/** The caller, and where the function returns to; null for the first one. */
	readonly caller: Context | null;
	readonly returnsTo: number;
	readonly instructions = new Map<number, Instruction>();
	/** Addresses at which blocks begin. */
	readonly leaders = new Set<number>();
	readonly blocks = new Map<number, Block>();
	/** Functions copied here, by the address of the call. */
	readonly copies = new Map<number, Context>();

	constructor(caller: Context | null, returnsTo: number) {
		this.caller = caller;
		this.returnsTo = returnsTo;
	}
}

const isBranch = (op: number): boolean => op >= OP.BEQ && op <= OP.BGEU;
interface Built {
	readonly root: Block;
	/** Is it all that control reaches, and not only its first REGION_MAX instructions? */
	readonly isWhole: boolean;
	/** Where control comes back to after calls, and what is not compiled. */
	readonly entries: readonly Block[];
	/** The block that begins at `pc`, or null. */
	blockAt(pc: number): Block | null;
}

class Builder {
	readonly #source: CodeSource;
	readonly #first = new Context(null, 0);
	/** For each function of the first context, by its address, where it returns to. */
	readonly #sites = new Map<number, number[]>();
	/** For each instruction of the first context, the address of its function. */
	readonly #functions = new Map<number, number>();
	readonly #returns = new Set<number>();
	readonly #work: { context: Context; pc: number; from: number }[] = [];
	#total = 0;

	constructor(source: CodeSource) {
		this.#source = source;
	}

	build(root: number): Built {
		const first = this.#first;
		this.#add(first, root, root);
		for (let i = 0; i < this.#work.length; i++) {
			const { context, pc, from } = this.#work[i]!;
			this.#discover(context, pc, from);
		}
		const unfilled: { context: Context; block: Block }[] = [];
		const get = (context: Context, pc: number): Block => {
			let block = context.blocks.get(pc);
			if (block === undefined) {
				block = new Block(pc, context.caller !== null);
				context.blocks.set(pc, block);
				unfilled.push({ context, block });
			}
			return block;
		};
		const start = get(first, root);
		const entries = [...this.#returns]
			.filter((pc) => first.instructions.has(pc))
			.map((pc) => get(first, pc));
		for (let next = unfilled.pop(); next !== undefined; next = unfilled.pop()) {
			this.#fill(next.context, next.block, get);
		}
		const blockAt = (pc: number): Block | null => {
			const block = first.blocks.get(pc) ?? null;
			return block === null || block.instructions.length === 0 ? null : block;
		};
		return { root: start, isWhole: this.#total < REGION_MAX, entries, blockAt };
	}

	#add(context: Context, pc: number, from: number): void {
		context.leaders.add(pc);
		this.#work.push({ context, pc, from });
	}

	/** Follow straight code from `pc`, in function `from`, to where it ends. */
	#discover(context: Context, start: number, from: number): void {
		const { instructions, leaders } = context;
		for (let pc = start; ; ) {
			if (instructions.has(pc)) {
				leaders.add(pc);
				return;
			}
			if (this.#total >= REGION_MAX) return;
			const instruction = this.#source.at(pc);
			if (instruction === null) return;
			instructions.set(pc, instruction);
			if (context.caller === null) this.#functions.set(pc, from);
			this.#total++;
			const { op, rd, imm, length } = instruction;
			const behind = (pc + length) | 0;
			if (isBranch(op)) {
				this.#add(context, behind, from);
				this.#add(context, (pc + imm) | 0, from);
				return;
			}
			if (op === OP.JAL) {
				if (rd === 0) this.#add(context, (pc + imm) | 0, from);
				else this.#call(context, instruction, from);
				return;
			}
			if (op === OP.JALR) {
				if (isReturn(instruction)) return;
				for (const target of this.#source.targets(pc)) {
					if (rd === 0) this.#add(context, target, from);
					else this.#callFunction(context, target, behind, from);
				}
				return;
			}
			if (!this.#source.compiles(instruction)) {
				// Control comes back behind it.
				if (context.caller === null) {
					this.#returns.add(behind);
					this.#add(context, behind, from);
				}
				return;
			}
			pc = behind;
			if (leaders.has(pc) || pc >>> PAGE_SHIFT !== start >>> PAGE_SHIFT) {
				this.#add(context, pc, from);
				return;
			}
		}
	}

	#call(context: Context, { pc, imm, length, rd }: Instruction, from: number): void {
		const target = (pc + imm) | 0;
		const behind = (pc + length) | 0;
		if (context.caller === null && isLink(rd) && this.#isLeaf(target)) {
			const copy = new Context(context, behind);
			context.copies.set(pc, copy);
			this.#add(copy, target, target);
			this.#add(context, behind, from);
			return;
		}
		this.#callFunction(context, target, behind, from);
	}

	#callFunction(context: Context, target: number, behind: number, from: number): void {
		if (context.caller !== null) return;
		const sites = this.#sites.get(target);
		if (sites === undefined) this.#sites.set(target, [behind]);
		else if (!sites.includes(behind)) sites.push(behind);
		this.#returns.add(behind);
		this.#add(context, behind, from);
		this.#add(context, target, target);
	}

	/** Is the function at `target` small, without loops, calls and jumps elsewhere? */
	#isLeaf(target: number): boolean {
		const seen = new Set<number>();
		const work = [target];
		let returns = false;
		for (let next = work.pop(); next !== undefined; next = work.pop()) {
			for (let pc = next; !seen.has(pc); ) {
				const instruction = this.#source.at(pc);
				if (instruction === null) break;
				seen.add(pc);
				if (seen.size > LEAF_MAX) return false;
				const { op, rd, imm, length } = instruction;
				if (isReturn(instruction)) {
					returns = true;
					break;
				}
				if (op === OP.JALR || (op === OP.JAL && rd !== 0)) return false;
				if (isBranch(op) || op === OP.JAL) {
					if (imm <= 0) return false;
					work.push((pc + imm) | 0);
					if (op === OP.JAL) break;
				} else if (!this.#source.compiles(instruction)) return false;
				pc = (pc + length) | 0;
			}
		}
		return returns;
	}

	#fill(context: Context, block: Block, get: (context: Context, pc: number) => Block): void {
		const { instructions, leaders } = context;
		let pc = block.pc;
		if (!instructions.has(pc)) {
			block.end = END_LEAVE;
			block.target = pc;
			return;
		}
		for (;;) {
			const instruction = instructions.get(pc);
			if (instruction === undefined || (pc !== block.pc && leaders.has(pc))) {
				block.end = END_GOTO;
				block.successors.push(get(context, pc));
				return;
			}
			const { op, imm, length } = instruction;
			const behind = (pc + length) | 0;
			const isJump = op === OP.JAL || op === OP.JALR || isBranch(op);
			if (!isJump && !this.#source.compiles(instruction)) {
				block.end = END_INTERPRET;
				block.target = pc;
				return;
			}
			block.instructions.push(instruction);
			if (isBranch(op)) {
				const taken = get(context, (pc + imm) | 0);
				const other = get(context, behind);
				block.end = taken === other ? END_GOTO : END_BRANCH;
				block.successors.push(taken);
				if (taken !== other) block.successors.push(other);
				return;
			}
			if (op === OP.JAL) {
				const target = (pc + imm) | 0;
				const copy = context.copies.get(pc);
				if (copy !== undefined) block.successors.push(get(copy, target));
				else if (context.instructions.has(target)) block.successors.push(get(context, target));
				else {
					block.end = END_LEAVE;
					block.target = target;
				}
				return;
			}
			if (op === OP.JALR) {
				block.end = END_JUMP;
				this.#jump(context, block, instruction, get);
				return;
			}
			pc = behind;
		}
	}

	#jump(
		context: Context,
		block: Block,
		instruction: Instruction,
		get: (context: Context, pc: number) => Block,
	): void {
		const { pc } = instruction;
		if (isReturn(instruction)) {
			if (context.caller !== null) {
				block.successors.push(get(context.caller, context.returnsTo));
				return;
			}
			const sites = this.#sites.get(this.#functions.get(pc) ?? -1) ?? [];
			for (const site of sites.slice(0, TARGETS_MAX)) {
				if (context.instructions.has(site)) block.successors.push(get(context, site));
			}
			return;
		}
		for (const target of this.#source.targets(pc)) {
			if (context.instructions.has(target)) block.successors.push(get(context, target));
		}
	}
}

/** The block with the lowest address on the way from `root` back to itself. */
function outermostHead(root: Block): Block {
	const predecessors = new Map<Block, Block[]>();
	const reached = [root];
	const seen = new Set(reached);
	for (let i = 0; i < reached.length; i++) {
		for (const successor of reached[i]!.successors) {
			const list = predecessors.get(successor);
			if (list === undefined) predecessors.set(successor, [reached[i]!]);
			else list.push(reached[i]!);
			if (seen.has(successor)) continue;
			seen.add(successor);
			reached.push(successor);
		}
	}
	let head = root;
	const back = [root];
	const inside = new Set(back);
	for (let i = 0; i < back.length; i++) {
		if (!back[i]!.isCopy && back[i]!.pc >>> 0 < head.pc >>> 0) head = back[i]!;
		for (const block of predecessors.get(back[i]!) ?? []) {
			if (inside.has(block)) continue;
			inside.add(block);
			back.push(block);
		}
	}
	return head;
}

/** What is compiled around `pc`, and the block there; null: there is nothing to compile. */
function builtAround(pc: number, source: CodeSource): readonly [Built, Block] | null {
	// All of the function, or its parts are compiled one by one, the same loops in each of them.
	const entry = source.functionOf(pc);
	if (entry !== null) {
		const whole = new Builder(source).build(entry);
		const place = whole.isWhole ? whole.blockAt(pc) : null;
		if (place !== null) return [whole, place];
	}
	const built = new Builder(source).build(pc);
	if (built.root.instructions.length === 0) return null;
	const head = outermostHead(built.root);
	if (head !== built.root) {
		const whole = new Builder(source).build(head.pc);
		const place = whole.blockAt(pc);
		// It may be too far from the head.
		if (place !== null) return [whole, place];
	}
	return [built, built.root];
}

/** The region around the instruction at `pc`, which is an entry. => null: nothing to compile */
export function regionAt(pc: number, source: CodeSource): Region | null {
	const found = builtAround(pc, source);
	if (found === null) return null;
	const [{ root, entries }, wanted] = found;
	const compiled = entries.filter((block) => block.instructions.length > 0);
	return shape(root, [wanted, ...compiled], source);
}
