/** Decoded instructions: the two words that code-cache.ts keeps of each. */
import { CSR_WORDS } from "./csr-words.ts";
import { Decoder, instructionLength, PLAIN, wordKey } from "./decode.ts";
import { CODE, H_F, H_SINK, LENGTHS, type Memory } from "./memory.ts";
import { OP, SHORT } from "./op.ts";
import { PAGE_SIZE } from "./port.ts";
import { SLOTS } from "./straight-line.ts";
import { WordMemo } from "./word-memo.ts";

/** One more slot ends the page; its second word is how many more stores may hit decoded code. */
export const PAGE_WORDS = 2 * (SLOTS + 1);
/** Word 0 of instructions that are not executed by the interpreter's loop holds their length. */
export const RARE_LENGTH_SHIFT = 8;

/** As many as a kernel that boots has different encodings. */
const MEMO_PLACES = 0x4000;

/** Halfword index of the length of the slot at word index `ip`. */
export const lengthOf = (ip: number): number => LENGTHS + ((ip - CODE) >> 1);

export class Packer {
	readonly #words: Int32Array;
	readonly #halves: Uint16Array;
	readonly #decoder = new Decoder();
	/** For each slot a bit: decoded branches of its page may know its length. */
	readonly targets: Int32Array;
	/** For each slot a bit: a decoded call of its page is to it. */
	readonly called: Int32Array;
	/** The two words of encodings that are the same in every place. */
	readonly #memo = new WordMemo(2, MEMO_PLACES);

	/** => for `pages` pages of decoded code */
	constructor(memory: Memory, pages: number) {
		this.#words = memory.i32;
		this.#halves = memory.u16;
		this.targets = new Int32Array((pages * SLOTS) / 32);
		this.called = new Int32Array((pages * SLOTS) / 32);
	}

	/** Write the two words of instruction `w`, which lies at byte `offset` of its page. */
	pack(ip: number, w: number, offset: number, alone: boolean): void {
		if ((w & 3) === 3) {
			const plain = PLAIN[wordKey(w)]!;
			if (plain !== 0) {
				this.#packPlain(ip, w, plain);
				return;
			}
		}
		const known = this.#memo.find(w);
		if (known >= 0) {
			this.#words[ip] = this.#memo.values[known]!;
			this.#words[ip + 1] = this.#memo.values[known + 1]!;
			return;
		}
		const d = this.#decoder;
		d.decode(w);
		const short = instructionLength(w) === 2;
		let op: number = d.op;
		let imm = d.imm;
		if (op === OP.CSR) {
			const rd = d.rd === 0 ? H_SINK : d.rd;
			this.#words[ip] = op | (rd << 8) | (d.rs1 << 16) | (CSR_WORDS[w >>> 20]! << 24);
			this.#words[ip + 1] = w;
			this.#remember(ip, w);
			return;
		}
		if (op >= OP.STRADDLE && op < OP.FLW) {
			op |= instructionLength(w) << RARE_LENGTH_SHIFT;
			this.#words[ip] = op;
			this.#words[ip + 1] = short ? w & 0xffff : w;
			this.#remember(ip, w);
			return;
		}
		const target = offset + imm;
		const near = !alone && target >= 0 && target < PAGE_SIZE;
		if (op === OP.JAL) {
			op = short ? (d.rd === 0 ? OP.C_J : OP.C_JAL) : OP.JAL;
			if (!near) op++;
			else {
				imm = this.#nearOperand(ip, imm);
				if (d.rd === 1) this.#call(ip, target);
			}
		} else if (op === OP.JALR) {
			if (short) op = d.rd === 0 ? OP.C_JR : OP.C_JALR;
		} else if (op >= OP.BEQ && op <= OP.BGEU) {
			if (!near) imm = (imm << 16) | (this.#halves[lengthOf(ip)]! - 1);
			else imm = this.#nearOperand(ip, imm);
			if (short) op = op - OP.BEQ + (near ? OP.C_BEQZ : OP.C_BEQZ_FAR);
			else if (!near) op += OP.BEQ_FAR - OP.BEQ;
		} else if (op === OP.ADDI && d.rs1 === 0) {
			op = short ? OP.C_LUI : OP.LUI;
		} else if (op === OP.AMO) {
			imm = w >>> 27;
		} else if (op === OP.ADD && d.rs1 === 0 && short) {
			op = OP.C_MV;
		} else if (short) {
			op = SHORT[op]!;
		}
		let { rd, rs1, rs2 } = d;
		if (rd === 0) rd = H_SINK;
		if (op >= OP.FLW) {
			const { floatRd, floatRs1, floatRs2 } = d.instruction!.format;
			if (floatRd) rd = H_F + 2 * d.rd;
			if (floatRs1) rs1 = H_F + 2 * rs1;
			if (floatRs2) rs2 = H_F + 2 * rs2;
		}
		this.#words[ip] = op | (rd << 8) | (rs1 << 16) | (rs2 << 24);
		this.#words[ip + 1] = imm;
		if (op < OP.JAL || op > OP.C_BNEZ_FAR) this.#remember(ip, w);
	}

	/** The same for a word that PLAIN has `op` of: most of what is decoded. */
	#packPlain(ip: number, w: number, op: number): void {
		const words = this.#words;
		const rs1 = (w >>> 15) & 31;
		const low = (w >>> 7) & 31;
		if (op >= OP.SB && op <= OP.SW) {
			words[ip] = op | (H_SINK << 8) | (rs1 << 16) | (((w >>> 20) & 31) << 24);
			words[ip + 1] = ((w >> 20) & ~31) | low;
			return;
		}
		const given = op === OP.ADDI && rs1 === 0 ? OP.LUI : op;
		words[ip] = given | ((low === 0 ? H_SINK : low) << 8) | (rs1 << 16);
		words[ip + 1] = w >> 20;
	}

	/** What was decoded at word index `ip` is the same wherever `w` lies. */
	#remember(ip: number, w: number): void {
		const at = this.#memo.put(w);
		this.#memo.values[at] = this.#words[ip]!;
		this.#memo.values[at + 1] = this.#words[ip + 1]!;
	}

	/** The instruction at `ip` calls what is at byte `target` of its page. */
	#call(ip: number, target: number): void {
		const n = ((ip - CODE) / PAGE_WORDS) | 0;
		const slot = n * SLOTS + (target >> 1);
		this.called[slot >> 5]! |= 1 << slot;
	}

	/** Operand of a branch within the page: its distance, and what `base` changes by. */
	#nearOperand(ip: number, distance: number): number {
		const length = this.#halves[lengthOf(ip)]!;
		const n = ((ip - CODE) / PAGE_WORDS) | 0;
		const target = n * SLOTS + ((ip + distance - CODE - n * PAGE_WORDS) >> 1);
		this.targets[target >> 5]! |= 1 << target;
		const targetLength = this.#halves[lengthOf(ip + distance)]!;
		return (distance << 16) | ((length - 1 - targetLength) & 0xffff);
	}
}
