/**
 * The reference interpreter: runs decoded code (code-cache.ts) until an event needs
 * another part of the hart. Every other engine must behave exactly as this one does.
 *
 * What makes it fast, measured:
 * - nearly everything that its loop touches lies in one Int32Array, so that one base and one length
 *   stay in registers; the loop calls nothing, or the compiler would have to load them again;
 * - every sum ends in `| 0`, or loop variables would be tagged values;
 * - the switch has number literals (OP in op.ts), which become a jump table;
 * - the step of `ip` is a constant in each case, so it does not wait for the loaded instruction:
 *   hence the two-byte variants;
 * - instructions are counted by straight lines (code-cache.ts), not one by one.
 *
 * Most of its cases are made of the instruction table: see generate/cases.ts.
 *
 * The literals are indexes of memory.ts, and a test compares them: 0x10_0000 WT, 0x20_0000 XT,
 * 0x30_0000 CT, 0x4_0000 CODE_MAP, 0x9c_0000 LENGTHS less half of CODE, 0x300_0000 RAM_OFFSET;
 * 33 H_PC, 34 H_LEFT, 37 H_BASE, 38 H_FETCH_PAGE, 39 H_FETCH_HOST, 40 H_IP, 41 H_PC_BASE,
 * 42 H_FIRST, 45 H_RESERVATION, 160 H_PRIV, 161 H_TABLES; 16 from H_CSR to H_CSR_MASK. Reading an
 * imported constant in the loop would cost more than the instruction.
 */
import { loopOf } from "./jit/loop-instance.ts";
import { type LoopUser, loopWithRare } from "./jit/loop-rare.ts";
import { H_BASE, H_FIRST, H_IP, H_PC_BASE, type Memory } from "./memory.ts";
import {
	type RareInstructions,
	STOP_ALONE,
	STOP_BUDGET,
	STOP_COMPILED,
	STOP_ENTER,
	STOP_RARE,
} from "./rare.ts";
import { warmUp } from "./warm-up.ts";

/** Software of so many times as many instructions as the loop is worth is worth the rest, too. */
const RARE_FACTOR = 50;

export class Interpreter {
	readonly #memory: Memory;
	readonly #rare: RareInstructions;
	/** Does what #run does, compiled; null: it is not, or not yet. */
	#loop: (() => number) | null = null;
	/** The same with some of what RareInstructions does, for slices that run compiled code. */
	#withRare: (() => number) | null = null;
	/** Instructions after which they are made. */
	#compileAfter = Number.POSITIVE_INFINITY;
	#user: (() => LoopUser) | null = null;

	constructor(memory: Memory, rare: RareInstructions) {
		this.#memory = memory;
		this.#rare = rare;
	}

	/** Have the host's compiler see all of the loop. => memory is as it was */
	warmUp(): void {
		warmUp(this.#memory, () => this.#run());
	}

	/**
	 * Have the loop be one of WebAssembly after so many instructions; Infinity: never.
	 * => `user`: null if RareInstructions does everything that it can
	 */
	compileAfter(
		instructions = Number.POSITIVE_INFINITY,
		user: (() => LoopUser) | null = null,
	): void {
		this.#loop = this.#withRare = null;
		this.#compileAfter = instructions;
		this.#user = user;
	}

	/** To be called before slices. => cycles that may pass before it is to be called again */
	compileOnce(counters: { readonly instret: number }): number {
		if (this.#compileAfter === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
		const rest = this.#compileAfter - counters.instret;
		if (rest > 0) return rest;
		if (this.#loop === null) {
			this.#loop = this.#withRare = loopOf(this.#memory);
			this.#compileAfter =
				this.#user === null ? Number.POSITIVE_INFINITY : RARE_FACTOR * this.#compileAfter;
			return this.compileOnce(counters);
		}
		this.#withRare = loopWithRare(this.#memory, this.#user!(), this.#loop);
		this.#compileAfter = Number.POSITIVE_INFINITY;
		return Number.POSITIVE_INFINITY;
	}

	/**
	 * Run from the slot at word index `ip`.
	 *
	 * => `first` is the first slot of the page being executed, that of H_FETCH_PAGE; `pcBase` is
	 *    the address of the slot less `ip`; `base` is as in code-cache.ts, and not negative.
	 * => STOP_*; pc and the cycles left are in the hart block.
	 */
	execute(ip: number, pcBase: number, base: number, first: number): number {
		const words = this.#memory.i32;
		words[H_IP] = ip;
		words[H_PC_BASE] = pcBase;
		words[H_BASE] = base;
		words[H_FIRST] = first;
		const loop = this.#rare.compiled === null ? this.#loop : this.#withRare;
		for (;;) {
			let stop = loop === null ? this.#run() : loop();
			if (stop === STOP_COMPILED) {
				stop = this.#rare.compiled!.left();
				if (stop === STOP_RARE) continue;
			}
			if (stop !== STOP_RARE) return stop;
			const rare = this.#rare.execute();
			if (rare !== STOP_RARE) return rare;
		}
	}

	#run(): number {
		const { i32: m32, i8, u8, i16, u16 } = this.#memory;
		let ip = m32[40]!;
		let pcBase = m32[41]!;
		let base = m32[37]!;
		let first = m32[42]!;
		let page = m32[38]!;
		const tables = m32[161]!;
		let pc = 0;
		let left = 0;
		let va = 0;
		let e = 0;
		for (;;) {
			// biome-ignore lint/suspicious/noConfusingLabels: jumps leave the switch for what follows it
			jump: {
				let w = m32[ip]!;
				switch (w & 0xff) {
					// Made by npm run generate: a case for each form of an instruction, from here
					case 1: // lui
						m32[(w >>> 8) & 0xff] = m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 2: // c.lui, c.li
						m32[(w >>> 8) & 0xff] = m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 3: // auipc
						m32[(w >>> 8) & 0xff] = ip + pcBase + m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 4: // jal
						m32[(w >>> 8) & 0xff] = ip + pcBase + 4;
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 5: // jal out of the page
						pc = (ip + pcBase + m32[(ip + 1) | 0]!) | 0;
						m32[(w >>> 8) & 0xff] = ip + pcBase + 4;
						left = base;
						break jump;
					case 6: // c.j
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 7: // c.j out of the page
						pc = (ip + pcBase + m32[(ip + 1) | 0]!) | 0;
						left = base;
						break jump;
					case 8: // c.jal
						m32[1] = ip + pcBase + 2;
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 9: // c.jal out of the page
						pc = (ip + pcBase + m32[(ip + 1) | 0]!) | 0;
						m32[1] = ip + pcBase + 2;
						left = base;
						break jump;
					case 10: // jalr
						pc = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) & ~1;
						m32[(w >>> 8) & 0xff] = ip + pcBase + 4;
						left = base;
						break jump;
					case 11: // c.jr
						pc = m32[(w >>> 16) & 0xff]! & ~1;
						left = base;
						break jump;
					case 12: // c.jalr
						pc = m32[(w >>> 16) & 0xff]! & ~1;
						m32[1] = ip + pcBase + 2;
						left = base;
						break jump;
					case 13: // beq
						if (m32[(w >>> 16) & 0xff]! !== m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 14: // bne
						if (m32[(w >>> 16) & 0xff]! === m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 15: // blt
						if (m32[(w >>> 16) & 0xff]! >= m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 16: // bge
						if (m32[(w >>> 16) & 0xff]! < m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 17: // bltu
						if (m32[(w >>> 16) & 0xff]! >>> 0 >= m32[w >>> 24]! >>> 0) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 18: // bgeu
						if (m32[(w >>> 16) & 0xff]! >>> 0 < m32[w >>> 24]! >>> 0) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 19: // beq out of the page
						if (m32[(w >>> 16) & 0xff]! !== m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 20: // bne out of the page
						if (m32[(w >>> 16) & 0xff]! === m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 21: // blt out of the page
						if (m32[(w >>> 16) & 0xff]! >= m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 22: // bge out of the page
						if (m32[(w >>> 16) & 0xff]! < m32[w >>> 24]!) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 23: // bltu out of the page
						if (m32[(w >>> 16) & 0xff]! >>> 0 >= m32[w >>> 24]! >>> 0) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 24: // bgeu out of the page
						if (m32[(w >>> 16) & 0xff]! >>> 0 < m32[w >>> 24]! >>> 0) {
							ip = (ip + 4) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 25: // c.beqz
						if (m32[(w >>> 16) & 0xff]! !== 0) {
							ip = (ip + 2) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 26: // c.bnez
						if (m32[(w >>> 16) & 0xff]! === 0) {
							ip = (ip + 2) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						ip = (ip + (w >> 16)) | 0;
						base = (base + ((w << 16) >> 16)) | 0;
						if (base >= 0) continue;
						break;
					case 27: // c.beqz out of the page
						if (m32[(w >>> 16) & 0xff]! !== 0) {
							ip = (ip + 2) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 28: // c.bnez out of the page
						if (m32[(w >>> 16) & 0xff]! === 0) {
							ip = (ip + 2) | 0;
							continue;
						}
						w = m32[(ip + 1) | 0]!;
						pc = (ip + pcBase + (w >> 16)) | 0;
						left = (base + (w & 0xffff)) | 0;
						break jump;
					case 29: // lb
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if (e === 0) break;
						m32[(w >>> 8) & 0xff] = i8[e + (va & 0xfff)]!;
						ip = (ip + 4) | 0;
						continue;
					case 30: // lh
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 31) >>> 0 >= e >>> 0) break;
						m32[(w >>> 8) & 0xff] = i16[(e + (va & 0xfff)) >> 1]!;
						ip = (ip + 4) | 0;
						continue;
					case 31: // lw
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						m32[(w >>> 8) & 0xff] = m32[(e + (va & 0xfff)) >> 2]!;
						ip = (ip + 4) | 0;
						continue;
					case 32: // lbu
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if (e === 0) break;
						m32[(w >>> 8) & 0xff] = u8[e + (va & 0xfff)]!;
						ip = (ip + 4) | 0;
						continue;
					case 33: // lhu
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 31) >>> 0 >= e >>> 0) break;
						m32[(w >>> 8) & 0xff] = u16[(e + (va & 0xfff)) >> 1]!;
						ip = (ip + 4) | 0;
						continue;
					case 34: // sb
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if (e === 0) break;
						u8[e + (va & 0xfff)] = m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 35: // sh
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 31) >>> 0 >= e >>> 0) break;
						u16[(e + (va & 0xfff)) >> 1] = m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 36: // sw
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						m32[(e + (va & 0xfff)) >> 2] = m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 37: // c.lw, c.lwsp
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						m32[(w >>> 8) & 0xff] = m32[(e + (va & 0xfff)) >> 2]!;
						ip = (ip + 2) | 0;
						continue;
					case 38: // c.sw, c.swsp
						va = (m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						m32[(e + (va & 0xfff)) >> 2] = m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 39: // addi
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 40: // slti
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! < m32[(ip + 1) | 0]! ? 1 : 0;
						ip = (ip + 4) | 0;
						continue;
					case 41: // sltiu
						m32[(w >>> 8) & 0xff] =
							m32[(w >>> 16) & 0xff]! >>> 0 < m32[(ip + 1) | 0]! >>> 0 ? 1 : 0;
						ip = (ip + 4) | 0;
						continue;
					case 42: // xori
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! ^ m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 43: // ori
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 44: // andi
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 45: // slli
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! << m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 46: // srli
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >>> m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 47: // srai
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >> m32[(ip + 1) | 0]!;
						ip = (ip + 4) | 0;
						continue;
					case 48: // add
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! + m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 49: // sub
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! - m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 50: // sll
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! << m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 51: // slt
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! < m32[w >>> 24]! ? 1 : 0;
						ip = (ip + 4) | 0;
						continue;
					case 52: // sltu
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >>> 0 < m32[w >>> 24]! >>> 0 ? 1 : 0;
						ip = (ip + 4) | 0;
						continue;
					case 53: // xor
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! ^ m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 54: // srl
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >>> m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 55: // sra
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >> m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 56: // or
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 57: // and
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 58: // mul
						m32[(w >>> 8) & 0xff] = Math.imul(m32[(w >>> 16) & 0xff]!, m32[w >>> 24]!);
						ip = (ip + 4) | 0;
						continue;
					case 59: // mulh
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						// The unsigned product from halves, then what the signs take away.
						pc =
							(Math.imul(va >>> 16, e & 0xffff) + (Math.imul(va & 0xffff, e & 0xffff) >>> 16)) | 0;
						left = (Math.imul(va & 0xffff, e >>> 16) + (pc & 0xffff)) | 0;
						left = (Math.imul(va >>> 16, e >>> 16) + (pc >>> 16) + (left >>> 16)) | 0;
						left = (left - ((va >> 31) & e)) | 0;
						left = (left - ((e >> 31) & va)) | 0;
						m32[(w >>> 8) & 0xff] = left;
						ip = (ip + 4) | 0;
						continue;
					case 60: // mulhsu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						// The unsigned product from halves, then what the signs take away.
						pc =
							(Math.imul(va >>> 16, e & 0xffff) + (Math.imul(va & 0xffff, e & 0xffff) >>> 16)) | 0;
						left = (Math.imul(va & 0xffff, e >>> 16) + (pc & 0xffff)) | 0;
						left = (Math.imul(va >>> 16, e >>> 16) + (pc >>> 16) + (left >>> 16)) | 0;
						left = (left - ((va >> 31) & e)) | 0;
						m32[(w >>> 8) & 0xff] = left;
						ip = (ip + 4) | 0;
						continue;
					case 61: // mulhu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						// The unsigned product from halves, then what the signs take away.
						pc =
							(Math.imul(va >>> 16, e & 0xffff) + (Math.imul(va & 0xffff, e & 0xffff) >>> 16)) | 0;
						left = (Math.imul(va & 0xffff, e >>> 16) + (pc & 0xffff)) | 0;
						left = (Math.imul(va >>> 16, e >>> 16) + (pc >>> 16) + (left >>> 16)) | 0;
						m32[(w >>> 8) & 0xff] = left;
						ip = (ip + 4) | 0;
						continue;
					case 62: // div
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = e === 0 ? -1 : (va / e) | 0;
						ip = (ip + 4) | 0;
						continue;
					case 63: // divu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = e === 0 ? -1 : ((va >>> 0) / (e >>> 0)) | 0;
						ip = (ip + 4) | 0;
						continue;
					case 64: // rem
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = e === 0 ? va : (va % e) | 0;
						ip = (ip + 4) | 0;
						continue;
					case 65: // remu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = e === 0 ? va : ((va >>> 0) % (e >>> 0)) | 0;
						ip = (ip + 4) | 0;
						continue;
					case 66: // c.addi4spn, c.addi, c.addi16sp
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! + m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 67: // c.andi
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 68: // c.slli
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! << m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 69: // c.srli
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >>> m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 70: // c.srai
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! >> m32[(ip + 1) | 0]!;
						ip = (ip + 2) | 0;
						continue;
					case 71: // c.add
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! + m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 72: // c.sub
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! - m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 73: // c.xor
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! ^ m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 74: // c.or
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 75: // c.and
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 76: // c.mv
						m32[(w >>> 8) & 0xff] = m32[w >>> 24]!;
						ip = (ip + 2) | 0;
						continue;
					case 77: // fence
						ip = (ip + 4) | 0;
						continue;
					case 80: // sh1add
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! << 1) + m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 81: // sh2add
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! << 2) + m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 82: // sh3add
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! << 3) + m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 83: // andn
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & ~m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 84: // orn
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | ~m32[w >>> 24]!;
						ip = (ip + 4) | 0;
						continue;
					case 85: // xnor
						m32[(w >>> 8) & 0xff] = ~(m32[(w >>> 16) & 0xff]! ^ m32[w >>> 24]!);
						ip = (ip + 4) | 0;
						continue;
					case 86: // clz
						m32[(w >>> 8) & 0xff] = Math.clz32(m32[(w >>> 16) & 0xff]!);
						ip = (ip + 4) | 0;
						continue;
					case 87: // ctz
						va = m32[(w >>> 16) & 0xff]!;
						m32[(w >>> 8) & 0xff] = va === 0 ? 32 : 31 - Math.clz32(va & -va);
						ip = (ip + 4) | 0;
						continue;
					case 88: // cpop
						va = m32[(w >>> 16) & 0xff]!;
						va = (va - ((va >>> 1) & 0x5555_5555)) | 0;
						va = ((va & 0x3333_3333) + ((va >>> 2) & 0x3333_3333)) | 0;
						va = (va + (va >>> 4)) & 0xf0f_0f0f;
						m32[(w >>> 8) & 0xff] = Math.imul(va, 0x101_0101) >>> 24;
						ip = (ip + 4) | 0;
						continue;
					case 89: // max
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = va > e ? va : e;
						ip = (ip + 4) | 0;
						continue;
					case 90: // maxu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = va >>> 0 > e >>> 0 ? va : e;
						ip = (ip + 4) | 0;
						continue;
					case 91: // min
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = va < e ? va : e;
						ip = (ip + 4) | 0;
						continue;
					case 92: // minu
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = va >>> 0 < e >>> 0 ? va : e;
						ip = (ip + 4) | 0;
						continue;
					case 93: // sext.b
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! << 24) >> 24;
						ip = (ip + 4) | 0;
						continue;
					case 94: // sext.h
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! << 16) >> 16;
						ip = (ip + 4) | 0;
						continue;
					case 95: // zext.h
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & 0xffff;
						ip = (ip + 4) | 0;
						continue;
					case 96: // rol
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = (va << e) | (va >>> -e);
						ip = (ip + 4) | 0;
						continue;
					case 97: // ror
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[w >>> 24]!;
						m32[(w >>> 8) & 0xff] = (va >>> e) | (va << -e);
						ip = (ip + 4) | 0;
						continue;
					case 98: // rori
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(ip + 1) | 0]!;
						m32[(w >>> 8) & 0xff] = (va >>> e) | (va << -e);
						ip = (ip + 4) | 0;
						continue;
					case 99: // orc.b
						va = m32[(w >>> 16) & 0xff]!;
						m32[(w >>> 8) & 0xff] = Math.imul(
							((((va & 0x7f7f_7f7f) + 0x7f7f_7f7f) | va) >>> 7) & 0x101_0101,
							0xff,
						);
						ip = (ip + 4) | 0;
						continue;
					case 100: // rev8
						va = m32[(w >>> 16) & 0xff]!;
						m32[(w >>> 8) & 0xff] =
							(va << 24) | ((va & 0xff00) << 8) | ((va >>> 8) & 0xff00) | (va >>> 24);
						ip = (ip + 4) | 0;
						continue;
					case 101: // bclr
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & ~(1 << m32[w >>> 24]!);
						ip = (ip + 4) | 0;
						continue;
					case 102: // bext
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! >>> m32[w >>> 24]!) & 1;
						ip = (ip + 4) | 0;
						continue;
					case 103: // binv
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! ^ (1 << m32[w >>> 24]!);
						ip = (ip + 4) | 0;
						continue;
					case 104: // bset
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | (1 << m32[w >>> 24]!);
						ip = (ip + 4) | 0;
						continue;
					case 105: // bclri
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! & ~(1 << m32[(ip + 1) | 0]!);
						ip = (ip + 4) | 0;
						continue;
					case 106: // bexti
						m32[(w >>> 8) & 0xff] = (m32[(w >>> 16) & 0xff]! >>> m32[(ip + 1) | 0]!) & 1;
						ip = (ip + 4) | 0;
						continue;
					case 107: // binvi
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! ^ (1 << m32[(ip + 1) | 0]!);
						ip = (ip + 4) | 0;
						continue;
					case 108: // bseti
						m32[(w >>> 8) & 0xff] = m32[(w >>> 16) & 0xff]! | (1 << m32[(ip + 1) | 0]!);
						ip = (ip + 4) | 0;
						continue;
					case 111: // amo*.w
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						e = (e + (va & 0xfff)) >> 2;
						va = m32[e]!;
						left = m32[w >>> 24]!;
						switch (m32[(ip + 1) | 0]!) {
							case 0: // amoadd.w
								m32[e] = va + left;
								break;
							case 1: // amoswap.w
								m32[e] = left;
								break;
							case 4: // amoxor.w
								m32[e] = va ^ left;
								break;
							case 8: // amoor.w
								m32[e] = va | left;
								break;
							case 12: // amoand.w
								m32[e] = va & left;
								break;
							case 16: // amomin.w
								m32[e] = va < left ? va : left;
								break;
							case 20: // amomax.w
								m32[e] = va > left ? va : left;
								break;
							case 24: // amominu.w
								m32[e] = va >>> 0 < left >>> 0 ? va : left;
								break;
							default: // amomaxu.w
								m32[e] = va >>> 0 > left >>> 0 ? va : left;
								break;
						}
						m32[(w >>> 8) & 0xff] = va;
						ip = (ip + 4) | 0;
						continue;
					// to here.
					case 109: // lr.w
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						e = (e + (va & 0xfff)) | 0;
						m32[(w >>> 8) & 0xff] = m32[e >> 2]!;
						m32[45] = e;
						ip = (ip + 4) | 0;
						continue;
					case 110: // sc.w
						va = m32[(w >>> 16) & 0xff]!;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) break;
						e = (e + (va & 0xfff)) | 0;
						if (m32[45] === e) {
							m32[e >> 2] = m32[w >>> 24]!;
							m32[(w >>> 8) & 0xff] = 0;
						} else m32[(w >>> 8) & 0xff] = 1;
						m32[45] = -1;
						ip = (ip + 4) | 0;
						continue;
					case 115: // csrrw, csrrs, csrrc and their immediate forms
						e = m32[(ip + 1) | 0]!;
						left = w >>> 24;
						if (left === 0 || m32[160]! < ((e >>> 28) & 3)) break;
						pc = (e & 0x4000) !== 0 ? (e >>> 15) & 31 : m32[(w >>> 16) & 0xff]!;
						va = m32[left]!;
						if ((e & 0x2000) !== 0) pc = (e & 0x1000) !== 0 ? va & ~pc : va | pc;
						m32[left] = pc & m32[(left + 16) | 0]!;
						m32[(w >>> 8) & 0xff] = va;
						ip = (ip + 4) | 0;
						continue;
					case 78: // the next page follows
						pc = (ip + pcBase) | 0;
						left = base;
						break jump;
					case 79: // behind an instruction executed alone
						pc = (ip + pcBase) | 0;
						left = base;
						break jump;
				}
				if (base >= 0) {
					// A store into a page with decoded code: what was made of these bytes is forgotten.
					pc = w & 0xff;
					if (pc >= 34 && pc <= 38 && pc !== 37) {
						e = m32[(tables + 0x30_0000 + (va >>> 12)) | 0]!;
						left = pc === 34 ? 0 : pc === 35 ? 1 : 3;
						if (e !== 0 && (va & left) === 0) {
							left = m32[0x4_0000 + ((e - 0x300_0000) >> 12)]!;
							if (left !== 0) {
								e = (e + (va & 0xfff)) | 0;
								va = (left + (va & 0xffe)) | 0;
								// A four-byte instruction may begin one halfword earlier.
								if (
									(m32[va]! | m32[(va + 2) | 0]!) !== 0 ||
									(va !== left && m32[(va - 2) | 0] !== 0 && (u16[(e >> 1) - 1]! & 3) === 3)
								) {
									if (m32[(left + 4097) | 0]! <= 0) left = 0;
									else {
										m32[(left + 4097) | 0]!--;
										if (va !== left) m32[(va - 2) | 0] = 0;
										m32[va] = 0;
										if (pc >= 36) m32[(va + 2) | 0] = 0;
									}
								}
								if (left !== 0) {
									if (pc === 34) u8[e] = m32[w >>> 24]!;
									else if (pc === 35) u16[e >> 1] = m32[w >>> 24]!;
									else m32[e >> 2] = m32[w >>> 24]!;
									ip = (pc === 38 ? ip + 2 : ip + 4) | 0;
									continue;
								}
							}
						}
					}
					m32[40] = ip;
					m32[41] = pcBase;
					m32[37] = base;
					m32[42] = first;
					return STOP_RARE;
				}
				// A branch was taken, and the next straight line is longer than the cycles last.
				pc = (ip + pcBase) | 0;
				left = (base + u16[0x9c_0000 + (ip >> 1)]!) | 0;
			}
			// Control goes to pc with `left` cycles left.
			m32[33] = pc;
			m32[34] = left;
			if (left <= 0) return STOP_BUDGET;
			if (((pc ^ page) & ~0xfff) !== 0) {
				e = m32[(tables + 0x20_0000 + (pc >>> 12)) | 0]!;
				if (e === 0) return STOP_ENTER;
				first = m32[0x4_0000 + ((e - 0x300_0000) >> 12)]!;
				if (first === 0) return STOP_ENTER;
				page = pc & ~0xfff;
				m32[38] = page;
				m32[39] = e;
			}
			ip = (first + (pc & 0xfff)) | 0;
			pcBase = (page - first) | 0;
			base = (left - u16[0x9c_0000 + (ip >> 1)]!) | 0;
			if (base < 0) return STOP_ALONE;
		}
	}
}
