/**
 * Makes functions of regions, and keeps them. Several functions become one module, since each
 * module costs the host more than a function does.
 */
import type { CodeCache } from "../code-cache.ts";
import { Decoder, instructionLength } from "../decode.ts";
import { atomics, bitEffects, type Expression, effects } from "../effects.ts";
import {
	CODE_MAP,
	H_ENTERED,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_TABLES,
	type Memory,
	RAM_OFFSET,
	XT,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import { type Block, END_JUMP, END_STRIP, type Instruction, isReturn } from "./block.ts";
import { CSR_IMMEDIATE, compilesCsr } from "./csr.ts";
import {
	dispatcherModule,
	ENTRY_SHIFT,
	FUNCTION_SHIFT,
	FUNCTIONS_MAX,
	TYPES,
} from "./dispatcher.ts";
import { Emitter, type Translation } from "./emit.ts";
import { type Bytes, encodeModule } from "./encoder.ts";
import { compilesFloat } from "./float.ts";
import type { Heat } from "./heat.ts";
import type { JumpProfile } from "./jump-profile.ts";
import type { MissProfile } from "./miss-profile.ts";
import { refillModule } from "./refill.ts";
import type { Walks } from "./refill-tlb.ts";
import { type CodeSource, regionAt } from "./region.ts";

/** Functions of one module at most. */
const BATCH = 16;
/** Operations that are compiled. */
const COMPILED = new Uint8Array(256)
	.fill(1, OP.LUI, OP.FENCE + 1)
	.fill(1, OP.SH1ADD, OP.AMO + 1)
	.fill(1, OP.BITS, OP.BITS + 1);

/** What is known of guest code that was compiled before. */
export interface Profile {
	readonly jumps: JumpProfile;
	readonly misses: MissProfile;
}

/** The function that the slot of an entry names. */
const numberOf = (word: number): number => (word >>> FUNCTION_SHIFT) & (FUNCTIONS_MAX - 1);

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

/** Is there nothing to compile? */
const isEmpty = ({ end, instructions }: Block): boolean =>
	instructions.length === 0 && end !== END_STRIP;

export class Compiler implements CodeSource, Translation {
	readonly effects = effects();
	readonly atomics = atomics();
	readonly #bits = bitEffects();
	/** Run compiled code from a pc, whose page has been looked up: see dispatcher.ts. */
	readonly run: (pc: number) => number;
	readonly #memory: Memory;
	readonly #words: Int32Array;
	readonly #code: CodeCache;
	readonly #profile: Profile;
	readonly #heat: Heat;
	readonly #decoder = new Decoder();
	readonly walkCycles: number;
	readonly #table: WebAssembly.Table;
	readonly #refill: unknown;
	readonly #functions: (Compiled | null)[];
	#next = 0;
	/** Modules and functions that were made, and the bytes of the modules. */
	readonly made = { modules: 0, functions: 0, bytes: 0 };
	/** Emitted, and not yet functions. */
	readonly #pending: Compiled[] = [];
	/** For each jump to an address that is not fixed, the function that it was compiled in. */
	readonly #owners = new Map<number, Compiled>();

	/** => `functions` are kept at the same time */
	constructor(
		memory: Memory,
		code: CodeCache,
		walks: Walks,
		profile: Profile,
		heat: Heat,
		functions: number,
	) {
		this.#memory = memory;
		this.#words = memory.i32;
		this.#code = code;
		this.#profile = profile;
		this.#heat = heat;
		this.walkCycles = walks.walkCycles;
		this.#functions = new Array<Compiled | null>(functions).fill(null);
		const size = FUNCTIONS_MAX;
		this.#table = new WebAssembly.Table({ element: "anyfunc", initial: size, maximum: size });
		const module = new WebAssembly.Module(dispatcherModule(memory.wasmPages, size));
		const m = memory.wasm!;
		const instance = new WebAssembly.Instance(module, { e: { m, t: this.#table } });
		const refill = new WebAssembly.Module(refillModule(memory, walks));
		this.#refill = new WebAssembly.Instance(refill, { e: { m } }).exports["0"];
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
			if (block.isCopy || isEmpty(block)) continue;
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
		// Before it is installed another function with the same entries is not wanted.
		for (const { slot } of entries) this.#heat.settle(slot);
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
		return owner !== undefined && this.#again(this.#functions.indexOf(owner), times);
	}

	/** Compile the function that was entered last again, for what is known of it now. */
	compileLastAgain(times: number): boolean {
		return this.#again(numberOf(this.#words[H_ENTERED]!), times);
	}

	#again(number: number, times: number): boolean {
		const old = this.#functions[number] ?? null;
		if (old === null || old.again >= times) return false;
		if (!this.compile(old.root, old.again + 1)) return false;
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
			imported: [0],
			types: TYPES,
			functions: compiled.map(({ body }) => ({ type: 0, body })),
		});
		this.made.modules++;
		this.made.functions += compiled.length;
		this.made.bytes += bytes.length;
		const module = new WebAssembly.Module(bytes);
		const { exports } = new WebAssembly.Instance(module, {
			e: { m: this.#memory.wasm!, f0: this.#refill },
		});
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
		const number = numberOf(word);
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
			if ((word & 0xff) !== REGION || numberOf(word) !== number) continue;
			this.#words[slot] = OP.UNDECODED;
			this.#heat.cool(slot);
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
		let word = this.#code.wordAt(ip);
		const length = instructionLength(word);
		let upper = -1;
		if (length === 4 && (pc & PAGE_MASK) === PAGE_MASK - 1) {
			const next = this.host(pc + 2);
			if (next === 0) {
				return { op: OP.STRADDLE, rd: 0, rs1: 0, rs2: 0, imm: 0, pc, length, upper };
			}
			upper = this.#memory.u16[next >> 1]!;
			word = (word & 0xffff) | (upper << 16);
		}
		const decoder = this.#decoder;
		decoder.decode(word);
		const { op, rd, rs2 } = decoder;
		const isNumber = op === OP.CSR && (word & CSR_IMMEDIATE) !== 0;
		const rs1 = isNumber ? 0 : decoder.rs1;
		const isEncoding = op === OP.CSR || op === OP.BITS;
		const imm = op === OP.AMO ? word >>> 27 : isEncoding ? word : decoder.imm;
		return { op, rd, rs1, rs2, imm, pc, length, upper };
	}

	compiles(instruction: Instruction): boolean {
		if (COMPILED[instruction.op] !== 0) return true;
		return compilesFloat(instruction) || compilesCsr(instruction);
	}

	bits({ imm }: Instruction): Expression {
		this.#decoder.decode(imm);
		return this.#bits.get(this.#decoder.instruction!.name)!;
	}

	targets(pc: number): readonly number[] {
		return this.#profile.jumps.targets(pc);
	}

	functionOf(pc: number): number | null {
		const ip = this.slot(pc);
		const called = ip === 0 ? -1 : this.#code.calledBefore(ip);
		return called < 0 ? null : (pc + called - ip) | 0;
	}

	misses(pc: number): boolean {
		return this.#profile.misses.isFrequent(pc);
	}
}
