/** The cases of the interpreter's loop (loop.ts): one for each form of an instruction. */
import { atomics, type Effect, type Expression, effects } from "../effects.ts";
import { H_RESERVATION, RT, WT } from "../memory.ts";
import { OP } from "../op.ts";
import type { Variant } from "../variants.ts";
import * as wasm from "./encoder.ts";
import { BASE, HOST, LEFT, type LoopCode, PC, VALUE, WORD } from "./loop-code.ts";
import { LoopCsrs } from "./loop-csrs.ts";
import type { Writer } from "./writer.ts";

export class LoopInstructions {
	readonly #loop: LoopCode;
	readonly #code: Writer;
	readonly #effects = effects();
	readonly #atomics = atomics();

	constructor(loop: LoopCode) {
		this.#loop = loop;
		this.#code = loop.code;
	}

	case(variant: Variant): void {
		const { base, bytes } = variant;
		if (base === OP.LR || base === OP.SC || base === OP.AMO) this.#atomic(base);
		else if (base === OP.CSR) new LoopCsrs(this.#loop).held();
		else {
			const effect = this.#effects[base]!;
			if (effect.kind === "branch") this.#branch(variant, effect.condition);
			else if (effect.kind === "jump") this.#jumps(variant);
			else this.#effect(effect);
			if (effect.kind === "jump") return;
		}
		this.#loop.step(bytes);
	}

	#effect(effect: Effect): void {
		const code = this.#code;
		if (effect.kind === "value") {
			this.#loop.write(() => this.#loop.expression(effect.value));
		} else if (effect.kind === "load") {
			const { bytes, signed } = effect;
			this.#loop.address();
			this.#loop.lookUp(RT, bytes, this.#loop.labels.rare);
			const byte = signed ? wasm.I32_LOAD8_S : wasm.I32_LOAD8_U;
			const half = signed ? wasm.I32_LOAD16_S : wasm.I32_LOAD16_U;
			this.#loop.write(() => {
				this.#loop.host();
				code.memory(bytes === 1 ? byte : bytes === 2 ? half : wasm.I32_LOAD, bytes >> 1, 0);
			});
		} else if (effect.kind === "store") {
			this.#loop.address();
			this.#loop.lookUp(WT, effect.bytes, this.#loop.labels.store);
			this.#loop.host();
			this.#loop.register(2);
			this.#loop.storeBytes(effect.bytes);
		}
	}

	#branch({ far }: Variant, condition: Expression): void {
		const code = this.#code;
		this.#loop.expression(condition);
		code.open(wasm.IF);
		this.#loop.immediate();
		code.set(WORD);
		if (!far) code.branchTo(this.#loop.labels.taken);
		else {
			// The operand is distance and what is left of the straight line.
			this.#loop.pc();
			this.#loop.distance();
			code.op(wasm.I32_ADD);
			code.set(PC);
			code.get(BASE);
			code.get(WORD);
			code.constant(0xffff);
			code.op(wasm.I32_AND, wasm.I32_ADD);
			code.set(LEFT);
			code.branchTo(this.#loop.labels.jump);
		}
		code.close();
	}

	#jumps({ base, op, bytes, far }: Variant): void {
		const code = this.#code;
		// The target first: rd may be rs1.
		if (far) {
			const effect = this.#effects[base]!;
			if (effect.kind === "jump") this.#loop.expression(effect.target);
			code.set(PC);
			this.#loop.leftIsBase();
		}
		const links = op !== OP.C_J && op !== OP.C_J_FAR && op !== OP.C_JR;
		if (links) {
			this.#loop.write(() => {
				this.#loop.pc();
				code.constant(bytes);
				code.op(wasm.I32_ADD);
			});
		}
		if (far) code.branchTo(this.#loop.labels.jump);
		else {
			this.#loop.immediate();
			code.set(WORD);
			code.branchTo(this.#loop.labels.taken);
		}
	}

	/** Unprivileged specification 8.2 to 8.4. */
	#atomic(op: number): void {
		const code = this.#code;
		this.#loop.register(1);
		this.#loop.lookUp(op === OP.LR ? RT : WT, 4, this.#loop.labels.rare);
		this.#loop.host();
		code.tee(HOST);
		code.loadBehind(0);
		code.set(VALUE);
		if (op === OP.LR) {
			code.storeLocal(H_RESERVATION, HOST);
		} else if (op === OP.SC) {
			code.loadWord(H_RESERVATION);
			code.get(HOST);
			code.op(wasm.I32_NE);
			code.tee(VALUE);
			code.op(wasm.I32_EQZ);
			code.open(wasm.IF);
			code.get(HOST);
			this.#loop.register(2);
			this.#loop.storeBytes(4);
			code.close();
			code.storeConstant(H_RESERVATION, -1);
		} else this.#amo();
		this.#loop.write(() => code.get(VALUE));
	}

	/** What each of them writes, chosen by the immediate. */
	#amo(): void {
		const code = this.#code;
		const operations = this.#atomics.flatMap((value, funct5) =>
			value === undefined ? [] : [{ value, funct5 }],
		);
		const end = this.#loop.open(wasm.BLOCK);
		const table = this.#atomics.map(() => operations.length - 1);
		operations.forEach(({ funct5 }, i) => {
			table[funct5] = i;
		});
		for (const _ of operations) code.open(wasm.BLOCK);
		this.#loop.immediate();
		code.branchTable(table, operations.length - 1);
		for (const { value } of operations) {
			code.close();
			code.get(HOST);
			this.#loop.expression(value);
			this.#loop.storeBytes(4);
			code.branchTo(end);
		}
		code.close();
	}
}
