/**
 * Makes functions of regions, and keeps them. Several functions become one module, since each
 * module costs the host more than a function does.
 */
import type { CodeCache } from "../code-cache.ts";
import { Decoder, instructionLength } from "../decode.ts";
import { atomics, effects } from "../effects.ts";
import {
	CODE_MAP,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_TABLES,
	type Memory,
	RAM_OFFSET,
	XT,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import { type Block, END_JUMP, type Instruction, isReturn } from "./block.ts";
import {
	dispatcherModule,
	ENTRY_SHIFT,
	FUNCTION_SHIFT,
	FUNCTIONS_MAX,
	TYPES,
} from "./dispatcher.ts";
import { Emitter, type Translation } from "./emit.ts";
import { type Bytes, encodeModule } from "./encoder.ts";
import type { JumpProfile } from "./jump-profile.ts";
import { type CodeSource, regionAt } from "./region.ts";

/** Functions of one module at most. */
const BATCH = 16;
/** Operations that are compiled. */
const COMPILED = new Uint8Array(256).fill(1, OP.LUI, OP.FENCE + 1).fill(1, OP.SH1ADD, OP.AMO + 1);

/** An entry of a function. */
interface Entry {
	/** The decoded slot as a word index. */
	readonly slot: number;
	readonly pc: number;
	/** Its number inside the function. */
	readonly number: number;
}

/** A function, and what it was made from. */
interface Compiled {
	readonly body: Bytes;
	readonly entries: Entry[];
	/** Numbers of decoded pages. */
	readonly pages: ReadonlySet<number>;
	/** Addresses of its jumps to addresses that are not fixed. */
	readonly jumps: readonly number[];
	/** Where it begins. */
	readonly root: number;
	/** How often it was compiled before, with fewer targets of its jumps. */
	readonly again: number;
}

export class Compiler implements CodeSource, Translation {
	readonly effects = effects();
	readonly atomics = atomics();
	/** Run compiled code from a pc, whose page has been looked up: see dispatcher.ts. */
	readonly run: (pc: number) => number;
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #code: CodeCache;
	readonly #jumps: JumpProfile;
	readonly #decoder = new Decoder();
	readonly #table: WebAssembly.Table;
	readonly #functions: (Compiled | null)[];
	#next = 0;
	/** Modules and functions that were made, and the bytes of the modules. */
	readonly made = { modules: 0, functions: 0, bytes: 0 };
	/** Emitted, and not yet functions. */
	readonly #pending: Compiled[] = [];
	/** For each jump to an address that is not fixed, the function that it was compiled in. */
	readonly #owners = new Map<number, Compiled>();

	/** => `functions` are kept at the same time */
	constructor(memory: Memory, code: CodeCache, jumps: JumpProfile, functions: number) {
		this.#memory = memory;
		this.#words = memory.i32;
		this.#code = code;
		this.#jumps = jumps;
		this.#functions = new Array<Compiled | null>(functions).fill(null);
		const size = FUNCTIONS_MAX;
		this.#table = new WebAssembly.Table({ element: "anyfunc", initial: size, maximum: size });
		const module = new WebAssembly.Module(dispatcherModule(memory.wasmPages, size));
		const instance = new WebAssembly.Instance(module, {
			e: { m: memory.wasm!, t: this.#table },
		});
		this.run = instance.exports["0"] as (pc: number) => number;
	}

	/** Functions that wait for their module. */
	get pending(): number {
		return this.#pending.length;
	}

	/** Functions that can be entered. */
	get kept(): number {
		return this.#functions.filter((compiled) => compiled !== null).length;
	}

	/** Compile the region around `pc`. => false: there is none that can be entered there */
	compile(pc: number, again = 0): boolean {
		const region = regionAt(pc, this);
		if (region === null) return false;
		const entries: Entry[] = [];
		for (const block of region.entries) {
			if (block.isCopy || block.instructions.length === 0) continue;
			entries.push({ slot: this.slot(block.pc), pc: block.pc, number: block.entry });
		}
		if (!entries.some((entry) => entry.pc === pc)) return false;
		const body = new Emitter(region, this).emit();
		const pages = this.#pagesOf(region.blocks);
		const jumps: number[] = [];
		for (const { end, instructions } of region.blocks) {
			const jump = instructions.at(-1);
			if (end === END_JUMP && !isReturn(jump!)) jumps.push(jump!.pc);
		}
		const compiled = { body, entries, pages, jumps, root: region.start.pc, again };
		for (const jump of jumps) this.#owners.set(jump, compiled);
		for (const page of pages) this.#code.use(page);
		this.#pending.push(compiled);
		if (this.#pending.length === BATCH) this.finish();
		return true;
	}

	#pagesOf(blocks: readonly Block[]): Set<number> {
		const pages = new Set<number>();
		for (const { pc, instructions } of blocks) {
			if (instructions.length > 0) pages.add(this.#code.pageOf(this.slot(pc)));
		}
		return pages;
	}

	/** Compile the function with the jump at `pc` again, for its targets of now. */
	compileAgain(pc: number, times: number): boolean {
		const owner = this.#owners.get(pc);
		if (owner === undefined || owner.again >= times) return false;
		const number = this.#functions.indexOf(owner);
		if (number < 0 || !this.compile(owner.root, owner.again + 1)) return false;
		this.finish();
		this.#drop(number);
		return true;
	}

	/** Make a module of what waits for it, and have control enter it from now on. */
	finish(): void {
		const compiled = this.#pending.splice(0);
		if (compiled.length === 0) return;
		const bytes = encodeModule({
			pages: this.#memory.wasmPages,
			table: 0,
			types: TYPES,
			functions: compiled.map(({ body }) => ({ type: 0, body })),
		});
		this.made.modules++;
		this.made.functions += compiled.length;
		this.made.bytes += bytes.length;
		const module = new WebAssembly.Module(bytes);
		const { exports } = new WebAssembly.Instance(module, { e: { m: this.#memory.wasm! } });
		for (let i = 0; i < compiled.length; i++) this.#install(compiled[i]!, exports[String(i)]);
	}

	#install(compiled: Compiled, run: unknown): void {
		const number = this.#next;
		this.#next = (number + 1) % this.#functions.length;
		this.#drop(number);
		this.#table.set(number, run);
		this.#functions[number] = compiled;
		for (const { slot, pc, number: entry } of compiled.entries) {
			this.#replace(slot);
			this.#words[slot] = REGION | (number << FUNCTION_SHIFT) | (entry << ENTRY_SHIFT);
			this.#words[slot + 1] = pc;
		}
	}

	/** A slot that was an entry of another function no longer is. */
	#replace(slot: number): void {
		const word = this.#words[slot]!;
		if ((word & 0xff) !== REGION) return;
		const number = (word >>> FUNCTION_SHIFT) & (FUNCTIONS_MAX - 1);
		const { entries } = this.#functions[number]!;
		const at = entries.findIndex((entry) => entry.slot === slot);
		entries.splice(at, 1);
		if (entries.length === 0) this.#drop(number);
	}

	#drop(number: number): void {
		const old = this.#functions[number] ?? null;
		if (old === null) return;
		for (const { slot } of old.entries) {
			const word = this.#words[slot]!;
			const own = ((word >>> FUNCTION_SHIFT) & (FUNCTIONS_MAX - 1)) === number;
			if ((word & 0xff) === REGION && own) this.#words[slot] = OP.UNDECODED;
		}
		for (const jump of old.jumps) {
			if (this.#owners.get(jump) === old) this.#owners.delete(jump);
		}
		this.#functions[number] = null;
		this.#table.set(number, null);
	}

	/** What was made from decoded page `page` is not to be entered any more. */
	forget(page: number): void {
		for (let number = 0; number < this.#functions.length; number++) {
			if (this.#functions[number]?.pages.has(page)) this.#drop(number);
		}
		for (let i = this.#pending.length - 1; i >= 0; i--) {
			if (this.#pending[i]!.pages.has(page)) this.#pending.splice(i, 1);
		}
	}

	/** The decoded slot of `pc` as a word index, or 0 if its page is not at hand. */
	slot(pc: number): number {
		const host = this.host(pc);
		if (host === 0) return 0;
		const first = this.#words[CODE_MAP + ((host - RAM_OFFSET) >>> PAGE_SHIFT)]!;
		return first === 0 ? 0 : first + (pc & PAGE_MASK);
	}

	host(pc: number): number {
		const words = this.#words;
		if (words[H_FETCH_PAGE] === (pc & ~PAGE_MASK)) return words[H_FETCH_HOST]!;
		return words[words[H_TABLES]! + XT + (pc >>> PAGE_SHIFT)]!;
	}

	at(pc: number): Instruction | null {
		const ip = this.slot(pc);
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
	}

	compiles(op: number): boolean {
		return COMPILED[op] !== 0;
	}

	targets(pc: number): readonly number[] {
		return this.#jumps.targets(pc);
	}
}
