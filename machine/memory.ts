/**
 * The one memory of a machine: a WebAssembly.Memory that never grows, so that TypeScript and code
 * compiled at run time see the same bytes and views stay valid. A host without WebAssembly (`node
 * --jitless`) cannot compile code either: there it is a plain ArrayBuffer.
 *
 *   offset        what
 *   0000_0000     hart block: registers, pc and the state of an engine (H_*)
 *   0000_1000     TLB entries, two words each (tlb.ts)
 *   0008_1000     how many entries of the TLB each address space has (tlb.ts)
 *   0009_0000     why stores to each page of RAM and ROM are watched, one byte each (mirror.ts)
 *   0010_0000     code map: one word for each page of RAM, 0 or the index of its decoded code
 *   0040_0000     decoded code (code-cache.ts)
 *   0148_0000     straight-line lengths of decoded code, one halfword for each instruction slot
 *   018a_0000     encodings that were executed alone, and what was decoded of them (code-cache.ts)
 *   0190_0000     the bytes that were decoded
 *   01d0_0000     where compiled code was left, and how often (jit/miss-profile.ts)
 *   0200_0000     the tables of the first context (mirror.ts), 4 MiB each:
 *                 RT: one word for each virtual page, 0 or the host offset of the page for loads
 *                 WT: the same for stores
 *                 XT: the same for instruction fetch
 *                 CT: as WT, for pages of RAM with decoded code, which are not in WT
 *   0300_0000     RAM, physical address 8000_0000
 *   behind RAM    boot ROM, physical address 0000_1000
 *   behind that   the tables of the other contexts, then what they list (mirror.ts)
 *   at the end    how hot each slot of decoded code is (jit/heat.ts)
 *
 * A "host offset" is an index into this memory in bytes. RAM and ROM lie below 1 GiB: an
 * entry of RT is then below 2^30, and one unsigned comparison, (va << 30) >= entry, finds both a
 * missing translation (entry 0) and a misaligned word. The host commits pages when they are
 * touched, so of the 16 MiB of tables for each context only those in use take host memory.
 *
 * The numbers below are repeated as literals in interpreter.ts; a test compares them.
 */

import { canCompile } from "./engine.ts";
import type { CellFaults } from "./fault-hooks.ts";
import { PAGE_SIZE } from "./port.ts";
import { UserError } from "./user-error.ts";

/** Physical address of the first byte of RAM, as on QEMU's virt board. */
export const RAM_BASE = 0x8000_0000;
/** Host offset of the first byte of RAM. */
export const RAM_OFFSET = 0x0300_0000;
const RAM_SIZE_MIN = 0x1_0000;
/** Boot ROM, as on QEMU's virt board: the hart begins there. Software can only read it. */
export const ROM_BASE = 0x1000;
export const ROM_SIZE = 0xf000;
export const RAM_SIZE_MAX = 0x4000_0000 - RAM_OFFSET - ROM_SIZE;

/** Word indexes into the hart block; x0..x31 are words 0..31. */
export const H_SINK = 32; // decoded code writes x0 here
export const H_PC = 33;
export const H_LEFT = 34; // cycles that the engine may still use
export const H_BUDGET = 35; // H_LEFT when the clock was last brought up to date
export const H_STALL = 36; // of the cycles used since then, those that retired nothing
export const H_BASE = 37; // see code-cache.ts
export const H_FETCH_PAGE = 38; // virtual page being executed, its low bits 0; 1 means none
export const H_FETCH_HOST = 39; // host offset of that page
// How far the interpreter has come; see there.
export const H_IP = 40;
export const H_PC_BASE = 41;
export const H_FIRST = 42;
/** Operands that a fault has altered. */
export const H_ALTERED = 43;
export const H_ALTERED_ADDRESS = 44;
/** Host offset that lr.w has reserved, or -1. */
export const H_RESERVATION = 45;
/** The jump by which control has left compiled code for an address unknown before, or 1. */
export const H_JUMP = 46;
/** f0..f31: two words each, the low one first. */
export const H_F = 64;
const F_WORDS = 64;
export const HART_WORDS = H_F + F_WORDS;
// Behind those that a snapshot copies: what it keeps otherwise, or not at all.
export const H_CSR = 128; // csr-words.ts
export const H_CSR_MASK = 144;
export const H_PRIV = 160;
export const H_TABLES = 161; // word index of the running context's tables
export const H_MSTATUS = 162;
export const H_FFLAGS = 163;
export const H_FRM = 164;
export const H_MCOUNTEREN = 165;
export const H_SCOUNTEREN = 166;
/** 1 if the clock that `time` counts is not right. */
export const H_SKEWED = 167;
// Two words each. As a double: what was counted when H_BUDGET was set.
export const H_CYCLES = 168;
export const H_INSTRET = 170;
// As an integer: what is added to it.
export const H_CYCLE_OFFSET = 172;
export const H_INSTRET_OFFSET = 174;
export const H_TIME_OFFSET = 176;
export const H_CONTEXT = 178; // number of the running context
/** For compiled code that walks page tables; see jit/refill.ts. Host offset of the root, or 0. */
export const H_WALK_ROOT = 179;
export const H_WALK_ASID = 180;
/** Bits of a leaf that are looked at, and their values, for a load. */
export const H_WALK_MASK = 181;
export const H_WALK_VALUE = 182;
/** Cycles that its last walk has cost. */
export const H_WALKED = 183;
/** Its misses since they were counted, of loads and of stores. */
export const H_LOAD_MISSES = 184;
export const H_STORE_MISSES = 185;
/** Entries of the TLB for 4 MiB pages. */
export const H_SUPERPAGES = 186;
/** For each context the address space, and how many pages it lists. */
export const H_ASIDS = 187;
export const H_LISTED = 195;
/** What the dispatcher has entered last: word 0 of its slot. */
export const H_ENTERED = 203;
/** Interrupts that were pending, and enabled in mie, when that was looked at last. */
export const H_READY = 204;
/** Fences of one page that were not counted yet. */
export const H_FENCES = 205;
/** The encoding that was decoded to be executed alone. */
export const H_ALONE_WORD = 206;
/** Cycles that the interpreter's loop was not given of what the engine has; see jit/jit.ts. */
export const H_REST = 207;
/** As a double: instructions executed in compiled code. */
export const H_EXECUTED = 208;
/** What the interpreter's loop had left when it entered compiled code. */
export const H_CHUNK = 210;
/** Samples until the functions that wait become a module; 0: none waits. */
export const H_WAIT = 211;
/** Chunks differ by it. */
export const H_SEED = 212;
/** The four words that a page is hashed to: page-hash.ts. */
export const H_HASH = 216;
export const HART_BLOCK = 220;

export const TLB_OFFSET = 0x1000;
export const TLB_ENTRIES_MAX = 0x1_0000;
/** Word index. */
export const TLB_OWNED = (TLB_OFFSET + 8 * TLB_ENTRIES_MAX) >> 2;
export const WATCHED_OFFSET = 0x9_0000;
/** Word indexes. */
export const CODE_MAP = 0x10_0000 >> 2;
export const CODE = 0x40_0000 >> 2;
/** Word index of encodings that were executed alone. */
export const ALONE_MEMO = 0x18a_0000 >> 2;
/** Halfword index of the first straight-line length, and host offset of the decoded bytes. */
export const LENGTHS = 0x148_0000 >> 1;
export const CODE_COPY = 0x190_0000;
/** Word index. */
export const MISSES = 0x1d0_0000 >> 2;
/** Slots of decoded code. */
const HEATS = 1024 * 2049;
/** Where each table is, in words from the tables of its context on. */
export const RT = 0;
export const WT = 0x10_0000;
export const XT = 0x20_0000;
export const CT = 0x30_0000;
const TABLES = 0x40_0000;
const FIRST_TABLES = 0x200_0000 >> 2;
/** Contexts that have tables. */
export const CONTEXTS = 8;

/** Virtual pages that a context lists. */
export const LIST_SIZE = 0x1_0000;
const VIRTUAL_PAGES = 1 << 20;

const WASM_PAGE = 0x1_0000;

export class Memory {
	/** The memory itself, for code compiled at run time; null if the host has no WebAssembly. */
	readonly wasm: WebAssembly.Memory | null;
	/** Its size in pages of 64 KiB. */
	readonly wasmPages: number;
	readonly buffer: ArrayBuffer;
	/** Size of RAM in bytes. */
	readonly ramSize: number;
	/** Views of the whole memory; a host offset, scaled, is the index. */
	readonly i8: Int8Array;
	readonly u8: Uint8Array;
	readonly i16: Int16Array;
	readonly u16: Uint16Array;
	readonly i32: Int32Array;
	readonly f32: Float32Array;
	readonly f64: Float64Array;
	/** Views of RAM alone. */
	readonly ram8: Uint8Array;
	readonly ram32: Int32Array;
	/** The boot ROM; its host offset follows RAM. */
	readonly rom8: Uint8Array;
	/** Pages of RAM and ROM together. */
	readonly pages: number;
	/** x0..x31. */
	readonly x: Int32Array;
	/** f0..f31, as H_F says. */
	readonly f: Int32Array;
	/** Host offset of a byte for each virtual page: which contexts list it. */
	readonly listedOffset: number;
	/** Host offset of the lists, LIST_SIZE words each. */
	readonly listsOffset: number;
	/** Halfword index of how hot the first slot of decoded code is. */
	readonly heat: number;
	/** Word index of the tables of context 1. */
	readonly #tables: number;
	/** null while no cell of RAM errs. */
	cells: CellFaults | null = null;

	/** => UserError for a size that is out of range or not a multiple of a page. */
	constructor(ramSize: number) {
		if (!(ramSize >= RAM_SIZE_MIN && ramSize <= RAM_SIZE_MAX && ramSize % PAGE_SIZE === 0)) {
			throw new UserError(
				`RAM size ${ramSize}: must be a multiple of ${PAGE_SIZE} ` +
					`from ${RAM_SIZE_MIN} to ${RAM_SIZE_MAX} bytes`,
			);
		}
		this.#tables = Math.ceil((RAM_OFFSET + ramSize + ROM_SIZE) / WASM_PAGE) * (WASM_PAGE >> 2);
		this.listedOffset = 4 * this.tables(CONTEXTS);
		this.listsOffset = this.listedOffset + VIRTUAL_PAGES;
		const heatOffset = this.listsOffset + 4 * CONTEXTS * LIST_SIZE;
		this.heat = heatOffset >>> 1;
		const pages = Math.ceil((heatOffset + 2 * HEATS) / WASM_PAGE);
		this.wasmPages = pages;
		this.wasm = canCompile() ? new WebAssembly.Memory({ initial: pages, maximum: pages }) : null;
		const buffer = this.wasm?.buffer ?? new ArrayBuffer(pages * WASM_PAGE);
		this.buffer = buffer;
		this.ramSize = ramSize;
		this.i8 = new Int8Array(buffer);
		this.u8 = new Uint8Array(buffer);
		this.i16 = new Int16Array(buffer);
		this.u16 = new Uint16Array(buffer);
		this.i32 = new Int32Array(buffer);
		this.f32 = new Float32Array(buffer);
		this.f64 = new Float64Array(buffer);
		this.ram8 = new Uint8Array(buffer, RAM_OFFSET, ramSize);
		this.ram32 = new Int32Array(buffer, RAM_OFFSET, ramSize >> 2);
		this.rom8 = new Uint8Array(buffer, RAM_OFFSET + ramSize, ROM_SIZE);
		this.pages = (ramSize + ROM_SIZE) / PAGE_SIZE;
		this.x = new Int32Array(buffer, 0, 32);
		this.f = new Int32Array(buffer, H_F * 4, F_WORDS);
		this.i32[H_FETCH_PAGE] = 1;
		this.i32[H_TABLES] = this.tables(0);
	}

	/** Word index of the tables of context `n`. */
	tables(n: number): number {
		return n === 0 ? FIRST_TABLES : this.#tables + (n - 1) * TABLES;
	}

	/**
	 * Host offset of the `bytes` bytes at physical address `pa`.
	 * => -1 unless all of them lie in RAM.
	 */
	offsetOf(pa: number, bytes: number): number {
		return this.offsetAt(pa - RAM_BASE, bytes);
	}

	/** The same, where RAM begins at 0. */
	offsetAt(at: number, bytes: number): number {
		return at >= 0 && at + bytes <= this.ramSize ? at + RAM_OFFSET : -1;
	}

	/** Host offset of physical page `ppn`. => negative, and by a page at least, unless it is RAM */
	offsetOfPage(ppn: number): number {
		const page = ppn - RAM_BASE / PAGE_SIZE;
		return page >= 0 && page < this.ramSize / PAGE_SIZE
			? page * PAGE_SIZE + RAM_OFFSET
			: -PAGE_SIZE;
	}

	/** Host offset of the byte of ROM at physical address `pa`. => -1 if it lies elsewhere. */
	romOffsetOf(pa: number): number {
		const offset = pa - ROM_BASE;
		return offset >= 0 && offset < ROM_SIZE ? offset + RAM_OFFSET + this.ramSize : -1;
	}
}
