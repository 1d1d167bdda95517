/**
 * Executes the cases outside the floating-point unit's switch: any operands, any rounding mode. It
 * reads and writes registers as bit patterns and leaves the arithmetic to exact.ts and convert.ts.
 */
import type { HartState } from "../hart-state.ts";
import { H_F, type Memory } from "../memory.ts";
import { OP } from "../op.ts";
import { changeFormat, fromInteger, toInteger } from "./convert.ts";
import { add, classify, div, equal, less, minMax, mul, mulAdd, negate, sqrt } from "./exact.ts";
import { DOUBLE, DYN, type FloatFormat, RMM, SINGLE } from "./format.ts";
import type { Rounding } from "./round.ts";

/** From an operation of F to the same one of D. */
const TO_DOUBLE = OP.FADD_D - OP.FADD_S;

export class SlowFloat {
	readonly #state: HartState;
	readonly #words: Int32Array;
	readonly #env: Rounding = { rm: 0, flags: 0 };

	constructor(state: HartState, memory: Memory) {
		this.#state = state;
		this.#words = memory.i32;
	}

	/**
	 * Execute the arithmetic instruction that was decoded to the words `w` and `imm`.
	 * => false if its rounding mode is dynamic and frm holds a reserved value; then nothing is done.
	 */
	execute(w: number, imm: number): boolean {
		const state = this.#state;
		const env = this.#env;
		env.rm = (imm & 7) === DYN ? state.frm : imm & 7;
		if (env.rm > RMM) return false;
		env.flags = 0;
		const op = w & 0xff;
		const rd = (w >>> 8) & 0xff;
		const rs1 = (w >>> 16) & 0xff;
		if (op === OP.FCVT_S_D) {
			this.#write(SINGLE, rd, changeFormat(env, DOUBLE, SINGLE, this.#read(DOUBLE, rs1)));
		} else if (op === OP.FCVT_D_S) {
			this.#write(DOUBLE, rd, changeFormat(env, SINGLE, DOUBLE, this.#read(SINGLE, rs1)));
		} else if (op < OP.FADD_D) {
			this.#execute(SINGLE, op, w, imm);
		} else {
			this.#execute(DOUBLE, op - TO_DOUBLE, w, imm);
		}
		state.fflags |= env.flags;
		return true;
	}

	/** `op` is that of F. */
	#execute(f: FloatFormat, op: number, w: number, imm: number): void {
		const env = this.#env;
		const words = this.#words;
		const rd = (w >>> 8) & 0xff;
		const rs1 = (w >>> 16) & 0xff;
		if (op === OP.FCVT_S_W || op === OP.FCVT_S_WU) {
			const n = op === OP.FCVT_S_W ? words[rs1]! : words[rs1]! >>> 0;
			this.#write(f, rd, fromInteger(env, f, n));
			return;
		}
		const a = this.#read(f, rs1);
		switch (op) {
			case OP.FCLASS_S:
				words[rd] = classify(f, a);
				return;
			case OP.FCVT_W_S:
			case OP.FCVT_WU_S:
				words[rd] = toInteger(env, f, a, op === OP.FCVT_W_S);
				return;
			case OP.FEQ_S:
				words[rd] = equal(env, f, a, this.#read(f, w >>> 24)) ? 1 : 0;
				return;
			case OP.FLT_S:
			case OP.FLE_S:
				words[rd] = less(env, f, a, this.#read(f, w >>> 24), op === OP.FLE_S) ? 1 : 0;
				return;
			default:
				this.#write(f, rd, this.#arithmetic(f, op, a, w, imm));
		}
	}

	#arithmetic(f: FloatFormat, op: number, a: bigint, w: number, imm: number): bigint {
		const env = this.#env;
		if (op === OP.FSQRT_S) return sqrt(env, f, a);
		const b = this.#read(f, w >>> 24);
		switch (op) {
			case OP.FADD_S:
				return add(env, f, a, b);
			case OP.FSUB_S:
				return add(env, f, a, negate(f, b));
			case OP.FMUL_S:
				return mul(env, f, a, b);
			case OP.FDIV_S:
				return div(env, f, a, b);
			case OP.FSGNJ_S:
				return (a & ~f.signBit) | (b & f.signBit);
			case OP.FSGNJN_S:
				return (a & ~f.signBit) | (~b & f.signBit);
			case OP.FSGNJX_S:
				return a ^ (b & f.signBit);
			case OP.FMIN_S:
			case OP.FMAX_S:
				return minMax(env, f, a, b, op === OP.FMAX_S);
		}
		const c = this.#read(f, H_F + 2 * (imm >>> 3));
		const product = op === OP.FNMSUB_S || op === OP.FNMADD_S ? negate(f, a) : a;
		const addend = op === OP.FMSUB_S || op === OP.FNMADD_S ? negate(f, c) : c;
		return mulAdd(env, f, product, b, addend);
	}

	/** A register, `word` being its low word; a single that is not NaN-boxed is the canonical NaN. */
	#read(f: FloatFormat, word: number): bigint {
		const low = BigInt(this.#words[word]! >>> 0);
		const high = this.#words[word + 1]!;
		if (f === DOUBLE) return (BigInt(high >>> 0) << 32n) | low;
		return high === -1 ? low : SINGLE.nan;
	}

	#write(f: FloatFormat, word: number, value: bigint): void {
		this.#words[word] = Number(value & 0xffff_ffffn) | 0;
		this.#words[word + 1] = f === DOUBLE ? Number(value >> 32n) | 0 : -1;
	}
}
