/** Instructions of Zicsr in the interpreter's loop (loop.ts), and beside it (loop-rare.ts). */
import { H_CSR, H_CSR_MASK, H_PRIV } from "../memory.ts";
import * as wasm from "./encoder.ts";
import { HOST, type LoopCode, VA, VALUE, WORD } from "./loop-code.ts";
import type { Writer } from "./writer.ts";

export class LoopCsrs {
	readonly #loop: LoopCode;
	readonly #code: Writer;

	constructor(loop: LoopCode) {
		this.#loop = loop;
		this.#code = loop.code;
	}

	/** Those of csr-words.ts, if the privilege allows it. */
	held(): void {
		const code = this.#code;
		code.get(WORD);
		code.constant(24);
		code.op(wasm.I32_SHR_U, wasm.I32_EQZ);
		code.branchIf(this.#loop.labels.rare);
		this.begin();
		this.operand();
		this.#loop.register(2);
		code.set(VALUE);
		this.#loop.registerOffset(2);
		this.value();
		this.#loop.registerOffset(2);
		code.loadBehind(H_CSR_MASK - H_CSR);
		code.op(wasm.I32_AND);
		this.#loop.storeBytes(4);
		this.#loop.write(() => code.get(VALUE));
	}

	/** Set HOST to the encoding, whose bits 29 and 28 are the privilege that is needed. */
	begin(): void {
		const code = this.#code;
		this.#loop.immediate();
		code.tee(HOST);
		code.constant(28);
		code.op(wasm.I32_SHR_U);
		code.constant(3);
		code.op(wasm.I32_AND);
		code.loadWord(H_PRIV);
		code.op(wasm.I32_GT_S);
		code.branchIf(this.#loop.labels.rare);
	}

	/** Set VA to the number in the encoding in HOST, or the value of rs1. */
	operand(): void {
		const code = this.#code;
		this.#bit(0x4000);
		code.choose(
			() => {
				code.get(HOST);
				code.constant(15);
				code.op(wasm.I32_SHR_U);
				code.constant(31);
				code.op(wasm.I32_AND);
			},
			() => this.#loop.register(1),
		);
		code.set(VA);
	}

	/** Leave what is written on the stack, of the operand in VA and the old value. */
	value(): void {
		const code = this.#code;
		this.#bit(0x2000);
		code.choose(
			() => {
				this.#bit(0x1000);
				code.choose(
					() => {
						code.get(VALUE);
						code.get(VA);
						code.constant(-1);
						code.op(wasm.I32_XOR, wasm.I32_AND);
					},
					() => {
						code.get(VALUE);
						code.get(VA);
						code.op(wasm.I32_OR);
					},
				);
			},
			() => code.get(VA),
		);
	}

	/** Leave on the stack whether the instruction in HOST writes: csrrw, or a field that is not 0. */
	writes(): void {
		const code = this.#code;
		this.#bit(0x2000);
		code.op(wasm.I32_EQZ);
		this.#bit(0xf_8000);
		code.op(wasm.I32_OR);
	}

	/** Leave bits of the encoding in HOST on the stack. */
	#bit(bits: number): void {
		this.#code.get(HOST);
		this.#code.constant(bits);
		this.#code.op(wasm.I32_AND);
	}
}
