/**
 * Finds guest code that is executed often, has it compiled to WebAssembly, and runs it.
 *
 * The decoded slot of an instruction where control enters compiled code holds REGION, the number of
 * a function and of an entry, and the virtual address that it was compiled for. So the interpreter
 * finds compiled code at no cost, and what forgets decoded instructions makes the function
 * unreachable as well.
 *
 * What is hot is found by samples: the interpreter is given its cycles in chunks, and at the end of
 * each of them control is at the target of a branch or jump. The rest of the cycles is in H_REST.
 * loop-samples.ts does the most of this, too, beside the loop that is emitted.
 */
import { ALONE, type CodeCache, type CodeUser } from "../code-cache.ts";
import type { Engine } from "../engine.ts";
import {
	CODE,
	CODE_MAP,
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
	H_WAIT,
	LENGTHS,
	type Memory,
	RAM_OFFSET,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import { type CompiledCode, STOP_ALONE, STOP_BUDGET, STOP_ENTER, STOP_RARE } from "../rare.ts";
import { UserError } from "../user-error.ts";
import { Compiler, type Profile } from "./compiler.ts";
import type { Compiled, JitCounts } from "./counts.ts";
import { Heat, SAMPLE_HEAT } from "./heat.ts";
import { JumpProfile } from "./jump-profile.ts";
import type { LoopUser } from "./loop-rare.ts";
import { NO_JUMP, SEED_FACTOR, SEED_TERM } from "./loop-samples.ts";
import { MissProfile } from "./miss-profile.ts";
import type { Walks } from "./refill-tlb.ts";
import { REGION_MAX } from "./region.ts";

export interface JitOptions {
	/** Instructions between two samples: so many, and up to as many again. */
	readonly chunk: number;
	/** Heat of a place at which it is compiled; a sample is SAMPLE_HEAT. */
	readonly hot: number;
	/** Chunks that a function waits for others of its module. */
	readonly patience: number;
	/** Misses of an access that are worth that its function is compiled again. */
	readonly misses: number;
	/** Functions that are kept. */
	readonly functions: number;
	/** Instructions after which the interpreter's loop is emitted. */
	readonly loopAfter: number;
}

const DEFAULTS: JitOptions = {
	...{ chunk: 2000, hot: 4000, patience: 40, misses: 32, functions: 2000 },
	loopAfter: 2000,
};
/** For tests: whatever was executed before. */
const EAGER: JitOptions = {
	...{ chunk: 20, hot: 1, patience: 0, misses: 1, functions: 2000 },
	loopAfter: 0,
};

/** How often a function is compiled for more targets of its jumps. */
const AGAIN_MAX = 12;
/** How often what was made of a page is forgotten before it is only interpreted. */
const CHURN_MAX = 16;

const NONE_MADE: Compiler["made"] = { modules: 0, functions: 0, bytes: 0 };

export class Jit implements Compiled, CodeUser, CompiledCode {
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #code: CodeCache;
	readonly #options: JitOptions;
	/** null: nothing was compiled yet. */
	#compiler: Compiler | null = null;
	readonly #profile: Profile;
	readonly #walks: Walks;
	readonly #heat: Heat;
	/** How often each decoded page was forgotten after it was compiled. */
	readonly #churn: Uint8Array;

	/** => null for "interp", and where code cannot be compiled; UserError if it has to be */
	static create(memory: Memory, code: CodeCache, walks: Walks, engine: Engine): Jit | null {
		if (engine === "interp") return null;
		const options = engine === "jit" ? EAGER : DEFAULTS;
		if (memory.wasm !== null) return new Jit(memory, code, walks, options);
		if (engine === "jit") throw new UserError("engine jit: this host has no WebAssembly");
		return null;
	}

	constructor(memory: Memory, code: CodeCache, walks: Walks, options: JitOptions) {
		this.#memory = memory;
		this.#words = memory.i32;
		this.#code = code;
		this.#walks = walks;
		this.#profile = { jumps: new JumpProfile(), misses: new MissProfile(memory, options.misses) };
		this.#options = options;
		this.#heat = new Heat(memory, code);
		this.#churn = new Uint8Array(code.slots / code.pageSlots);
		memory.i32[H_JUMP] = NO_JUMP;
		memory.i32[H_REST] = memory.i32[H_WAIT] = 0;
		memory.f64[H_EXECUTED >> 1] = 0;
	}

	get loopAfter(): number {
		return this.#options.loopAfter;
	}

	/** What code beside the interpreter's loop needs. */
	beside(): LoopUser {
		this.#compiler ??= this.#newCompiler();
		return { walks: this.#walks, sampling: this.#options, run: this.#compiler.run };
	}

	get counts(): JitCounts {
		const made = this.#compiler?.made ?? NONE_MADE;
		return {
			...made,
			kept: this.#compiler?.kept ?? 0,
			instructions: this.#memory.f64[H_EXECUTED >> 1]!,
		};
	}

	compileHere(): boolean {
		const pc = this.#words[H_PC]!;
		const compiler = this.#compiler;
		const ip = compiler?.slot(pc) ?? 0;
		if (compiler === null || ip === 0 || ip >= ALONE) return false;
		const op = this.#words[ip]! & 0xff;
		if (op === OP.UNDECODED || op === REGION || !compiler.compile(pc)) return false;
		compiler.finish();
		return true;
	}

	begin(): void {
		this.#words[H_REST] = 0;
		this.#give(this.#chunk());
	}

	/** Instructions to the next sample. */
	#chunk(): number {
		// Chunks differ, or loops of the same length would be sampled at one place alone.
		const words = this.#words;
		words[H_SEED] = Math.imul(words[H_SEED]!, SEED_FACTOR) + SEED_TERM;
		const { chunk } = this.#options;
		return chunk + ((words[H_SEED]! >>> 16) % chunk);
	}

	/** Keep all but `cycles` of what is left from the interpreter. */
	#give(cycles: number): void {
		const words = this.#words;
		const keep = Math.max(0, words[H_LEFT]! - cycles);
		words[H_LEFT]! -= keep;
		words[H_BUDGET]! -= keep;
		words[H_REST]! += keep;
	}

	end(): void {
		const words = this.#words;
		words[H_LEFT]! += words[H_REST]!;
		words[H_BUDGET]! += words[H_REST]!;
		words[H_REST] = 0;
	}

	more(stop: number): boolean {
		const words = this.#words;
		// A walk may have used more than the interpreter's part.
		if (words[H_REST] === 0 || words[H_LEFT]! + words[H_REST]! <= 0) return false;
		const length = this.#length(words[H_PC]!);
		if (stop === STOP_ALONE && words[H_LEFT]! >= length) return false;
		this.#wait();
		this.#warm(words[H_PC]!, SAMPLE_HEAT);
		this.end();
		this.#give(Math.max(this.#chunk(), length));
		return true;
	}

	/** Functions have waited for others of their module for another sample. */
	#wait(): void {
		const words = this.#words;
		if (words[H_WAIT] !== 0 && --words[H_WAIT]! === 0) this.#compiler!.finish();
	}

	/** Length of the straight line at `pc`, in the page being executed. */
	#length(pc: number): number {
		const words = this.#words;
		const first = words[CODE_MAP + ((words[H_FETCH_HOST]! - RAM_OFFSET) >>> PAGE_SHIFT)]!;
		if (first === 0) return 0;
		return this.#memory.u16[LENGTHS + ((first + (pc & PAGE_MASK) - CODE) >> 1)]!;
	}

	enter(): number {
		const words = this.#words;
		words[H_CHUNK] = words[H_LEFT]!;
		this.end();
		const before = words[H_LEFT]! + words[H_STALL]!;
		words[H_PC] = this.#compiler!.run(words[H_PC]!);
		const executed = before - words[H_LEFT]! - words[H_STALL]!;
		this.#memory.f64[H_EXECUTED >> 1]! += executed;
		return this.left();
	}

	left(): number {
		const words = this.#words;
		// The interpreter's chunk goes on: what is between compiled code is sampled, too.
		const chunk = words[H_CHUNK]!;
		const next = words[H_PC]!;
		const pc = next & ~1;
		words[H_PC] = pc;
		if ((next & 1) === 0) {
			if (words[H_JUMP] !== NO_JUMP) this.#jumped(pc);
			else this.#warm(pc, 1);
		} else if (words[H_LEFT]! > REGION_MAX && this.#profile.misses.missed(pc)) {
			// With less it may have left for want of cycles.
			this.#compiler!.compileLastAgain(AGAIN_MAX);
		}
		if (words[H_LEFT]! <= 0) return STOP_BUDGET;
		const page = pc & ~PAGE_MASK;
		const first =
			words[H_FETCH_PAGE] === page
				? words[CODE_MAP + ((words[H_FETCH_HOST]! - RAM_OFFSET) >>> PAGE_SHIFT)]!
				: 0;
		if (first === 0) {
			this.#give(chunk);
			return STOP_ENTER;
		}
		const ip = first + (pc & PAGE_MASK);
		const length = this.#memory.u16[LENGTHS + ((ip - CODE) >> 1)]!;
		this.#give(Math.max(chunk, length));
		const base = words[H_LEFT]! - length;
		// Compiled code would be entered again, and do nothing.
		if (base < 0 || (words[ip]! & 0xff) === REGION) return STOP_ALONE;
		words[H_IP] = ip;
		words[H_PC_BASE] = (page - first) | 0;
		words[H_FIRST] = first;
		words[H_BASE] = base;
		return STOP_RARE;
	}

	/** Control has left compiled code by a jump whose target was unknown. */
	#jumped(target: number): void {
		const words = this.#words;
		const pc = words[H_JUMP]!;
		words[H_JUMP] = NO_JUMP;
		const jump = this.#profile.jumps.missed(pc, target);
		if (jump.misses < jump.patience) return;
		jump.patience *= 4;
		if (this.#compiler!.compileAgain(pc, AGAIN_MAX)) jump.misses = 0;
	}

	/** Control is at `pc`, which is not compiled, and worth `heat`. */
	#warm(pc: number, heat: number): void {
		const compiler = (this.#compiler ??= this.#newCompiler());
		const ip = compiler.slot(pc);
		if (ip === 0 || ip >= ALONE) return;
		const op = this.#words[ip]! & 0xff;
		if (op === OP.UNDECODED || op === REGION) return;
		if (this.#churn[this.#code.pageOf(ip)]! >= CHURN_MAX) {
			this.#heat.settle(ip);
			return;
		}
		if (this.#heat.add(ip, heat) < this.#options.hot) return;
		const jump = this.#profile.jumps.jumpTo(pc);
		if (jump !== null && compiler.compileAgain(jump.pc, AGAIN_MAX)) return;
		this.#heat.settle(ip);
		if (!compiler.compile(pc)) return;
		const { patience } = this.#options;
		if (patience === 0) compiler.finish();
		else if (this.#words[H_WAIT] === 0) this.#words[H_WAIT] = patience;
	}

	#newCompiler(): Compiler {
		const { functions } = this.#options;
		const heat = this.#heat;
		return new Compiler(this.#memory, this.#code, this.#walks, this.#profile, heat, functions);
	}

	forgotten(page: number): void {
		this.#compiler?.forget(page);
		this.#heat.coolPage(page);
		if (this.#churn[page]! < CHURN_MAX) this.#churn[page]!++;
	}

	renewed(page: number): void {
		// Also if nothing of what it held before was compiled.
		this.#heat.coolPage(page);
		this.#churn[page] = 0;
	}
}
