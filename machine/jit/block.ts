/** The control flow graph of a region: guest code that is compiled as one function. */

import type { Effect } from "../effects.ts";
import { OP } from "../op.ts";
import type { Strip } from "./strips.ts";

export interface Instruction {
	/** OP of the 32-bit form. */
	readonly op: number;
	readonly rd: number;
	readonly rs1: number;
	readonly rs2: number;
	readonly imm: number;
	/** Virtual address. */
	readonly pc: number;
	/** In bytes. */
	readonly length: number;
	/** Its upper half, which lies in the next page; -1: it does not. */
	readonly upper: number;
}

export const isLink = (register: number): boolean => register === 1 || register === 5;
export const isReturn = ({ op, rd, rs1, imm }: Instruction): boolean =>
	op === OP.JALR && rd === 0 && isLink(rs1) && imm === 0;

// How a block ends.
/** Control goes to the successor. */
export const END_GOTO = 0;
/** The last instruction is a branch; successors: taken, not taken. */
export const END_BRANCH = 1;
/** The last instruction is jalr; successors are the addresses that it may go to. */
export const END_JUMP = 2;
/** Control leaves the region for `target`. */
export const END_LEAVE = 3;
/** The instruction at `target` is for the interpreter. */
export const END_INTERPRET = 4;
/** No instructions: control goes to the successor that `entry` names, or to the first one. */
export const END_DISPATCH = 5;
/** No instructions: a strip of a loop begins, or one iteration of it that is not in a strip. */
export const END_STRIP = 6;
/** No instructions: the strip goes on, or another one is tried. */
export const END_AGAIN = 7;

export class Block {
	/** Virtual address of the first instruction; if it dispatches, of its first successor's. */
	readonly pc: number;
	readonly instructions: Instruction[] = [];
	end = END_GOTO;
	target = 0;
	successors: Block[] = [];
	/** For each successor: is it reached through the entry of the region? See graph.ts. */
	readonly redirected: boolean[] = [];
	/** Is it part of a function copied to its caller? */
	readonly isCopy: boolean;
	/** Number by which a dispatching block knows it; 0: it is no entry. */
	entry = 0;
	/** Of a dispatching block: for each entry the successor to take. */
	readonly routes = new Map<number, Block>();
	/** The strip that it begins, is part of or ends. */
	strip: Strip | null = null;

	// Set by the analysis of the graph.
	predecessors: Block[] = [];
	/** Position in reverse postorder; -1: not reached. */
	order = -1;
	dominator: Block | null = null;
	/** Blocks that this one dominates immediately. */
	children: Block[] = [];
	/** Is it the target of an edge that closes a loop? */
	isHeader = false;
	/** Do several forward edges lead here? */
	isMerge = false;
	/** The heads of the loops it is in, the outermost first; its own, if it is one. */
	loops: Block[] = [];
	/** Are the cycles left checked before its instructions? */
	checks = false;
	/** Cycles to the next check at most. */
	need = 0;

	constructor(pc: number, isCopy = false) {
		this.pc = pc;
		this.isCopy = isCopy;
	}
}

export function dominates(a: Block, b: Block): boolean {
	let x = b;
	while (x.order > a.order) x = x.dominator!;
	return x === a;
}

/** What is known of accesses to memory. */
export interface Accesses {
	/** By OP. */
	readonly effects: readonly (Effect | undefined)[];
	/** Does the access at `pc` often find nothing in the tables? */
	misses(pc: number): boolean;
}

export interface Region {
	/** A dispatching block: its successors are the entries of the function. */
	readonly start: Block;
	/** In reverse postorder. */
	readonly blocks: readonly Block[];
	/** Blocks at which control may enter, by number from 1. */
	readonly entries: readonly Block[];
	readonly instructions: number;
}
