/**
 * Compiles guest code that is executed often to WebAssembly, and runs it.
 *
 * The decoded slot of an instruction where control enters compiled code holds REGION, the number
 * of a function and of an entry, and the virtual address that it was compiled for. So the
 * interpreter finds compiled code at no cost, and what forgets decoded instructions makes the
 * function unreachable as well.
 *
 * What is hot is found by samples: the interpreter is given its cycles in chunks, and at the end of
 * each of them control is at the target of a branch or jump.
 */
import { ALONE, type CodeCache, type CodeUser } from "../code-cache.ts";
import { Decoder, instructionLength } from "../decode.ts";
import { atomics, effects } from "../effects.ts";
import {
	CODE,
	CODE_MAP,
	H_BASE,
	H_BUDGET,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_FIRST,
	H_IP,
	H_JUMP,
	H_LEFT,
	H_PC,
	H_PC_BASE,
	H_TABLES,
	LENGTHS,
	type Memory,
	RAM_OFFSET,
	XT,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import { type CompiledCode, STOP_ALONE, STOP_BUDGET, STOP_ENTER, STOP_RARE } from "../rare.ts";
import { END_JUMP, type Instruction, isReturn } from "./block.ts";
import {
	dispatcherModule,
	ENTRY_SHIFT,
	FUNCTION_SHIFT,
	FUNCTIONS_MAX,
	TYPES,
} from "./dispatcher.ts";
import { Emitter, type Translation } from "./emit.ts";
import { Bytes, encodeModule } from "./encoder.ts";
import { type Jump, JumpProfile } from "./jump-profile.ts";
import { type CodeSource, regionAt } from "./region.ts";

export interface JitOptions {
	/** Instructions between two samples. */
	readonly chunk: number;
	/** Heat of a place at which it is compiled. */
	readonly hot: number;
	/** Functions that are kept. */
	readonly functions: number;
}

export const JIT_DEFAULTS: JitOptions = { chunk: 2000, hot: 64, functions: 1500 };
/** For tests: whatever is executed twice. */
export const JIT_EAGER: JitOptions = { chunk: 20, hot: 1, functions: 1500 };

/** Heat of a place where a sample was taken; where control leaves compiled code it is 1. */
const SAMPLE_HEAT = 32;
/** Heat of a place that cannot be compiled. */
const NEVER = 0xff;
const NO_JUMP = 1;
/** Operations that are compiled. */
const COMPILED = new Uint8Array(256).fill(1, OP.LUI, OP.FENCE + 1).fill(1, OP.SH1ADD, OP.AMO + 1);
const AGAIN_MAX = 12;

/** What is made when the first code is compiled. */
interface Compiler extends Translation {
	readonly table: WebAssembly.Table;
	readonly run: (pc: number) => number;
}

/** A compiled function. */
interface Compiled {
	readonly number: number;
	/** Decoded slots at which it is entered, as word indexes. */
	readonly slots: number[];
	/** Numbers of the decoded pages that it was made from. */
	readonly pages: readonly number[];
	/** Addresses of its jumps to addresses that are not fixed. */
	readonly jumps: readonly number[];
	/** Where it begins. */
	readonly root: number;
	/** How often it was compiled before, with fewer targets of its jumps. */
	readonly again: number;
}

export class Jit implements CodeUser, CompiledCode {
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #code: CodeCache;
	readonly #options: JitOptions;
	readonly #decoder = new Decoder();
	#compiler: Compiler | null = null;
	readonly #functions: (Compiled | null)[] = [];
	readonly #jumps = new JumpProfile();
	/** For each jump to an address that is not fixed, the function that it was compiled in. */
	readonly #owners = new Map<number, number>();
	#next = 0;
	/** How hot each decoded slot is. */
	readonly #heat: Uint8Array;
	/** Cycles that the engine has, beyond those of the interpreter's chunk. */
	#rest = 0;
	#seed = 1;
	/** For tests and measurements. */
	readonly counts = { compiled: 0, instructions: 0, bytes: 0, dropped: 0 };

	constructor(memory: Memory, code: CodeCache, options: JitOptions = JIT_DEFAULTS) {
		this.#memory = memory;
		this.#words = memory.i32;
		this.#code = code;
		this.#options = options;
		this.#heat = new Uint8Array(code.slots);
		memory.i32[H_JUMP] = NO_JUMP;
	}

	begin(): void {
		this.#rest = 0;
		this.#give(this.#chunk());
	}

	/** Instructions to the next sample. */
	#chunk(): number {
		// Chunks differ, or loops of the same length would be sampled at one place alone.
		this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) | 0;
		const { chunk } = this.#options;
		return chunk + ((this.#seed >>> 16) % chunk);
	}

	/** Keep all but `cycles` of what is left from the interpreter. */
	#give(cycles: number): void {
		const words = this.#words;
		const keep = Math.max(0, words[H_LEFT]! - cycles);
		words[H_LEFT]! -= keep;
		words[H_BUDGET]! -= keep;
		this.#rest += keep;
	}

	/** Give back what is left of the cycles. */
	end(): void {
		const words = this.#words;
		words[H_LEFT]! += this.#rest;
		words[H_BUDGET]! += this.#rest;
		this.#rest = 0;
	}

	/**
	 * The interpreter has used its chunk, or the next straight line is longer than what is left.
	 * => true: it has a new one, and enters the page of pc
	 */
	more(stop: number): boolean {
		const words = this.#words;
		if (this.#rest === 0) return false;
		const length = this.#length(words[H_PC]!);
		if (stop === STOP_ALONE && words[H_LEFT]! >= length) return false;
		this.#warm(words[H_PC]!, SAMPLE_HEAT);
		this.end();
		this.#give(Math.max(this.#chunk(), length));
		return true;
	}

	/** Length of the straight line at `pc`, in the page being executed. */
	#length(pc: number): number {
		const words = this.#words;
		const first = words[CODE_MAP + ((words[H_FETCH_HOST]! - RAM_OFFSET) >>> PAGE_SHIFT)]!;
		if (first === 0) return 0;
		return this.#memory.u16[LENGTHS + ((first + (pc & PAGE_MASK) - CODE) >> 1)]!;
	}

	/** Run compiled code at pc. => as RareInstructions.execute */
	enter(): number {
		const words = this.#words;
		// The interpreter's chunk goes on: what is between compiled code is sampled, too.
		const chunk = words[H_LEFT]!;
		this.end();
		const next = this.#compiler!.run(words[H_PC]!);
		const pc = next & ~1;
		words[H_PC] = pc;
		if ((next & 1) === 0) {
			if (words[H_JUMP] !== NO_JUMP) this.#jumped(pc);
			else this.#warm(pc, 1);
		}
		const left = words[H_LEFT]!;
		if (left <= 0) return STOP_BUDGET;
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
		const jump = this.#jumps.missed(pc, target);
		if (jump.misses < jump.patience) return;
		jump.patience *= 4;
		this.#compileAgain(jump);
	}

	/** Compile the function with `jump` again, for its targets of now. => false: there is none */
	#compileAgain(jump: Jump): boolean {
		const owner = this.#functions[this.#owners.get(jump.pc) ?? -1] ?? null;
		if (owner === null || !owner.jumps.includes(jump.pc)) return false;
		if (owner.again === AGAIN_MAX) return false;
		jump.misses = 0;
		this.#drop(owner.number);
		return this.#compile(owner.root, owner.again + 1);
	}

	/** The decoded slot of `pc` as a word index, or 0 if its page is not at hand. */
	#slot(pc: number): number {
		const host = this.#host(pc);
		if (host === 0) return 0;
		const first = this.#words[CODE_MAP + ((host - RAM_OFFSET) >>> PAGE_SHIFT)]!;
		return first === 0 ? 0 : first + (pc & PAGE_MASK);
	}

	/** Host offset of the page of `pc`, or 0. */
	#host(pc: number): number {
		const words = this.#words;
		if (((pc ^ words[H_FETCH_PAGE]!) & ~PAGE_MASK) === 0) return words[H_FETCH_HOST]!;
		return words[words[H_TABLES]! + XT + (pc >>> PAGE_SHIFT)]!;
	}

	/** Control is at `pc`, which is not compiled, and worth `heat`. */
	#warm(pc: number, heat: number): void {
		const ip = this.#slot(pc);
		if (ip === 0 || ip >= ALONE) return;
		const op = this.#words[ip]! & 0xff;
		if (op === OP.UNDECODED || op === REGION) return;
		const at = (ip - CODE) >> 1;
		const before = this.#heat[at]!;
		if (before === NEVER) return;
		const now = Math.min(before + heat, NEVER - 1);
		this.#heat[at] = now;
		if (now < this.#options.hot) return;
		const jump = this.#jumps.jumpTo(pc);
		if (jump !== null && this.#compileAgain(jump)) return;
		const done = this.#compile(pc, 0) && (this.#words[ip]! & 0xff) === REGION;
		this.#heat[at] = done ? 0 : NEVER;
	}

	#createCompiler(): Compiler {
		const { wasm, wasmPages } = this.#memory;
		const size = FUNCTIONS_MAX;
		const table = new WebAssembly.Table({ element: "anyfunc", initial: size, maximum: size });
		const module = new WebAssembly.Module(dispatcherModule(wasmPages, size));
		const instance = new WebAssembly.Instance(module, { e: { m: wasm!, t: table } });
		return {
			...{ table, run: instance.exports["0"] as (pc: number) => number },
			...{ effects: effects(), atomics: atomics(), host: (at) => this.#host(at) },
		};
	}

	#compile(pc: number, again: number): boolean {
		const region = regionAt(pc, this.#source);
		if (region === null || region.entries.length === 0) return false;
		const body = new Bytes();
		this.#compiler ??= this.#createCompiler();
		new Emitter(region, this.#compiler, body).emit();
		const bytes = encodeModule({
			pages: this.#memory.wasmPages,
			table: 0,
			types: TYPES,
			functions: [{ type: 0, body }],
		});
		const module = new WebAssembly.Module(bytes);
		const instance = new WebAssembly.Instance(module, { e: { m: this.#memory.wasm! } });
		const number = this.#next;
		this.#next = (number + 1) % this.#options.functions;
		this.#drop(number);
		this.#compiler.table.set(number, instance.exports["0"]);
		const pages = new Set<number>();
		const slots: number[] = [];
		for (const block of region.blocks) {
			if (block.instructions.length > 0) pages.add(this.#code.pageOf(this.#slot(block.pc)));
		}
		for (const block of region.entries) {
			if (block.isCopy || block.instructions.length === 0) continue;
			const slot = this.#slot(block.pc);
			this.#replace(slot);
			this.#words[slot] = REGION | (number << FUNCTION_SHIFT) | (block.entry << ENTRY_SHIFT);
			this.#words[slot + 1] = block.pc;
			slots.push(slot);
		}
		for (const page of pages) this.#code.use(page);
		const jumps: number[] = [];
		for (const block of region.blocks) {
			const jump = block.instructions.at(-1);
			if (block.end !== END_JUMP || isReturn(jump!)) continue;
			jumps.push(jump!.pc);
			this.#owners.set(jump!.pc, number);
		}
		const root = region.start.pc;
		this.#functions[number] = { number, slots, pages: [...pages], jumps, root, again };
		this.counts.compiled++;
		this.counts.instructions += region.instructions;
		this.counts.bytes += bytes.length;
		return true;
	}

	/** A slot that was an entry of another function no longer is. */
	#replace(slot: number): void {
		const word = this.#words[slot]!;
		if ((word & 0xff) !== REGION) return;
		const number = (word >>> FUNCTION_SHIFT) & (FUNCTIONS_MAX - 1);
		const { slots } = this.#functions[number]!;
		slots.splice(slots.indexOf(slot), 1);
		if (slots.length === 0) this.#drop(number);
	}

	#drop(number: number): void {
		const old = this.#functions[number] ?? null;
		if (old === null) return;
		for (const slot of old.slots) this.#words[slot] = OP.UNDECODED;
		this.#functions[number] = null;
		this.#compiler!.table.set(number, null);
		this.counts.dropped++;
	}

	forgotten(page: number): void {
		for (const compiled of this.#functions) {
			if (compiled?.pages.includes(page)) this.#drop(compiled.number);
		}
		this.#heat.fill(0, page * this.#code.pageSlots, (page + 1) * this.#code.pageSlots);
	}

	readonly #source: CodeSource = {
		at: (pc: number): Instruction | null => {
			const ip = this.#slot(pc);
			if (ip === 0 || this.#words[ip] === OP.UNDECODED) return null;
			const word = this.#code.wordAt(ip);
			const length = instructionLength(word);
			if (length === 4 && (pc & PAGE_MASK) === PAGE_MASK - 1) {
				return { op: OP.STRADDLE, rd: 0, rs1: 0, rs2: 0, imm: 0, pc, length };
			}
			const decoder = this.#decoder;
			decoder.decode(word);
			const { op, rd, rs1, rs2 } = decoder;
			const imm = op === OP.AMO ? word >>> 27 : decoder.imm;
			return { op, rd, rs1, rs2, imm, pc, length };
		},
		compiles: (op: number): boolean => COMPILED[op] !== 0,
		targets: (pc: number): readonly number[] => this.#jumps.targets(pc),
	};
}
