/**
 * What jit.ts does for the interpreter's loop again and again, as WebAssembly beside it
 * (loop-rare.ts): take samples, enter compiled code, and go on where that was left. What happens
 * seldom is left to jit.ts: to compile, and to remember jumps.
 */
import {
	CODE,
	H_BASE,
	H_BUDGET,
	H_CHUNK,
	H_EXECUTED,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_FIRST,
	H_IP,
	H_JUMP,
	H_LEFT,
	H_PC,
	H_PC_BASE,
	H_REST,
	H_SEED,
	H_STALL,
	H_TABLES,
	H_WAIT,
	type Memory,
	MISSES,
	XT,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_MASK } from "../port.ts";
import { STOP_ALONE, STOP_BUDGET, STOP_COMPILED, STOP_ENTER } from "../rare.ts";
import * as wasm from "./encoder.ts";
import { F64_ADD, F64_CONVERT, F64_LOAD, F64_STORE } from "./float-opcodes.ts";
import { NEVER, SAMPLE_HEAT } from "./heat.ts";
import {
	BASE,
	HOST,
	LEFT,
	LOCALS,
	type LoopCode,
	PC,
	SLOT,
	SLOT_BYTES,
	TABLES,
	VA,
	VALUE,
	WORD,
} from "./loop-code.ts";
import { MISS_FACTOR, MISS_SHIFT } from "./miss-profile.ts";
import { REGION_MAX } from "./region.ts";

/** Locals: those of the loop, and the length of the straight line at SLOT. */
const LENGTH = LOCALS;
export const SAMPLE_LOCALS = LOCALS + 1;

/** As JitOptions. */
export interface Sampling {
	readonly chunk: number;
	readonly hot: number;
	readonly misses: number;
}

/** How a chunk follows from the one before. */
export const SEED_FACTOR = 1664525;
export const SEED_TERM = 1013904223;

/** H_JUMP, if control has left compiled code in another way. */
export const NO_JUMP = 1;

/** How deep they are: return VALUE, and execute the instruction at PC alone. */
export interface SampleLabels {
	stop: number;
	alone: number;
}

export class LoopSamples {
	readonly labels: SampleLabels = { stop: 0, alone: 0 };
	readonly #loop: LoopCode;
	readonly #memory: Memory;
	readonly #sampling: Sampling;

	constructor(loop: LoopCode, memory: Memory, sampling: Sampling) {
		this.#loop = loop;
		this.#memory = memory;
		this.#sampling = sampling;
	}

	/** The loop has stopped for VALUE: as Jit.more, and enter the page of pc. */
	more(): void {
		const { code } = this.#loop;
		const { stop, alone } = this.labels;
		const isAlone = (): void => {
			code.get(VALUE);
			code.constant(STOP_ALONE);
			code.op(wasm.I32_EQ);
		};
		code.get(VALUE);
		code.constant(STOP_BUDGET);
		code.op(wasm.I32_NE);
		isAlone();
		code.op(wasm.I32_EQZ, wasm.I32_AND);
		code.branchIf(stop);
		code.loadWord(H_PC);
		code.set(PC);
		this.#findSlot(stop);
		code.loadWord(H_REST);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		isAlone();
		code.branchIf(alone);
		code.branchTo(stop);
		code.close();
		code.loadWord(H_LEFT);
		code.loadWord(H_REST);
		code.op(wasm.I32_ADD);
		code.constant(0);
		code.op(wasm.I32_LE_S);
		code.branchIf(stop);
		code.loadWord(H_WAIT);
		code.constant(1);
		code.op(wasm.I32_EQ);
		code.branchIf(stop);
		this.#warm(SAMPLE_HEAT, stop);
		code.storeWord(H_WAIT, () => {
			code.loadWord(H_WAIT);
			code.loadWord(H_WAIT);
			code.constant(0);
			code.op(wasm.I32_NE, wasm.I32_SUB);
		});
		this.#chunk();
		this.#give(LENGTH);
		this.#goOn(() => {});
	}

	/** Control goes to PC with BASE cycles left. */
	goTo(): void {
		const { code } = this.#loop;
		code.storeLocal(H_PC, PC);
		code.storeLocal(H_LEFT, BASE);
		code.get(BASE);
		code.constant(0);
		code.op(wasm.I32_LE_S);
		this.#loop.stopIf(STOP_BUDGET);
		const unknown = this.#loop.open(wasm.BLOCK);
		this.#findSlot(unknown);
		this.#goOn(() => {});
		code.close();
		this.#loop.stop(STOP_ENTER);
	}

	/** Compiled code is entered at H_IP, which is SLOT. `run`: the function that runs it. */
	enter(run: number): void {
		const { code } = this.#loop;
		code.loadWord(H_IP);
		code.loadWord(H_PC_BASE);
		code.op(wasm.I32_ADD);
		code.set(PC);
		code.storeWord(H_CHUNK, () => {
			code.loadWord(H_BASE);
			this.#loop.length();
			code.op(wasm.I32_ADD);
			code.tee(LEFT);
		});
		code.storeWord(H_BUDGET, () => {
			code.loadWord(H_BUDGET);
			code.loadWord(H_REST);
			code.op(wasm.I32_ADD);
		});
		code.storeWord(H_LEFT, () => {
			code.get(LEFT);
			code.loadWord(H_REST);
			code.op(wasm.I32_ADD);
			code.tee(LEFT);
		});
		code.storeConstant(H_REST, 0);
		code.get(LEFT);
		code.loadWord(H_STALL);
		code.op(wasm.I32_ADD);
		code.set(VALUE);
		code.get(PC);
		code.op(wasm.CALL, run);
		code.set(PC);
		this.#count();
		code.storeLocal(H_PC, PC);
		this.#leave();
	}

	/** Count what was executed since H_LEFT and H_STALL together were VALUE. */
	#count(): void {
		const { code } = this.#loop;
		code.constant(0);
		code.constant(0);
		code.memory(F64_LOAD, 3, 4 * H_EXECUTED);
		code.get(VALUE);
		code.loadWord(H_LEFT);
		code.op(wasm.I32_SUB);
		code.loadWord(H_STALL);
		code.op(wasm.I32_SUB, F64_CONVERT[0], F64_ADD);
		code.memory(F64_STORE, 3, 4 * H_EXECUTED);
	}

	/** Compiled code was left for PC, whose bit 0 says why. As Jit.left, which does the rest. */
	#leave(): void {
		const { code } = this.#loop;
		const { stop } = this.labels;
		const leave = (why: number): void => {
			code.constant(why);
			code.set(VALUE);
			code.branchTo(stop);
		};
		const rest = this.#loop.open(wasm.BLOCK);
		const known = this.#loop.open(wasm.BLOCK);
		code.get(PC);
		code.constant(1);
		code.op(wasm.I32_AND);
		code.open(wasm.IF);
		code.get(PC);
		code.constant(~1);
		code.op(wasm.I32_AND);
		code.set(PC);
		// With less it may have left for want of cycles.
		code.loadWord(H_LEFT);
		code.constant(REGION_MAX);
		code.op(wasm.I32_GT_S);
		code.open(wasm.IF);
		this.#miss(rest);
		code.close();
		this.#findSlot(known);
		code.op(wasm.ELSE);
		code.loadWord(H_JUMP);
		code.constant(NO_JUMP);
		code.op(wasm.I32_NE);
		code.branchIf(rest);
		this.#findSlot(known);
		this.#warm(1, rest);
		code.close();
		code.close();
		code.storeLocal(H_PC, PC);
		code.loadWord(H_LEFT);
		code.constant(0);
		code.op(wasm.I32_LE_S);
		code.open(wasm.IF);
		leave(STOP_BUDGET);
		code.close();
		code.loadWord(H_CHUNK);
		code.set(VA);
		code.get(SLOT);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		code.constant(0);
		code.set(LENGTH);
		this.#give(LENGTH);
		leave(STOP_ENTER);
		code.close();
		this.#give(LENGTH);
		this.#goOn(() => {
			// Compiled code would be entered again, and do nothing.
			code.get(SLOT);
			code.loadBehind(0);
			code.constant(0xff);
			code.op(wasm.I32_AND);
			code.constant(REGION);
			code.op(wasm.I32_EQ);
			code.branchIf(this.labels.alone);
		});
		code.close();
		leave(STOP_COMPILED);
	}

	/** The interpreter is to go on at PC. Goes to `rest` if that has become frequent. */
	#miss(rest: number): void {
		const { code } = this.#loop;
		const place = VA;
		const count = VALUE;
		code.get(PC);
		code.constant(MISS_FACTOR);
		code.op(wasm.I32_MUL);
		code.constant(MISS_SHIFT);
		code.op(wasm.I32_SHR_U);
		code.constant(3);
		code.op(wasm.I32_SHL);
		code.tee(place);
		code.loadBehind(MISSES + 1);
		code.constant(0);
		code.get(place);
		code.loadBehind(MISSES);
		code.get(PC);
		code.op(wasm.I32_EQ, wasm.SELECT);
		code.constant(1);
		code.op(wasm.I32_ADD);
		code.tee(count);
		code.constant(this.#sampling.misses);
		code.op(wasm.I32_EQ);
		code.branchIf(rest);
		code.get(count);
		code.constant(this.#sampling.misses);
		code.op(wasm.I32_LT_S);
		code.open(wasm.IF);
		code.get(place);
		code.get(PC);
		code.memory(wasm.I32_STORE, 2, 4 * MISSES);
		code.get(place);
		code.get(count);
		code.memory(wasm.I32_STORE, 2, 4 * (MISSES + 1));
		code.close();
	}

	/**
	 * Set SLOT and LENGTH to those of PC, and HOST to its page. Goes to `otherwise`, SLOT being 0,
	 * where the page is not at hand, or has no decoded code that was entered.
	 */
	#findSlot(otherwise: number): void {
		const { code } = this.#loop;
		code.constant(0);
		code.set(SLOT);
		code.loadWord(H_FETCH_PAGE);
		code.get(PC);
		code.constant(~PAGE_MASK);
		code.op(wasm.I32_AND, wasm.I32_EQ);
		code.choose(
			() => code.loadWord(H_FETCH_HOST),
			() => {
				code.loadWord(H_TABLES);
				code.scale();
				code.set(TABLES);
				code.get(PC);
				this.#loop.entry(XT);
			},
		);
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		code.branchIf(otherwise);
		this.#loop.codeMap(HOST);
		code.tee(SLOT);
		code.op(wasm.I32_EQZ);
		code.branchIf(otherwise);
		code.get(SLOT);
		code.get(PC);
		code.constant(PAGE_MASK);
		code.op(wasm.I32_AND, wasm.I32_ADD);
		code.scale();
		code.set(SLOT);
		this.#loop.length();
		code.set(LENGTH);
	}

	/** Control comes to SLOT, and is worth `heat`. Goes to `hot` if it is to be compiled. */
	#warm(heat: number, hot: number): void {
		const { code } = this.#loop;
		const enough = Math.min(this.#sampling.hot, NEVER - 1);
		code.get(SLOT);
		code.loadBehind(0);
		code.constant(0xff);
		code.op(wasm.I32_AND);
		code.tee(WORD);
		code.constant(OP.UNDECODED);
		code.op(wasm.I32_NE);
		code.get(WORD);
		code.constant(REGION);
		code.op(wasm.I32_NE, wasm.I32_AND);
		code.get(SLOT);
		code.constant(4 * CODE);
		code.op(wasm.I32_SUB);
		code.constant(Math.log2(SLOT_BYTES) - 1);
		code.op(wasm.I32_SHR_U);
		code.tee(VA);
		code.memory(wasm.I32_LOAD16_U, 1, 2 * this.#memory.heat);
		code.tee(WORD);
		code.constant(NEVER);
		code.op(wasm.I32_NE, wasm.I32_AND);
		code.open(wasm.IF);
		code.get(WORD);
		code.constant(heat);
		code.op(wasm.I32_ADD);
		code.tee(WORD);
		code.constant(enough);
		code.op(wasm.I32_GE_S);
		code.branchIf(hot);
		code.get(VA);
		code.get(WORD);
		code.memory(wasm.I32_STORE16, 1, 2 * this.#memory.heat);
		code.close();
	}

	/** Set VA to the instructions to the next sample. */
	#chunk(): void {
		const { code } = this.#loop;
		const { chunk } = this.#sampling;
		code.storeWord(H_SEED, () => {
			code.loadWord(H_SEED);
			code.constant(SEED_FACTOR);
			code.op(wasm.I32_MUL);
			code.constant(SEED_TERM);
			code.op(wasm.I32_ADD);
			code.tee(VA);
		});
		code.get(VA);
		code.constant(16);
		code.op(wasm.I32_SHR_U);
		code.constant(chunk);
		code.op(wasm.I32_REM_U);
		code.constant(chunk);
		code.op(wasm.I32_ADD);
		code.set(VA);
	}

	/** Keep all but VA of the cycles from the loop, or all but `least` if that is more. */
	#give(least: number): void {
		const { code } = this.#loop;
		code.loadWord(H_LEFT);
		code.loadWord(H_REST);
		code.op(wasm.I32_ADD);
		code.tee(LEFT);
		code.get(VA);
		code.get(least);
		code.get(VA);
		code.get(least);
		code.op(wasm.I32_GT_S, wasm.SELECT, wasm.I32_SUB);
		code.tee(BASE);
		code.constant(0);
		code.get(BASE);
		code.constant(0);
		code.op(wasm.I32_GT_S, wasm.SELECT);
		code.set(BASE);
		code.storeWord(H_BUDGET, () => {
			code.loadWord(H_BUDGET);
			code.loadWord(H_REST);
			code.op(wasm.I32_ADD);
			code.get(BASE);
			code.op(wasm.I32_SUB);
		});
		code.storeWord(H_LEFT, () => {
			code.get(LEFT);
			code.get(BASE);
			code.op(wasm.I32_SUB);
		});
		code.storeLocal(H_REST, BASE);
	}

	/** The loop goes on at SLOT, which is that of PC in the page at HOST, unless `isAlone`. */
	#goOn(isAlone: () => void): void {
		const { code } = this.#loop;
		const ip = (): void => {
			code.get(SLOT);
			code.constant(2);
			code.op(wasm.I32_SHR_U);
		};
		code.storeWord(H_FETCH_PAGE, () => {
			code.get(PC);
			code.constant(~PAGE_MASK);
			code.op(wasm.I32_AND);
		});
		code.storeLocal(H_FETCH_HOST, HOST);
		code.storeWord(H_FIRST, () => {
			ip();
			code.get(PC);
			code.constant(PAGE_MASK);
			code.op(wasm.I32_AND, wasm.I32_SUB);
		});
		code.constant(STOP_ALONE);
		code.set(VALUE);
		code.storeWord(H_BASE, () => {
			code.loadWord(H_LEFT);
			code.get(LENGTH);
			code.op(wasm.I32_SUB);
			code.tee(BASE);
		});
		code.get(BASE);
		code.constant(0);
		code.op(wasm.I32_LT_S);
		code.branchIf(this.labels.alone);
		isAlone();
		code.storeWord(H_IP, ip);
		code.storeWord(H_PC_BASE, () => {
			code.get(PC);
			ip();
			code.op(wasm.I32_SUB);
		});
		code.branchTo(this.#loop.labels.next);
	}
}
