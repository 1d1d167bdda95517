/**
 * From a region to the body of a WebAssembly function. Guest registers are locals: loaded where
 * control enters, stored where it leaves. An access to memory is one look at the tables of the
 * mirror; what they do not allow is left to the interpreter, from the same instruction on, so that
 * nothing is ever half executed.
 *
 * The function takes the number of an entry and its pc. It returns the pc at which control goes on;
 * bit 0 says that the instruction there is for the interpreter.
 *
 * Control flow follows the tree of dominators; Ramsey: Beyond Relooper (ICFP 2022).
 */
import type { Effect, Expression } from "../effects.ts";
import {
	CODE_MAP,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_JUMP,
	H_LEFT,
	H_RESERVATION,
	H_TABLES,
	RAM_OFFSET,
	RT,
	WT,
	XT,
} from "../memory.ts";
import { OP } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import {
	type Block,
	END_BRANCH,
	END_DISPATCH,
	END_GOTO,
	END_INTERPRET,
	END_JUMP,
	END_LEAVE,
	type Instruction,
	isReturn,
	type Region,
} from "./block.ts";
import * as wasm from "./encoder.ts";
import { GROUPS_MAX, type Group, groupsOf } from "./groups.ts";

export interface Translation {
	/** Host offset of the page that holds virtual address `pc`. */
	host(pc: number): number;
	readonly effects: readonly (Effect | undefined)[];
	readonly atomics: readonly (Expression | undefined)[];
}

const ENTRY = 0;
const PC = 1;
const LEFT = 2;
const VA = 3;
const HOST = 4;
/** Host offset of the running context's tables. */
const TABLES = 5;
const FIRST_REGISTER = 6;
/** Addresses that a jump is compared with one by one, and halfwords that a table spans. */
const COMPARED_MAX = 3;
const TABLE_MAX = 2048;
/** Of the byte offsets that an entry of a table has. */
const SLOT_MASK = 0x3f_fffc;

const BINARY: Readonly<Record<string, number>> = {
	"+": wasm.I32_ADD,
	"-": wasm.I32_SUB,
	"*": wasm.I32_MUL,
	"&": wasm.I32_AND,
	"|": wasm.I32_OR,
	"^": wasm.I32_XOR,
	"<<": wasm.I32_SHL,
	">>": wasm.I32_SHR_S,
	">>>": wasm.I32_SHR_U,
	"<": wasm.I32_LT_S,
	"<u": wasm.I32_LT_U,
	">": wasm.I32_GT_S,
	">u": wasm.I32_GT_U,
	">=": wasm.I32_GE_S,
	">=u": wasm.I32_GE_U,
	"==": wasm.I32_EQ,
	"!=": wasm.I32_NE,
	rol: wasm.I32_ROTL,
	ror: wasm.I32_ROTR,
};
const UNARY: Readonly<Record<string, number>> = {
	clz: wasm.I32_CLZ,
	ctz: wasm.I32_CTZ,
	cpop: wasm.I32_POPCNT,
};
/** How both factors of a long multiplication are extended. */
const LONG: Readonly<Record<string, readonly [number, number]>> = {
	mulh: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_S],
	mulhsu: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_U],
	mulhu: [wasm.I64_EXTEND_I32_U, wasm.I64_EXTEND_I32_U],
};

export class Emitter {
	readonly #out: wasm.Bytes;
	readonly #region: Region;
	readonly #translation: Translation;
	/** The local of each register; 0: the region does not use it. */
	readonly #locals = new Int32Array(32);
	readonly #written: number[] = [];
	#localCount = FIRST_REGISTER;
	/** The first of the locals that hold where groups of accesses are. */
	#groupLocals = 0;
	/** Accesses that need no look at the tables: local and distance. */
	readonly #known = new Map<Instruction, { local: number; offset: number }>();
	/** Labels that are open. */
	#depth = 0;
	/** The depth at which the label of a loop, or of what follows a block, was opened. */
	readonly #loopLabels = new Map<Block, number>();
	readonly #mergeLabels = new Map<Block, number>();
	/** Are there entries that an inner dispatching block knows? */
	readonly #hasInner: boolean;

	constructor(region: Region, translation: Translation, out: wasm.Bytes) {
		this.#region = region;
		this.#translation = translation;
		this.#out = out;
		this.#hasInner = region.blocks.some((b) => b.end === END_DISPATCH && b !== region.start);
	}

	/** Write the body with its locals. */
	emit(): void {
		const out = this.#out;
		this.#findRegisters();
		out.unsigned(1);
		out.unsigned(this.#localCount - 2);
		out.byte(wasm.I32);
		for (let register = 1; register < 32; register++) {
			if (this.#locals[register] === 0) continue;
			this.#constant(0);
			this.#memory(wasm.I32_LOAD, 2, register * 4);
			this.#set(this.#locals[register]!);
		}
		this.#constant(0);
		this.#memory(wasm.I32_LOAD, 2, H_LEFT * 4);
		this.#set(LEFT);
		this.#constant(0);
		this.#memory(wasm.I32_LOAD, 2, H_TABLES * 4);
		this.#constant(2);
		out.byte(wasm.I32_SHL);
		this.#set(TABLES);
		this.#open(wasm.BLOCK);
		this.#tree(this.#region.start);
		this.#close();
		for (const register of this.#written) {
			this.#constant(0);
			this.#get(this.#locals[register]!);
			this.#memory(wasm.I32_STORE, 2, register * 4);
		}
		this.#constant(0);
		this.#get(LEFT);
		this.#memory(wasm.I32_STORE, 2, H_LEFT * 4);
		this.#get(PC);
		out.byte(wasm.END);
	}

	#findRegisters(): void {
		const written = new Set<number>();
		const used = (register: number): void => {
			if (register !== 0 && this.#locals[register] === 0) {
				this.#locals[register] = this.#localCount++;
			}
		};
		for (const { instructions } of this.#region.blocks) {
			for (const { rs1, rs2, rd } of instructions) {
				used(rs1);
				used(rs2);
				used(rd);
				if (rd !== 0) written.add(rd);
			}
		}
		this.#written.push(...written);
		this.#groupLocals = this.#localCount;
		this.#localCount += GROUPS_MAX;
	}

	/** Emit a block, and those that it dominates. */
	#tree(block: Block): void {
		const merges = block.children.filter((child) => child.isMerge);
		merges.sort((a, b) => b.order - a.order);
		if (block.isHeader) {
			this.#open(wasm.LOOP);
			this.#loopLabels.set(block, this.#depth);
			this.#within(block, merges, 0);
			this.#close();
			this.#out.byte(wasm.UNREACHABLE);
		} else this.#within(block, merges, 0);
	}

	/** Emit a block inside the labels of those blocks of `merges` from index `i` on. */
	#within(block: Block, merges: readonly Block[], i: number): void {
		if (i < merges.length) {
			const merge = merges[i]!;
			this.#open(wasm.BLOCK);
			this.#mergeLabels.set(merge, this.#depth);
			this.#within(block, merges, i + 1);
			this.#close();
			this.#tree(merge);
			return;
		}
		this.#body(block);
		this.#end(block);
	}

	#body(block: Block): void {
		const { start } = this.#region;
		if (block === start) {
			if (start.need > 0) this.#check(start.need, () => this.#setPcFlag());
			return;
		}
		if (block.entry !== 0 && this.#hasInner) {
			this.#constant(0);
			this.#set(ENTRY);
		}
		if (block.checks && block.need > 0) {
			this.#check(block.need, () => {
				this.#constant(block.pc | 1);
				this.#set(PC);
			});
		}
		const { instructions } = block;
		if (instructions.length > 0) this.#spend(-instructions.length);
		const groups = groupsOf(instructions, this.#translation.effects);
		if (groups.length === 0) {
			this.#straight(instructions);
			return;
		}
		for (let i = 0; i < groups.length; i++) {
			this.#lookUp(groups[i]!, this.#groupLocals + i);
			if (i > 0) this.#out.byte(wasm.I32_OR);
		}
		this.#open(wasm.IF);
		this.#straight(instructions);
		this.#out.byte(wasm.ELSE);
		for (let i = 0; i < groups.length; i++) {
			const { low, members } = groups[i]!;
			for (const { instruction, offset } of members) {
				this.#known.set(instruction, { local: this.#groupLocals + i, offset: offset - low });
			}
		}
		this.#straight(instructions);
		this.#known.clear();
		this.#close();
	}

	#straight(instructions: readonly Instruction[]): void {
		for (let i = 0; i < instructions.length; i++) {
			this.#instruction(instructions[i]!, instructions.length - i);
		}
	}

	/**
	 * Set `local` to the host offset of a group's lowest byte. Leaves 0 on the stack if the mirror's
	 * table allows all of its accesses, and they lie in one page.
	 */
	#lookUp({ register, low, high, bytes, aligned, stores }: Group, local: number): void {
		const out = this.#out;
		this.#register(register);
		if (low !== 0) {
			this.#constant(low);
			out.byte(wasm.I32_ADD);
		}
		this.#tee(VA);
		this.#constant(PAGE_SHIFT - 2);
		out.byte(wasm.I32_SHR_U);
		this.#constant(SLOT_MASK);
		out.byte(wasm.I32_AND);
		this.#get(TABLES);
		out.byte(wasm.I32_ADD);
		this.#memory(wasm.I32_LOAD, 2, 4 * (stores ? WT : RT));
		this.#tee(HOST);
		if (bytes === 1) out.byte(wasm.I32_EQZ);
		else {
			out.byte(wasm.DROP);
			this.#get(VA);
			if (aligned !== low) {
				this.#constant(aligned - low);
				out.byte(wasm.I32_ADD);
			}
			this.#constant(bytes === 2 ? 31 : 30);
			out.byte(wasm.I32_SHL);
			this.#get(HOST);
			out.byte(wasm.I32_GE_U);
		}
		this.#get(VA);
		this.#constant(PAGE_MASK);
		out.byte(wasm.I32_AND);
		this.#tee(VA);
		this.#constant(PAGE_MASK + 1 - (high - low));
		out.byte(wasm.I32_GT_U);
		out.byte(wasm.I32_OR);
		this.#get(HOST);
		this.#get(VA);
		out.byte(wasm.I32_ADD);
		this.#set(local);
	}

	/** Leave the region unless `need` cycles are left. */
	#check(need: number, setPc: () => void): void {
		this.#get(LEFT);
		this.#constant(need);
		this.#out.byte(wasm.I32_LT_S);
		this.#open(wasm.IF);
		setPc();
		this.#branchTo(1);
		this.#close();
	}

	#setPcFlag(): void {
		this.#get(PC);
		this.#constant(1);
		this.#out.byte(wasm.I32_OR);
		this.#set(PC);
	}

	#spend(cycles: number): void {
		this.#get(LEFT);
		this.#constant(cycles);
		this.#out.byte(wasm.I32_ADD);
		this.#set(LEFT);
	}

	/** Leave the region for `pc`. */
	#leave(pc: number): void {
		this.#constant(pc);
		this.#set(PC);
		this.#branchTo(1);
	}

	#end(block: Block): void {
		const { instructions } = block;
		switch (block.end) {
			case END_GOTO:
				this.#edge(block, 0);
				break;
			case END_LEAVE:
				this.#leave(block.target);
				break;
			case END_INTERPRET:
				this.#leave(block.target | 1);
				break;
			case END_BRANCH: {
				const branch = instructions.at(-1)!;
				const effect = this.#translation.effects[branch.op] as Effect & { kind: "branch" };
				this.#expression(effect.condition, branch);
				this.#open(wasm.IF);
				this.#edge(block, 0);
				this.#out.byte(wasm.ELSE);
				this.#edge(block, 1);
				this.#close();
				this.#out.byte(wasm.UNREACHABLE);
				break;
			}
			case END_JUMP:
				this.#jump(block);
				break;
			case END_DISPATCH:
				this.#dispatch(block);
		}
	}

	/** Control goes to the successor at PC, or leaves the region. */
	#jump(block: Block): void {
		const { successors } = block;
		const addresses = successors.map((successor) => successor.pc >>> 0);
		const lowest = Math.min(...addresses);
		const span = (Math.max(...addresses) - lowest) / 2 + 1;
		if (successors.length > COMPARED_MAX && span <= TABLE_MAX) {
			const table = new Array<number>(span).fill(-1);
			for (let i = 0; i < addresses.length; i++) table[(addresses[i]! - lowest) / 2] = i;
			this.#switch(block, 0, table, () => {
				this.#get(PC);
				this.#constant(lowest);
				this.#out.byte(wasm.I32_SUB);
				this.#constant(1);
				this.#out.byte(wasm.I32_ROTR);
			});
		} else {
			for (let i = 0; i < successors.length; i++) {
				this.#get(PC);
				this.#constant(successors[i]!.pc);
				this.#out.byte(wasm.I32_EQ);
				this.#open(wasm.IF);
				this.#edge(block, i);
				this.#close();
			}
		}
		const jump = block.instructions.at(-1)!;
		if (!isReturn(jump)) this.#store(H_JUMP, jump.pc);
		this.#branchTo(1);
	}

	/**
	 * Control goes to the successor that `table` has for an index, or on behind this code for -1.
	 * Successors before `first` are not among them.
	 */
	#switch(block: Block, first: number, table: readonly number[], index: () => void): void {
		const length = block.successors.length - first;
		for (let i = 0; i <= length; i++) this.#open(wasm.BLOCK);
		index();
		this.#out.byte(wasm.BR_TABLE);
		this.#out.unsigned(table.length);
		for (const i of table) this.#out.unsigned(i < 0 ? length : i - first);
		this.#out.unsigned(length);
		for (let i = 0; i < length; i++) {
			this.#close();
			this.#edge(block, first + i);
		}
		this.#close();
	}

	#dispatch(block: Block): void {
		const { routes, successors } = block;
		if (successors.length > 1) {
			const table: number[] = [];
			for (const [entry, to] of routes) {
				while (table.length <= entry) table.push(-1);
				if (to !== successors[0]) table[entry] = successors.indexOf(to);
			}
			this.#switch(block, 1, table, () => this.#get(ENTRY));
		}
		this.#edge(block, 0);
	}

	/** Control goes to a successor of `block`. */
	#edge(block: Block, i: number): void {
		const to = block.successors[i]!;
		if (block.end !== END_DISPATCH) this.#cross(block, to);
		if (block.redirected[i] === true) {
			this.#constant(to.entry);
			this.#set(ENTRY);
			this.#constant(to.pc);
			this.#set(PC);
			this.#branchTo(this.#loopLabels.get(this.#region.start)!);
		} else if (to.order <= block.order) this.#branchTo(this.#loopLabels.get(to)!);
		else if (to.isMerge) this.#branchTo(this.#mergeLabels.get(to)!);
		else this.#tree(to);
	}

	/** Where control comes to another page, the page must still be the one that was compiled. */
	#cross(from: Block, to: Block): void {
		const last = from.instructions.at(-1)?.pc ?? from.pc;
		const page = to.pc >>> PAGE_SHIFT;
		if (page === last >>> PAGE_SHIFT) return;
		// Perhaps without a cycle left: the page is looked up by the hart.
		if (to.end === END_LEAVE || (to.end === END_INTERPRET && to.instructions.length === 0)) return;
		const host = this.#translation.host(to.pc);
		this.#get(TABLES);
		this.#memory(wasm.I32_LOAD, 2, 4 * (XT + page));
		this.#constant(host);
		this.#out.byte(wasm.I32_NE);
		this.#constant(0);
		this.#memory(wasm.I32_LOAD, 2, 4 * (CODE_MAP + ((host - RAM_OFFSET) >>> PAGE_SHIFT)));
		this.#out.byte(wasm.I32_EQZ);
		this.#out.byte(wasm.I32_OR);
		this.#open(wasm.IF);
		this.#leave(to.pc);
		this.#close();
		this.#store(H_FETCH_PAGE, page << PAGE_SHIFT);
		this.#store(H_FETCH_HOST, host);
	}

	/** Store a constant in a word of the hart block. */
	#store(word: number, value: number): void {
		this.#constant(0);
		this.#constant(value);
		this.#memory(wasm.I32_STORE, 2, word * 4);
	}

	/** `left`: how many instructions of the block remain, with this one. */
	#instruction(instruction: Instruction, left: number): void {
		const { op, rd, pc, length } = instruction;
		if (op === OP.LR || op === OP.SC || op === OP.AMO) {
			this.#atomic(instruction, left);
			return;
		}
		const effect = this.#translation.effects[op]!;
		switch (effect.kind) {
			case "value":
				if (rd === 0) return;
				this.#expression(effect.value, instruction);
				this.#set(this.#locals[rd]!);
				return;
			case "load": {
				const { bytes, signed } = effect;
				const offset = this.#access(instruction, RT, bytes, left);
				const byte = signed ? wasm.I32_LOAD8_S : wasm.I32_LOAD8_U;
				const half = signed ? wasm.I32_LOAD16_S : wasm.I32_LOAD16_U;
				const code = bytes === 1 ? byte : bytes === 2 ? half : wasm.I32_LOAD;
				this.#memory(code, bytes >> 1, offset);
				if (rd === 0) this.#out.byte(wasm.DROP);
				else this.#set(this.#locals[rd]!);
				return;
			}
			case "store": {
				const { bytes } = effect;
				const offset = this.#access(instruction, WT, bytes, left);
				this.#register(instruction.rs2);
				const code =
					bytes === 1 ? wasm.I32_STORE8 : bytes === 2 ? wasm.I32_STORE16 : wasm.I32_STORE;
				this.#memory(code, bytes >> 1, offset);
				return;
			}
			case "jump":
				if (op === OP.JALR) {
					this.#expression(effect.target, instruction);
					this.#set(PC);
				}
				if (rd === 0) return;
				this.#constant(pc + length);
				this.#set(this.#locals[rd]!);
				return;
			default:
		}
	}

	/**
	 * Leave the host offset of an access on the stack, or the region if the mirror's table does not
	 * allow it. => what is to be added to the offset
	 */
	#access(instruction: Instruction, table: number, bytes: 1 | 2 | 4, left: number): number {
		const { rs1, imm, pc } = instruction;
		const out = this.#out;
		const known = this.#known.get(instruction);
		if (known !== undefined) {
			this.#get(known.local);
			return known.offset;
		}
		this.#register(rs1);
		if (imm !== 0) {
			this.#constant(imm);
			out.byte(wasm.I32_ADD);
		}
		this.#tee(VA);
		this.#constant(PAGE_SHIFT - 2);
		out.byte(wasm.I32_SHR_U);
		this.#constant(SLOT_MASK);
		out.byte(wasm.I32_AND);
		this.#get(TABLES);
		out.byte(wasm.I32_ADD);
		this.#memory(wasm.I32_LOAD, 2, 4 * table);
		if (bytes === 1) {
			this.#tee(HOST);
			out.byte(wasm.I32_EQZ);
		} else {
			this.#set(HOST);
			this.#get(VA);
			this.#constant(bytes === 2 ? 31 : 30);
			out.byte(wasm.I32_SHL);
			this.#get(HOST);
			out.byte(wasm.I32_GE_U);
		}
		this.#open(wasm.IF);
		this.#spend(left);
		this.#leave(pc | 1);
		this.#close();
		this.#get(VA);
		this.#constant(PAGE_MASK);
		out.byte(wasm.I32_AND);
		this.#get(HOST);
		out.byte(wasm.I32_ADD);
		return 0;
	}

	/** Unprivileged specification 8.2 to 8.4. */
	#atomic(instruction: Instruction, left: number): void {
		const { op, rd, rs2 } = instruction;
		const out = this.#out;
		const target = this.#locals[rd]!;
		this.#access({ ...instruction, imm: 0 }, op === OP.LR ? RT : WT, 4, left);
		this.#set(HOST);
		if (op === OP.LR) {
			this.#constant(0);
			this.#get(HOST);
			this.#memory(wasm.I32_STORE, 2, H_RESERVATION * 4);
			if (rd === 0) return;
			this.#get(HOST);
			this.#memory(wasm.I32_LOAD, 2, 0);
			this.#set(target);
			return;
		}
		if (op === OP.SC) {
			this.#constant(0);
			this.#memory(wasm.I32_LOAD, 2, H_RESERVATION * 4);
			this.#get(HOST);
			out.byte(wasm.I32_NE);
			this.#tee(VA);
			out.byte(wasm.I32_EQZ);
			this.#open(wasm.IF);
			this.#get(HOST);
			this.#register(rs2);
			this.#memory(wasm.I32_STORE, 2, 0);
			this.#close();
			this.#store(H_RESERVATION, -1);
			if (rd === 0) return;
			this.#get(VA);
			this.#set(target);
			return;
		}
		this.#get(HOST);
		this.#memory(wasm.I32_LOAD, 2, 0);
		this.#set(VA);
		this.#get(HOST);
		this.#expression(this.#translation.atomics[instruction.imm]!, instruction);
		this.#memory(wasm.I32_STORE, 2, 0);
		if (rd === 0) return;
		this.#get(VA);
		this.#set(target);
	}

	#expression(expression: Expression, instruction: Instruction): void {
		const out = this.#out;
		if (typeof expression === "number") {
			this.#constant(expression);
			return;
		}
		if (typeof expression === "string") {
			this.#operand(expression, instruction);
			return;
		}
		const [operator, a, b, c] = expression as [string, Expression, Expression, Expression];
		const binary = BINARY[operator];
		if (binary !== undefined) {
			this.#expression(a, instruction);
			this.#expression(b, instruction);
			out.byte(binary);
			return;
		}
		const unary = UNARY[operator];
		if (unary !== undefined) {
			this.#expression(a, instruction);
			out.byte(unary);
			return;
		}
		const long = LONG[operator];
		if (long !== undefined) {
			this.#expression(a, instruction);
			out.byte(long[0]);
			this.#expression(b, instruction);
			out.byte(long[1]);
			out.byte(wasm.I64_MUL);
			out.byte(wasm.I64_CONST);
			out.signed(32);
			out.byte(wasm.I64_SHR_S);
			out.byte(wasm.I32_WRAP_I64);
			return;
		}
		if (operator === "?") {
			this.#expression(b, instruction);
			this.#expression(c, instruction);
			this.#expression(a, instruction);
			out.byte(wasm.SELECT);
			return;
		}
		this.#division(operator, instruction);
	}

	/** Division never traps; unprivileged specification, table 7.1. */
	#division(operator: string, { rs1, rs2 }: Instruction): void {
		const out = this.#out;
		const isSigned = operator === "div" || operator === "rem";
		const isQuotient = operator === "div" || operator === "divu";
		this.#register(rs2);
		out.byte(wasm.I32_EQZ);
		this.#openValue();
		if (isQuotient) this.#constant(-1);
		else this.#register(rs1);
		out.byte(wasm.ELSE);
		if (operator === "div") {
			this.#register(rs2);
			this.#constant(-1);
			out.byte(wasm.I32_EQ);
			this.#openValue();
			this.#constant(0);
			this.#register(rs1);
			out.byte(wasm.I32_SUB);
			out.byte(wasm.ELSE);
		}
		this.#register(rs1);
		this.#register(rs2);
		if (isQuotient) out.byte(isSigned ? wasm.I32_DIV_S : wasm.I32_DIV_U);
		else out.byte(isSigned ? wasm.I32_REM_S : wasm.I32_REM_U);
		if (operator === "div") this.#close();
		this.#close();
	}

	#operand(name: string, { rs1, rs2, imm, pc }: Instruction): void {
		if (name === "rs1") this.#register(rs1);
		else if (name === "rs2") this.#register(rs2);
		else if (name === "imm") this.#constant(imm);
		else if (name === "pc") this.#constant(pc);
		else this.#get(VA); // old
	}

	#register(register: number): void {
		if (register === 0) this.#constant(0);
		else this.#get(this.#locals[register]!);
	}

	#get(local: number): void {
		this.#out.byte(wasm.LOCAL_GET);
		this.#out.unsigned(local);
	}

	#set(local: number): void {
		this.#out.byte(wasm.LOCAL_SET);
		this.#out.unsigned(local);
	}

	#tee(local: number): void {
		this.#out.byte(wasm.LOCAL_TEE);
		this.#out.unsigned(local);
	}

	#constant(value: number): void {
		this.#out.byte(wasm.I32_CONST);
		this.#out.signed(value);
	}

	#memory(code: number, align: number, offset: number): void {
		this.#out.byte(code);
		this.#out.unsigned(align);
		this.#out.unsigned(offset);
	}

	#open(code: number): void {
		this.#out.byte(code);
		this.#out.byte(wasm.NO_VALUE);
		this.#depth++;
	}

	#openValue(): void {
		this.#out.byte(wasm.IF);
		this.#out.byte(wasm.I32);
		this.#depth++;
	}

	#close(): void {
		this.#out.byte(wasm.END);
		this.#depth--;
	}

	#branchTo(depth: number): void {
		this.#out.byte(wasm.BR);
		this.#label(depth);
	}

	#label(depth: number): void {
		this.#out.unsigned(this.#depth - depth);
	}
}
