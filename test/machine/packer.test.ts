/** Words that are packed by their key alone are packed as the decoder has them. */
import { expect, it } from "vitest";
import { Decoder, PLAIN, wordKey } from "../../machine/decode.ts";
import { CODE, H_SINK, Memory } from "../../machine/memory.ts";
import { OP } from "../../machine/op.ts";
import { Packer } from "../../machine/packer.ts";
import { Prng } from "../../machine/prng.ts";

const WORDS = 20_000;

it("words of the plain formats have the operands that the decoder finds", () => {
	const memory = new Memory(0x10_0000);
	const packer = new Packer(memory, 1);
	const decoder = new Decoder();
	const prng = new Prng(1);
	const seen = new Set<number>();
	for (let i = 0; i < WORDS; i++) {
		// One in four has x0 for a register.
		const clear = (i & 3) === 0 ? 0xf80 : (i & 3) === 1 ? 0xf_8000 : 0;
		const word = (prng.uint32() & ~clear) | 3;
		decoder.decode(word);
		const plain = PLAIN[wordKey(word)]!;
		if (plain === 0) continue;
		seen.add(plain);
		expect(decoder.op).toBe(plain);
		packer.pack(CODE, word, 0, false);
		const { rd, rs1, rs2, imm } = decoder;
		const op = plain === OP.ADDI && rs1 === 0 ? OP.LUI : plain;
		const registers = ((rd === 0 ? H_SINK : rd) << 8) | (rs1 << 16) | (rs2 << 24);
		expect([...memory.i32.subarray(CODE, CODE + 2)]).toEqual([op | registers, imm]);
	}
	// All loads, stores and operations with an immediate that is no shift, and jalr.
	expect(seen.size).toBe(15);
});
