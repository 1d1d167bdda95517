/**
 * Results of instructions that are executed outside the interpreter's loop: of those that are too
 * rare for a place in it (Zbc, and what Zbkb has beside Zbb), and of amos that miss the mirror
 * tables. Bit manipulation 1.0.0; scalar cryptography 1.0.1, sections 2.1 and 3; unprivileged
 * specification 20191213, 8.4.
 */

// Made by npm run generate: functions, from the instruction table, from here
/** => the result of instruction `w`, an OP.BITS, for the values of rs1 and rs2. */
export function bitResult(w: number, rs1: number, rs2: number): number {
	switch (w & 0xfe00_707f) {
		case 0xa00_1033: // clmul
			return clmul(rs1, rs2);
		case 0xa00_3033: // clmulh
			return clmulh(rs1, rs2);
		case 0xa00_2033: // clmulr
			return clmulr(rs1, rs2);
		case 0x800_4033: // pack
			return (rs1 & 0xffff) | (rs2 << 16);
		case 0x800_7033: // packh
			return (rs1 & 0xff) | ((rs2 & 0xff) << 8);
		case 0x6800_5013: // brev8
			return brev8(rs1);
		case 0x800_1013: // zip
			return zip(rs1);
		default: // unzip
			return unzip(rs1);
	}
}

/** => what an amo writes where `old` was; `funct5` is the top five bits of its encoding. */
export function atomicResult(funct5: number, old: number, rs2: number): number {
	switch (funct5) {
		case 0: // amoadd.w
			return (old + rs2) | 0;
		case 1: // amoswap.w
			return rs2;
		case 4: // amoxor.w
			return old ^ rs2;
		case 8: // amoor.w
			return old | rs2;
		case 12: // amoand.w
			return old & rs2;
		case 16: // amomin.w
			return old < rs2 ? old : rs2;
		case 20: // amomax.w
			return old > rs2 ? old : rs2;
		case 24: // amominu.w
			return old >>> 0 < rs2 >>> 0 ? old : rs2;
		default: // amomaxu.w
			return old >>> 0 > rs2 >>> 0 ? old : rs2;
	}
}

function brev8(v: number): number {
	return swap(swap(swap(v, 1, 0x5555_5555), 2, 0x3333_3333), 4, 0xf0f_0f0f);
}

function swap(v: number, n: number, mask: number): number {
	return ((v >>> n) & mask) | ((v & mask) << n);
}

function zip(v: number): number {
	return spread(v) | (spread(v >>> 16) << 1);
}

function spread(v: number): number {
	return apart(apart(spreadNibbles(v), 2, 0x3333_3333), 1, 0x5555_5555);
}

function spreadNibbles(v: number): number {
	return apart(apart(v & 0xffff, 8, 0xff_00ff), 4, 0xf0f_0f0f);
}

function apart(v: number, n: number, mask: number): number {
	return (v | (v << n)) & mask;
}

function unzip(v: number): number {
	return gathered(v) | (gathered(v >>> 1) << 16);
}

function gathered(v: number): number {
	return together(together(gatheredNibbles(v), 4, 0xff_00ff), 8, 0xffff);
}

function gatheredNibbles(v: number): number {
	return together(together(v & 0x5555_5555, 1, 0x3333_3333), 2, 0xf0f_0f0f);
}

function together(v: number, n: number, mask: number): number {
	return (v | (v >>> n)) & mask;
}
// to here.

/** Bits 31..0 of the carry-less product. */
function clmul(a: number, b: number): number {
	let product = 0;
	for (let rest = b, shifted = a; rest !== 0; rest >>>= 1, shifted <<= 1) {
		if ((rest & 1) !== 0) product ^= shifted;
	}
	return product;
}

/** Bits 62..31 of it. */
function clmulr(a: number, b: number): number {
	let product = 0;
	for (let rest = b, shifted = a; rest !== 0; rest <<= 1, shifted >>>= 1) {
		if (rest < 0) product ^= shifted;
	}
	return product;
}

/** Bits 63..32 of it; bit 63 is 0. */
const clmulh = (a: number, b: number): number => clmulr(a, b) >>> 1;
