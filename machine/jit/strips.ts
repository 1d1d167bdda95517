/**
 * Strips of loops: iterations whose accesses are known to stay in pages that the mirror's tables
 * allow, so that they are looked up once for all of them.
 *
 * An innermost loop gets a copy without these look-ups. Before it comes a block that looks up the
 * pages of the registers which addresses are counted from, and finds how many iterations do not
 * leave them. If there is none, the loop as it was makes one, with all its look-ups.
 */
import { OP } from "../op.ts";
import {
	type Accesses,
	Block,
	dominates,
	END_AGAIN,
	END_STRIP,
	type Instruction,
} from "./block.ts";
import { writtenInteger } from "./operands.ts";

/** Bytes between accesses that are counted from one register. */
const SPAN_MAX = 1024;
/** What a register may grow in an iteration. */
export const STRIDE_MAX = 512;
/** Instructions of a loop, and registers of a strip. */
const LENGTH_MAX = 80;
export const BASES_MAX = 6;

/** A register that changes by the same in each iteration, at most once, and its accesses. */
export interface Base {
	readonly register: number;
	/** What an iteration adds to it: a constant, or the value of a register if that is not x0. */
	readonly stride: number;
	readonly strideRegister: number;
	/** From the register's value at the loop's head: the first byte of an iteration, and the end. */
	readonly low: number;
	readonly high: number;
	/** Of the largest access, and where one of them is. */
	readonly bytes: number;
	readonly aligned: number;
	readonly stores: boolean;
	/** Lowest constant that an access adds to the register. */
	readonly least: number;
	readonly accesses: ReadonlySet<Instruction>;
}

export interface Strip {
	readonly bases: readonly Base[];
	/** Instructions of the shortest way through the loop. */
	readonly shortest: number;
	/** The head of the copy. */
	readonly head: Block;
}

/** A place in the loop. */
interface Place {
	readonly block: Block;
	readonly index: number;
}

class Loop {
	readonly head: Block;
	/** In reverse postorder. */
	readonly body: readonly Block[];
	readonly latches: readonly Block[];
	/** For each register where it is written. */
	readonly #writes = new Map<number, Place[]>();

	constructor(head: Block, blocks: readonly Block[]) {
		this.head = head;
		this.body = blocks.filter((block) => block.loops.includes(head));
		this.latches = head.predecessors.filter((block) => block.order >= head.order);
		for (const block of this.body) {
			block.instructions.forEach((instruction, index) => {
				const rd = writtenInteger(instruction);
				const places = this.#writes.get(rd);
				if (places === undefined) this.#writes.set(rd, [{ block, index }]);
				else places.push({ block, index });
			});
		}
	}

	/** Can it be copied? `wanted` are blocks at which control may enter. */
	isSimple(wanted: ReadonlySet<Block>): boolean {
		let length = 0;
		for (const block of this.body) {
			length += block.instructions.length;
			if (block !== this.head && (block.isHeader || wanted.has(block))) return false;
			if (block.redirected.includes(true)) return false;
		}
		return length <= LENGTH_MAX;
	}

	/** Is the block part of every iteration that ends at the head again? */
	isAlways(block: Block): boolean {
		return this.latches.every((latch) => dominates(block, latch));
	}

	/** Instructions of the shortest way from the head back to it. */
	shortest(): number {
		const ways = new Map<Block, number>([[this.head, this.head.instructions.length]]);
		for (const block of this.body) {
			if (block === this.head) continue;
			const ahead = block.predecessors.map((from) => ways.get(from) ?? Infinity);
			ways.set(block, Math.min(...ahead) + block.instructions.length);
		}
		return Math.min(...this.latches.map((latch) => ways.get(latch)!));
	}

	isInvariant(register: number): boolean {
		return register === 0 || !this.#writes.has(register);
	}

	/** By what `register` changes in iterations, or null if that is not always the same. */
	change(register: number): { stride: number; strideRegister: number; at: Place | null } | null {
		const places = this.#writes.get(register);
		if (places === undefined) return { stride: 0, strideRegister: 0, at: null };
		const at = places[0]!;
		if (places.length > 1) return null;
		const { op, rs1, rs2, imm } = at.block.instructions[at.index]!;
		if (op === OP.ADDI && rs1 === register) return { stride: imm, strideRegister: 0, at };
		if (op !== OP.ADD) return null;
		const other = rs1 === register ? rs2 : rs2 === register ? rs1 : 0;
		if (other === 0 || !this.isInvariant(other)) return null;
		return { stride: 0, strideRegister: other, at };
	}
}

const isBefore = (a: Place, b: Place): boolean =>
	a.block === b.block ? a.index <= b.index : dominates(a.block, b.block);

/** What is accessed around `register`, or null if strips gain nothing from it. */
function baseOf(loop: Loop, register: number, { effects }: Accesses): Base | null {
	const change = loop.change(register);
	if (change === null || Math.abs(change.stride) > STRIDE_MAX) return null;
	const { stride, strideRegister, at } = change;
	const accesses = new Set<Instruction>();
	let [low, high, least] = [Infinity, -Infinity, Infinity];
	let [bytes, aligned] = [1, 0];
	let stores = false;
	let always = false;
	for (const block of loop.body) {
		for (let index = 0; index < block.instructions.length; index++) {
			const instruction = block.instructions[index]!;
			const effect = effects[instruction.op];
			if (instruction.rs1 !== register) continue;
			if (effect === undefined || !("bytes" in effect)) continue;
			const { imm } = instruction;
			// The register may have changed in this iteration.
			const first = at === null || isBefore({ block, index }, at);
			if (!first && strideRegister !== 0) return null;
			const changed = first ? 0 : stride;
			if (stride % effect.bytes !== 0) return null;
			accesses.add(instruction);
			low = Math.min(low, imm, imm + changed);
			high = Math.max(high, imm, imm + changed, imm + effect.bytes, imm + changed + effect.bytes);
			least = Math.min(least, imm);
			stores ||= effect.kind === "store" || effect.kind === "floatStore";
			always ||= loop.isAlways(block);
			if (effect.bytes > bytes) [bytes, aligned] = [effect.bytes, imm];
		}
	}
	if (!always || high - low > SPAN_MAX) return null;
	for (const { op, imm } of accesses) {
		const effect = effects[op] as { bytes: number };
		if ((imm - aligned) % effect.bytes !== 0) return null;
	}
	return { register, stride, strideRegister, low, high, bytes, aligned, stores, least, accesses };
}

/** Copy the loop, and put the choice between both before it. => that */
function divide(loop: Loop, bases: readonly Base[], blocks: readonly Block[]): Block {
	const { head, body } = loop;
	const choice = new Block(head.pc, head.isCopy);
	const again = new Block(head.pc, head.isCopy);
	const copies = new Map(body.map((block) => [block, new Block(block.pc, block.isCopy)]));
	const fast = copies.get(head)!;
	const strip: Strip = { bases, shortest: loop.shortest(), head: fast };
	for (const [block, copy] of copies) {
		copy.instructions.push(...block.instructions);
		copy.end = block.end;
		copy.target = block.target;
		copy.strip = strip;
		copy.successors = block.successors.map((to) => (to === head ? again : (copies.get(to) ?? to)));
	}
	for (const block of blocks) {
		block.successors = block.successors.map((to) => (to === head ? choice : to));
	}
	choice.end = END_STRIP;
	choice.successors = [fast, head];
	choice.strip = strip;
	again.end = END_AGAIN;
	again.successors = [fast, choice];
	again.strip = strip;
	return choice;
}

/**
 * Divide the innermost loops of `blocks`, whose loops are known.
 * => for each head of a loop that was divided the block that control comes to instead
 */
export function divideLoops(
	blocks: readonly Block[],
	wanted: ReadonlySet<Block>,
	accesses: Accesses,
): Map<Block, Block> {
	const choices = new Map<Block, Block>();
	for (const head of blocks) {
		if (!head.isHeader || head.instructions.length === 0) continue;
		const loop = new Loop(head, blocks);
		if (!loop.isSimple(wanted)) continue;
		const bases = basesOf(loop, accesses);
		if (bases.length > 0) choices.set(head, divide(loop, bases, blocks));
	}
	return choices;
}

/** => none if what is not in strips would often miss: then tables may change in the loop. */
function basesOf(loop: Loop, accesses: Accesses): Base[] {
	const registers = new Set<number>();
	const missing = new Set<number>();
	for (const { instructions } of loop.body) {
		for (const { op, rs1, pc } of instructions) {
			const effect = accesses.effects[op];
			if (effect === undefined || !("bytes" in effect)) continue;
			registers.add(rs1);
			if (accesses.misses(pc)) missing.add(rs1);
		}
	}
	registers.delete(0);
	const bases: Base[] = [];
	for (const register of registers) {
		const base = bases.length < BASES_MAX ? baseOf(loop, register, accesses) : null;
		if (base !== null) bases.push(base);
		else if (missing.has(register)) return [];
	}
	return bases;
}
