/**
 * The floating-point unit: executes instructions of F and D, one after the other, up to the first
 * other instruction. Unprivileged specification 20191213, chapters 11 and 12.
 *
 * Each instruction has a fast way, for numbers and results that are normal and for rounding to
 * nearest, by the host's arithmetic (host.ts); every other case leaves the switch and is computed
 * exactly (slow.ts). As in interpreter.ts, whose decoded code this reads, the labels are
 * number literals (op.ts) and so are the indexes of memory.ts, and a test compares them: 40 H_IP,
 * 64 H_F, 161 H_TABLES, 0x10_0000 WT. A floating-point register is named by the index of its low
 * word; half of that is its index in `f64`. Nothing that might be a NaN is ever copied as a number:
 * the host may change its payload.
 */
import { type HartState, MSTATUS_FS } from "../hart-state.ts";
import { WORD_INSTRUCTIONS } from "../isa.ts";
import type { Memory } from "../memory.ts";
import { OP } from "../op.ts";
import { NX } from "./format.ts";
import {
	DOUBLE_MAX,
	DOUBLE_NORMAL,
	HostArithmetic,
	isFactor,
	isProduct,
	SINGLE_MAX,
	SINGLE_NORMAL,
	sumError,
} from "./host.ts";
import { SlowFloat } from "./slow.ts";

/** What `run` returns. */
/** Dispatch the instruction at H_IP again: it may belong to F and D or not. */
export const FLOAT_NEXT = 0;
/** The mirror tables have no entry for the load or store at H_IP. */
const FLOAT_ACCESS = 1;
/** The instruction at H_IP is illegal in the present state. */
export const FLOAT_ILLEGAL = 2;

/** For each operation, 1 if it writes an f register. */
const WRITES_F = new Uint8Array(256);
for (const { op, format } of WORD_INSTRUCTIONS) if (format.floatRd) WRITES_F[op] = 1;
// The table knows the two-byte loads only by their four-byte operations.
WRITES_F[OP.C_FLW] = WRITES_F[OP.C_FLD] = 1;

export class FloatUnit {
	readonly #state: HartState;
	readonly #memory: Memory;
	readonly #host = new HostArithmetic();
	readonly #slow: SlowFloat;

	constructor(state: HartState, memory: Memory) {
		this.#state = state;
		this.#memory = memory;
		this.#slow = new SlowFloat(state, memory);
	}

	/** Execute instructions from H_IP on, which moves. => FLOAT_* */
	run(): number {
		const state = this.#state;
		const fs = state.mstatus & MSTATUS_FS;
		if (fs === MSTATUS_FS) return this.#run(false);
		if (fs === 0) return FLOAT_ILLEGAL;
		// One at a time, until one changes something.
		const { i32 } = this.#memory;
		const op = i32[i32[40]!]! & 0xff;
		const before = state.fflags;
		const result = this.#run(true);
		if (result === FLOAT_NEXT && (WRITES_F[op] !== 0 || state.fflags !== before)) {
			state.mstatus |= MSTATUS_FS;
		}
		return result;
	}

	/** => false */
	#inexact(): false {
		this.#state.fflags |= NX;
		return false;
	}

	#run(single: boolean): number {
		const { i32: m32, f32, f64 } = this.#memory;
		const state = this.#state;
		const host = this.#host;
		// The rm fields that mean rounding to nearest are 0 and, if frm says so, 7.
		const dynamic = state.frm === 0 ? 7 : 0;
		// While this is true, the question is asked whether a result is exact.
		let exact = (state.fflags & NX) === 0;
		const tables = m32[161]!;
		let ip = m32[40]!;
		for (;;) {
			const w = m32[ip]!;
			const imm = m32[(ip + 1) | 0]!;
			const d = (w >>> 8) & 0xff;
			const i = (w >>> 16) & 0xff;
			const j = w >>> 24;
			let va = 0;
			let e = 0;
			let a = 0;
			let b = 0;
			let r = 0;
			let s = 0;
			let m = 0;
			// biome-ignore lint/suspicious/noConfusingLabels: what is done leaves the switch here
			done: {
				switch (w & 0xff) {
					case 123: // flw
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[d] = m32[e]!;
						m32[d + 1] = -1;
						break done;
					case 124: // fld
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if (e === 0 || (va & 7) !== 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[d] = m32[e]!;
						m32[d + 1] = m32[e + 1]!;
						break done;
					case 125: // c.flw, c.flwsp
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[d] = m32[e]!;
						m32[d + 1] = -1;
						ip = (ip - 2) | 0;
						break done;
					case 126: // c.fld, c.fldsp
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + (va >>> 12)) | 0]!;
						if (e === 0 || (va & 7) !== 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[d] = m32[e]!;
						m32[d + 1] = m32[e + 1]!;
						ip = (ip - 2) | 0;
						break done;
					case 127: // fsw
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[e] = m32[w >>> 24]!;
						break done;
					case 128: // fsd
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if (e === 0 || (va & 7) !== 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[e] = m32[w >>> 24]!;
						m32[e + 1] = m32[(w >>> 24) + 1]!;
						break done;
					case 129: // c.fsw, c.fswsp
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if ((va << 30) >>> 0 >= e >>> 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[e] = m32[w >>> 24]!;
						ip = (ip - 2) | 0;
						break done;
					case 130: // c.fsd, c.fsdsp
						va = (m32[(w >>> 16) & 0xff]! + imm) | 0;
						e = m32[(tables + 0x10_0000 + (va >>> 12)) | 0]!;
						if (e === 0 || (va & 7) !== 0) {
							m32[40] = ip;
							return FLOAT_ACCESS;
						}
						e = (e + (va & 0xfff)) >> 2;
						m32[e] = m32[w >>> 24]!;
						m32[e + 1] = m32[(w >>> 24) + 1]!;
						ip = (ip - 2) | 0;
						break done;
					case 131: // fadd.s
						if ((imm !== 0 && imm !== dynamic) || (m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						r = a + b;
						s = Math.fround(r);
						if (!(Math.abs(s) <= SINGLE_MAX)) break;
						if (exact && (s !== r || sumError(a, b, r) !== 0)) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 132: // fsub.s
						if ((imm !== 0 && imm !== dynamic) || (m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = -f32[j]!;
						r = a + b;
						s = Math.fround(r);
						if (!(Math.abs(s) <= SINGLE_MAX)) break;
						if (exact && (s !== r || sumError(a, b, r) !== 0)) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 133: // fmul.s
						if ((imm !== 0 && imm !== dynamic) || (m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						r = a * b;
						s = Math.fround(r);
						m = Math.abs(s);
						if (!(m <= SINGLE_MAX && (m > SINGLE_NORMAL || a === 0 || b === 0))) break;
						if (exact && s !== r) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 134: // fdiv.s
						if ((imm !== 0 && imm !== dynamic) || (m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						s = Math.fround(a / b);
						m = Math.abs(s);
						if (!(m <= SINGLE_MAX && (m > SINGLE_NORMAL || a === 0))) break;
						if (exact && s !== 0 && s * b !== a) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 135: // fsqrt.s
						if ((imm !== 0 && imm !== dynamic) || m32[i + 1] !== -1) break;
						a = f32[i]!;
						if (!(a >= 0 && a <= SINGLE_MAX)) break;
						s = Math.fround(Math.sqrt(a));
						if (exact && s * s !== a) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 136: // fsgnj.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						va = (m32[i]! & 0x7fff_ffff) | (m32[j]! & -0x8000_0000);
						m32[d] = va;
						m32[d + 1] = -1;
						break done;
					case 137: // fsgnjn.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						va = (m32[i]! & 0x7fff_ffff) | (~m32[j]! & -0x8000_0000);
						m32[d] = va;
						m32[d + 1] = -1;
						break done;
					case 138: // fsgnjx.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						va = m32[i]! ^ (m32[j]! & -0x8000_0000);
						m32[d] = va;
						m32[d + 1] = -1;
						break done;
					case 139: // fmin.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						if (!(a < b || a > b)) break;
						f32[d] = a < b ? a : b;
						m32[d + 1] = -1;
						break done;
					case 140: // fmax.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						if (!(a < b || a > b)) break;
						f32[d] = a > b ? a : b;
						m32[d + 1] = -1;
						break done;
					case 141: // feq.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a === b ? 1 : 0;
						break done;
					case 142: // flt.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a < b ? 1 : 0;
						break done;
					case 143: // fle.s
						if ((m32[i + 1]! & m32[j + 1]!) !== -1) break;
						a = f32[i]!;
						b = f32[j]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a <= b ? 1 : 0;
						break done;
					case 145: // fcvt.w.s
						if (m32[i + 1] !== -1) break;
						a = f32[i]!;
						if (!(a > -0x8000_0001 && a < 0x8000_0000)) break;
						r = a | 0;
						if (r !== a) {
							if (imm !== 1) break;
							if (exact) exact = this.#inexact();
						} else if (imm === 7 && dynamic === 0) break;
						m32[d] = r;
						break done;
					case 146: // fcvt.wu.s
						if (m32[i + 1] !== -1) break;
						a = f32[i]!;
						if (!(a > -1 && a < 0x1_0000_0000)) break;
						r = a >>> 0;
						if (r !== a) {
							if (imm !== 1) break;
							if (exact) exact = this.#inexact();
						} else if (imm === 7 && dynamic === 0) break;
						m32[d] = r;
						break done;
					case 147: // fcvt.s.w
						if (imm !== 0 && imm !== dynamic) break;
						r = m32[i]!;
						s = Math.fround(r);
						if (exact && s !== r) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 148: // fcvt.s.wu
						if (imm !== 0 && imm !== dynamic) break;
						r = m32[i]! >>> 0;
						s = Math.fround(r);
						if (exact && s !== r) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 149: // fmadd.s
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						if ((m32[i + 1]! & m32[j + 1]! & m32[va + 1]!) !== -1) break;
						r = host.fusedSingle(f32[i]!, f32[j]!, f32[va]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f32[d] = r;
						m32[d + 1] = -1;
						break done;
					case 150: // fmsub.s
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						if ((m32[i + 1]! & m32[j + 1]! & m32[va + 1]!) !== -1) break;
						r = host.fusedSingle(f32[i]!, f32[j]!, -f32[va]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f32[d] = r;
						m32[d + 1] = -1;
						break done;
					case 151: // fnmsub.s
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						if ((m32[i + 1]! & m32[j + 1]! & m32[va + 1]!) !== -1) break;
						r = host.fusedSingle(-f32[i]!, f32[j]!, f32[va]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f32[d] = r;
						m32[d + 1] = -1;
						break done;
					case 152: // fnmadd.s
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						if ((m32[i + 1]! & m32[j + 1]! & m32[va + 1]!) !== -1) break;
						r = host.fusedSingle(-f32[i]!, f32[j]!, -f32[va]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f32[d] = r;
						m32[d + 1] = -1;
						break done;
					case 153: // fmv.x.w
						m32[d] = m32[i]!;
						break done;
					case 154: // fmv.w.x
						m32[d] = m32[i]!;
						m32[d + 1] = -1;
						break done;
					case 155: // fadd.d
						if (imm !== 0 && imm !== dynamic) break;
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						r = a + b;
						if (!(Math.abs(r) <= DOUBLE_MAX)) break;
						if (exact && sumError(a, b, r) !== 0) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 156: // fsub.d
						if (imm !== 0 && imm !== dynamic) break;
						a = f64[i >> 1]!;
						b = -f64[j >> 1]!;
						r = a + b;
						if (!(Math.abs(r) <= DOUBLE_MAX)) break;
						if (exact && sumError(a, b, r) !== 0) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 157: // fmul.d
						if (imm !== 0 && imm !== dynamic) break;
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						r = a * b;
						m = Math.abs(r);
						if (!(m <= DOUBLE_MAX && (m > DOUBLE_NORMAL || a === 0 || b === 0))) break;
						if (exact && r !== 0) {
							if (!(isFactor(a) && isFactor(b))) break;
							if (!isProduct(a, b, r)) exact = this.#inexact();
						}
						f64[d >> 1] = r;
						break done;
					case 158: // fdiv.d
						if (imm !== 0 && imm !== dynamic) break;
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						r = a / b;
						m = Math.abs(r);
						if (!(m <= DOUBLE_MAX && (m > DOUBLE_NORMAL || a === 0))) break;
						if (exact && r !== 0) {
							if (!(isFactor(r) && isFactor(b))) break;
							if (!isProduct(r, b, a)) exact = this.#inexact();
						}
						f64[d >> 1] = r;
						break done;
					case 159: // fsqrt.d
						if (imm !== 0 && imm !== dynamic) break;
						a = f64[i >> 1]!;
						if (!(a >= 0 && a <= DOUBLE_MAX)) break;
						r = Math.sqrt(a);
						if (exact && r !== 0) {
							if (!isFactor(r)) break;
							if (!isProduct(r, r, a)) exact = this.#inexact();
						}
						f64[d >> 1] = r;
						break done;
					case 160: // fsgnj.d
						va = (m32[i + 1]! & 0x7fff_ffff) | (m32[j + 1]! & -0x8000_0000);
						m32[d] = m32[i]!;
						m32[d + 1] = va;
						break done;
					case 161: // fsgnjn.d
						va = (m32[i + 1]! & 0x7fff_ffff) | (~m32[j + 1]! & -0x8000_0000);
						m32[d] = m32[i]!;
						m32[d + 1] = va;
						break done;
					case 162: // fsgnjx.d
						va = m32[i + 1]! ^ (m32[j + 1]! & -0x8000_0000);
						m32[d] = m32[i]!;
						m32[d + 1] = va;
						break done;
					case 163: // fmin.d
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						if (!(a < b || a > b)) break;
						f64[d >> 1] = a < b ? a : b;
						break done;
					case 164: // fmax.d
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						if (!(a < b || a > b)) break;
						f64[d >> 1] = a > b ? a : b;
						break done;
					case 165: // feq.d
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a === b ? 1 : 0;
						break done;
					case 166: // flt.d
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a < b ? 1 : 0;
						break done;
					case 167: // fle.d
						a = f64[i >> 1]!;
						b = f64[j >> 1]!;
						if (!(a < b || a >= b)) break;
						m32[d] = a <= b ? 1 : 0;
						break done;
					case 169: // fcvt.w.d
						a = f64[i >> 1]!;
						if (!(a > -0x8000_0001 && a < 0x8000_0000)) break;
						r = a | 0;
						if (r !== a) {
							if (imm !== 1) break;
							if (exact) exact = this.#inexact();
						} else if (imm === 7 && dynamic === 0) break;
						m32[d] = r;
						break done;
					case 170: // fcvt.wu.d
						a = f64[i >> 1]!;
						if (!(a > -1 && a < 0x1_0000_0000)) break;
						r = a >>> 0;
						if (r !== a) {
							if (imm !== 1) break;
							if (exact) exact = this.#inexact();
						} else if (imm === 7 && dynamic === 0) break;
						m32[d] = r;
						break done;
					case 171: // fcvt.d.w
						if (imm === 7 && dynamic === 0) break;
						f64[d >> 1] = m32[i]!;
						break done;
					case 172: // fcvt.d.wu
						if (imm === 7 && dynamic === 0) break;
						f64[d >> 1] = m32[i]! >>> 0;
						break done;
					case 173: // fmadd.d
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						r = host.fusedDouble(f64[i >> 1]!, f64[j >> 1]!, f64[va >> 1]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 174: // fmsub.d
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						r = host.fusedDouble(f64[i >> 1]!, f64[j >> 1]!, -f64[va >> 1]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 175: // fnmsub.d
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						r = host.fusedDouble(-f64[i >> 1]!, f64[j >> 1]!, f64[va >> 1]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 176: // fnmadd.d
						if ((imm & 7) !== 0 && (imm & 7) !== dynamic) break;
						va = 64 + 2 * (imm >>> 3);
						r = host.fusedDouble(-f64[i >> 1]!, f64[j >> 1]!, -f64[va >> 1]!);
						if (!(r - r === 0)) break;
						if (exact && host.inexact) exact = this.#inexact();
						f64[d >> 1] = r;
						break done;
					case 177: // fcvt.s.d
						if (imm !== 0 && imm !== dynamic) break;
						r = f64[i >> 1]!;
						s = Math.fround(r);
						m = Math.abs(s);
						if (!(m <= SINGLE_MAX && (m > SINGLE_NORMAL || r === 0))) break;
						if (exact && s !== r) exact = this.#inexact();
						f32[d] = s;
						m32[d + 1] = -1;
						break done;
					case 178: // fcvt.d.s
						if ((imm === 7 && dynamic === 0) || m32[i + 1] !== -1) break;
						r = f32[i]!;
						if (!(Math.abs(r) <= SINGLE_MAX)) break;
						f64[d >> 1] = r;
						break done;
					case 144: // fclass.s
					case 168: // fclass.d
						break;
					default:
						m32[40] = ip;
						return FLOAT_NEXT;
				}
				if (!this.#slow.execute(w, imm)) {
					m32[40] = ip;
					return FLOAT_ILLEGAL;
				}
				exact = (state.fflags & NX) === 0;
			}
			ip = (ip + 4) | 0;
			if (single) {
				m32[40] = ip;
				return FLOAT_NEXT;
			}
		}
	}
}
