/**
 * The instructions of a block. Guest registers are locals. An access to memory is one look at the
 * tables of the mirror; what they do not allow is left to the interpreter, from the same
 * instruction on, so that nothing is ever half executed.
 */
import type { Effect, Expression } from "../effects.ts";
import { H_RESERVATION, H_TABLES, H_WALKED, RT, WT, XT } from "../memory.ts";
import { OP } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import type { Accesses, Block, Instruction } from "./block.ts";
import { CsrCode } from "./csr.ts";
import * as wasm from "./encoder.ts";
import { writeExpression } from "./expression.ts";
import { FloatCode } from "./float.ts";
import { GROUPS_MAX, groupsOf, type Span } from "./groups.ts";
import { FIRST_REGISTER, HOST, LEFT, PC, TABLES, VA } from "./locals.ts";
import { integerOperands, writtenInteger } from "./operands.ts";
import { kindOf } from "./refill.ts";
import { writeIsInStrip, writeStrip } from "./strip-code.ts";
import { BASES_MAX, type Strip } from "./strips.ts";
import type { Writer } from "./writer.ts";

/** What instructions do. */
export interface Meaning extends Accesses {
	/** By funct5. */
	readonly atomics: readonly (Expression | undefined)[];
	/** What a walk of the page table costs. */
	readonly walkCycles: number;
	/** The value of rd of instructions of Zbc and Zbkb. */
	bits(instruction: Instruction): Expression;
}

/** The label behind everything: control leaves the region for PC. */
export const EXIT = 1;
/** Of the byte offsets that an entry of a table has. */
const SLOT_MASK = 0x3f_fffc;

type LoadEffect = Extract<Effect, { kind: "load" }>;

/** Where an access goes: a host offset and a distance from it. */
interface Known {
	readonly local: number;
	/** A register to be added; 0: none. */
	readonly register: number;
	readonly offset: number;
}

export class StraightCode {
	readonly #code: Writer;
	readonly #meaning: Meaning;
	/** The local of each register; 0: the region does not use it. */
	readonly #locals = new Int32Array(32);
	readonly #written = new Set<number>();
	/** The first of the locals that hold where groups of accesses are. */
	readonly #groups: number;
	readonly #float: FloatCode;
	readonly #csr: CsrCode;
	/** The last cycle of a strip, and behind it what is to be added to its registers. */
	readonly #limit: number;
	/** Accesses that need no look at the tables. */
	readonly #known = new Map<Instruction, Known>();
	/** Cycles from the end of the block to the next check at most. */
	#after = 0;
	/** Were accesses of the block often refused, or not in one page with those beside them? */
	#isFrequent = false;
	/** May entries of the tables be replaced? Not while some are known. */
	#refills = false;

	constructor(code: Writer, meaning: Meaning, blocks: readonly Block[]) {
		this.#code = code;
		this.#meaning = meaning;
		let next = FIRST_REGISTER;
		for (const { instructions } of blocks) {
			for (const instruction of instructions) {
				for (const register of integerOperands(instruction)) {
					if (register !== 0 && this.#locals[register] === 0) this.#locals[register] = next++;
				}
				const written = writtenInteger(instruction);
				if (written !== 0) this.#written.add(written);
			}
		}
		this.#groups = next;
		this.#limit = next + GROUPS_MAX;
		next = this.#limit + 1 + BASES_MAX;
		this.#float = new FloatCode(code, blocks, {
			get: (register) => this.#register(register),
			set: (register) => this.#set(register),
		});
		this.#csr = new CsrCode(code, this.#float, LEFT);
		code.locals(next - LEFT, this.#float.place(next));
	}

	/** Where control enters the function. */
	load(): void {
		const code = this.#code;
		this.#locals.forEach((local, register) => {
			if (local === 0) return;
			code.loadWord(register);
			code.set(local);
		});
		this.#float.load();
		code.loadLeft(LEFT);
		code.loadWord(H_TABLES);
		code.scale();
		code.set(TABLES);
	}

	/** Where it leaves. */
	store(): void {
		for (const register of this.#written) {
			this.#code.storeLocal(register, this.#locals[register]!);
		}
		this.#float.store();
	}

	/** Leave the region for `pc`, whose bit 0 may say that the interpreter is to go on there. */
	leave(pc: number): void {
		this.#code.constant(pc);
		this.#code.set(PC);
		this.#code.branchTo(EXIT);
	}

	/** The instructions of a block; a branch is left to who knows where it goes. */
	body({ instructions, strip, need }: Block): void {
		const code = this.#code;
		this.#after = need - instructions.length;
		this.#refills = strip === null;
		this.#isFrequent = instructions.length > 0 && this.#meaning.misses(instructions[0]!.pc);
		if (instructions.length > 0) code.spend(LEFT, -instructions.length);
		if (strip !== null) this.#knowStrip(strip);
		const groups = groupsOf(instructions, this.#meaning, this.#known);
		if (groups.length === 0) {
			this.#all(instructions);
			this.#known.clear();
			return;
		}
		for (let i = 0; i < groups.length; i++) {
			this.#lookUp(groups[i]!, this.#groups + i);
			if (i > 0) code.op(wasm.I32_OR);
		}
		code.open(wasm.IF);
		if (this.#isFrequent) this.#all(instructions);
		else this.#exit(instructions[0]!.pc, instructions.length);
		code.op(wasm.ELSE);
		for (let i = 0; i < groups.length; i++) {
			const { low, members } = groups[i]!;
			for (const { instruction, offset } of members) {
				const local = this.#groups + i;
				this.#known.set(instruction, { local, register: 0, offset: offset - low });
			}
		}
		this.#refills = false;
		this.#all(instructions);
		this.#known.clear();
		code.close();
	}

	#knowStrip({ bases }: Strip): void {
		for (let i = 0; i < bases.length; i++) {
			const { register, least, accesses } = bases[i]!;
			for (const instruction of accesses) {
				const local = this.#limit + 1 + i;
				this.#known.set(instruction, { local, register, offset: instruction.imm - least });
			}
		}
	}

	/** Begin a strip. See strip-code.ts. */
	strip(strip: Strip, depth: number): void {
		writeStrip(this.#code, strip, this.#limit, depth, {
			get: (register) => this.#register(register),
			lookUp: (span, local) => this.#lookUp(span, local),
		});
	}

	/** Is there another iteration in the strip? */
	isInStrip(): void {
		writeIsInStrip(this.#code, this.#limit);
	}

	/** The condition of a branch. */
	condition(branch: Instruction): void {
		const effect = this.#meaning.effects[branch.op];
		if (effect?.kind === "branch") this.#expression(effect.condition, branch);
	}

	#all(instructions: readonly Instruction[]): void {
		this.#float.begin();
		for (let i = 0; i < instructions.length; i++) {
			this.#instruction(instructions[i]!, instructions.length - i);
		}
	}

	/**
	 * Set `local` to the host offset of a group's lowest byte. Leaves 0 on the stack if the mirror's
	 * table allows all of its accesses, and they lie in one page.
	 */
	#lookUp({ register, low, high, bytes, aligned, stores }: Span, local: number): void {
		const code = this.#code;
		this.#add(register, low);
		this.#entry(stores ? WT : RT);
		this.#isRefused(bytes, aligned - low);
		code.get(VA);
		code.constant(PAGE_MASK);
		code.op(wasm.I32_AND);
		code.tee(VA);
		code.constant(PAGE_MASK + 1 - (high - low));
		code.op(wasm.I32_GT_U, wasm.I32_OR);
		code.get(HOST);
		code.get(VA);
		code.op(wasm.I32_ADD);
		code.set(local);
	}

	/** Set HOST to the entry that a table has for VA, which is on the stack. */
	#entry(table: number): void {
		const code = this.#code;
		code.tee(VA);
		code.constant(PAGE_SHIFT - 2);
		code.op(wasm.I32_SHR_U);
		code.constant(SLOT_MASK);
		code.op(wasm.I32_AND);
		code.get(TABLES);
		code.op(wasm.I32_ADD);
		code.loadBehind(table);
		code.set(HOST);
	}

	/** Is there no entry, or are the `bytes` bytes at VA + `distance` not aligned? See memory.ts. */
	#isRefused(bytes: number, distance: number): void {
		const code = this.#code;
		if (bytes === 1) {
			code.get(HOST);
			code.op(wasm.I32_EQZ);
			return;
		}
		code.get(VA);
		if (distance !== 0) {
			code.constant(distance);
			code.op(wasm.I32_ADD);
		}
		code.constant(bytes === 2 ? 31 : bytes === 4 ? 30 : 29);
		code.op(wasm.I32_SHL);
		code.get(HOST);
		if (bytes === 8) {
			// Host offsets are below 2^30.
			code.constant(1);
			code.op(wasm.I32_SHR_U);
		}
		code.op(wasm.I32_GE_U);
	}

	/** `left`: how many instructions of the block remain, with this one. */
	#instruction(instruction: Instruction, left: number): void {
		const { op, rd, pc, length } = instruction;
		const code = this.#code;
		if (instruction.upper >= 0) this.#fetchUpper(instruction, left);
		if (op === OP.LR || op === OP.SC || op === OP.AMO) {
			this.#atomic(instruction, left);
			return;
		}
		if (op === OP.CSR) {
			this.#control(instruction, left);
			return;
		}
		if (op === OP.BITS) {
			if (rd === 0) return;
			this.#expression(this.#meaning.bits(instruction), instruction);
			this.#set(rd);
			return;
		}
		const effect = this.#meaning.effects[op]!;
		switch (effect.kind) {
			case "value":
				if (rd === 0) return;
				this.#expression(effect.value, instruction);
				code.set(this.#locals[rd]!);
				return;
			case "load":
				this.#load(instruction, effect, left);
				return;
			case "floatLoad": {
				this.#float.ready(() => this.#exit(pc, left));
				const offset = this.#access(instruction, RT, effect.bytes, left);
				this.#float.loadAt(rd, effect.bytes, offset);
				return;
			}
			case "floatStore": {
				this.#float.ready(() => this.#exit(pc, left));
				const offset = this.#access(instruction, WT, effect.bytes, left);
				this.#float.storeAt(instruction.rs2, effect.bytes, offset);
				return;
			}
			case "float":
				this.#float.execute(instruction, effect, () => this.#exit(pc, left));
				return;
			case "store":
				this.#store(instruction, effect.bytes, left);
				return;
			case "jump":
				// The target first: rd may be rs1.
				if (op === OP.JALR) {
					this.#expression(effect.target, instruction);
					code.set(PC);
				}
				if (rd === 0) return;
				code.constant(pc + length);
				code.set(this.#locals[rd]!);
				return;
			default:
		}
	}

	#load(instruction: Instruction, { bytes, signed }: LoadEffect, left: number): void {
		const offset = this.#access(instruction, RT, bytes, left);
		const byte = signed ? wasm.I32_LOAD8_S : wasm.I32_LOAD8_U;
		const half = signed ? wasm.I32_LOAD16_S : wasm.I32_LOAD16_U;
		const load = bytes === 1 ? byte : bytes === 2 ? half : wasm.I32_LOAD;
		this.#code.memory(load, bytes >> 1, offset);
		this.#set(instruction.rd);
	}

	#store(instruction: Instruction, bytes: 1 | 2 | 4, left: number): void {
		const offset = this.#access(instruction, WT, bytes, left);
		this.#register(instruction.rs2);
		const wide = bytes === 2 ? wasm.I32_STORE16 : wasm.I32_STORE;
		this.#code.memory(bytes === 1 ? wasm.I32_STORE8 : wide, bytes >> 1, offset);
	}

	/**
	 * Leave the host offset of an access on the stack, or the region if the mirror's table does not
	 * allow it. => what is to be added to the offset
	 */
	#access(instruction: Instruction, table: number, bytes: number, left: number): number {
		const { rs1, imm, pc } = instruction;
		const code = this.#code;
		const known = this.#known.get(instruction);
		if (known !== undefined) {
			code.get(known.local);
			if (known.register !== 0) {
				this.#register(known.register);
				code.op(wasm.I32_ADD);
			}
			return known.offset;
		}
		this.#add(rs1, imm);
		this.#entry(table);
		this.#isRefused(bytes, 0);
		code.open(wasm.IF);
		if (this.#refills && (this.#isFrequent || this.#meaning.misses(pc))) {
			this.#refill(kindOf(table === WT, bytes));
			code.get(HOST);
			code.op(wasm.I32_EQZ);
			code.open(wasm.IF);
			this.#exit(pc, left);
			code.close();
			code.get(LEFT);
			code.loadWord(H_WALKED);
			code.op(wasm.I32_SUB);
			code.set(LEFT);
		} else {
			this.#exit(pc, left);
		}
		code.close();
		code.get(VA);
		code.constant(PAGE_MASK);
		code.op(wasm.I32_AND);
		code.get(HOST);
		code.op(wasm.I32_ADD);
		return 0;
	}

	/** Set HOST as #entry does, if that takes no more cycles than are left, or else to 0. */
	#refill(kind: number): void {
		const code = this.#code;
		code.get(LEFT);
		code.constant(this.#meaning.walkCycles + this.#after);
		code.op(wasm.I32_GE_S);
		code.choose(
			() => {
				code.get(VA);
				code.constant(kind);
				code.op(wasm.CALL, 0);
			},
			() => code.constant(0),
		);
		code.set(HOST);
	}

	#control(instruction: Instruction, left: number): void {
		const exit = (): void => this.#exit(instruction.pc, left);
		const operand = (): void => this.#register(instruction.rs1);
		const set = (): void => this.#set(instruction.rd);
		this.#csr.execute(instruction, exit, operand, set, left, VA, HOST);
	}

	/** The upper half of an instruction is in the next page, and may have changed, or its page. */
	#fetchUpper({ pc, upper }: Instruction, left: number): void {
		const code = this.#code;
		code.get(TABLES);
		code.loadBehind(XT + ((pc + 2) >>> PAGE_SHIFT));
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		code.get(HOST);
		code.memory(wasm.I32_LOAD16_U, 1, 0);
		code.constant(upper);
		code.op(wasm.I32_NE, wasm.I32_OR);
		code.open(wasm.IF);
		this.#exit(pc, left);
		code.close();
	}

	/** Leave the region for the interpreter before an instruction. */
	#exit(pc: number, left: number): void {
		this.#code.spend(LEFT, left);
		this.leave(pc | 1);
	}

	/** Unprivileged specification 8.2 to 8.4. */
	#atomic(instruction: Instruction, left: number): void {
		const { op, rd, rs2 } = instruction;
		const code = this.#code;
		this.#access({ ...instruction, imm: 0 }, op === OP.LR ? RT : WT, 4, left);
		code.set(HOST);
		const store = (value: () => void): void => {
			code.get(HOST);
			value();
			code.memory(wasm.I32_STORE, 2, 0);
		};
		const load = (): void => {
			code.get(HOST);
			code.memory(wasm.I32_LOAD, 2, 0);
			code.set(VA);
		};
		if (op === OP.LR) {
			code.storeLocal(H_RESERVATION, HOST);
			load();
		} else if (op === OP.SC) {
			code.loadWord(H_RESERVATION);
			code.get(HOST);
			code.op(wasm.I32_NE);
			code.tee(VA);
			code.op(wasm.I32_EQZ);
			code.open(wasm.IF);
			store(() => this.#register(rs2));
			code.close();
			code.storeConstant(H_RESERVATION, -1);
		} else {
			load();
			store(() => this.#expression(this.#meaning.atomics[instruction.imm]!, instruction));
		}
		if (rd === 0) return;
		code.get(VA);
		code.set(this.#locals[rd]!);
	}

	#expression(expression: Expression, { rs1, rs2, imm, pc }: Instruction): void {
		writeExpression(this.#code, expression, (name) => {
			if (name === "rs1") this.#register(rs1);
			else if (name === "rs2") this.#register(rs2);
			else if (name === "imm") this.#code.constant(imm);
			else if (name === "pc") this.#code.constant(pc);
			else this.#code.get(VA); // old
		});
	}

	#add(register: number, value: number): void {
		this.#register(register);
		if (value === 0) return;
		this.#code.constant(value);
		this.#code.op(wasm.I32_ADD);
	}

	/** Set a register to what is on the stack. */
	#set(register: number): void {
		if (register === 0) this.#code.op(wasm.DROP);
		else this.#code.set(this.#locals[register]!);
	}

	#register(register: number): void {
		if (register === 0) this.#code.constant(0);
		else this.#code.get(this.#locals[register]!);
	}
}
