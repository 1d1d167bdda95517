/**
 * Zbc and those of Zbkb that are not in Zbb: carry-less products and permutations of bits. Too rare
 * for a place in the interpreter's loop. Bit manipulation 1.0.0; scalar cryptography 1.0.1,
 * sections 2.1 and 3.
 */

/** => the result of instruction `w`, an OP.BITS, for the values of rs1 and rs2. */
export function bitResult(w: number, a: number, b: number): number {
	const funct3 = (w >>> 12) & 7;
	switch (w >>> 25) {
		case 0b000_0101:
			return funct3 === 1 ? clmul(a, b) : funct3 === 2 ? clmulr(a, b) : clmulr(a, b) >>> 1;
		case 0b011_0100:
			return brev8(a);
		default:
			if ((w & 0x7f) === 0x13) return funct3 === 1 ? zip(a) : unzip(a);
			return funct3 === 4 ? (a & 0xffff) | (b << 16) : (a & 0xff) | ((b & 0xff) << 8);
	}
}

/** Bits 31..0 of the carry-less product. */
function clmul(a: number, b: number): number {
	let product = 0;
	for (let rest = b, shifted = a; rest !== 0; rest >>>= 1, shifted <<= 1) {
		if ((rest & 1) !== 0) product ^= shifted;
	}
	return product;
}

/** Bits 62..31 of it. Bit 63 is 0, so clmulh is this shifted right. */
function clmulr(a: number, b: number): number {
	let product = 0;
	for (let rest = b, shifted = a; rest !== 0; rest <<= 1, shifted >>>= 1) {
		if (rest < 0) product ^= shifted;
	}
	return product;
}

/** Reverse the bits of each byte. */
function brev8(a: number): number {
	let v = ((a >>> 1) & 0x5555_5555) | ((a & 0x5555_5555) << 1);
	v = ((v >>> 2) & 0x3333_3333) | ((v & 0x3333_3333) << 2);
	return ((v >>> 4) & 0x0f0f_0f0f) | ((v & 0x0f0f_0f0f) << 4);
}

/** Bits of the low half go to even places, those of the high half to odd ones. */
function zip(a: number): number {
	let result = 0;
	for (let i = 0; i < 16; i++) {
		result |= (((a >>> i) & 1) << (2 * i)) | (((a >>> (i + 16)) & 1) << (2 * i + 1));
	}
	return result;
}

function unzip(a: number): number {
	let result = 0;
	for (let i = 0; i < 16; i++) {
		result |= (((a >>> (2 * i)) & 1) << i) | (((a >>> (2 * i + 1)) & 1) << (i + 16));
	}
	return result;
}
