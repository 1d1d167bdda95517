/** Faults of registers: which instruction reads them first, or writes without reading. */
import { Decoder } from "../../machine/decode.ts";
import { FORMATS } from "../../machine/isa-format.ts";
import type { Fates, Pending } from "./fates.ts";

const REGISTERS = 32;

interface PendingRegister extends Pending {
	readonly mask: number;
}

export class RegisterWatch {
	readonly #fates: Fates;
	readonly #decoder = new Decoder();
	readonly #pending: PendingRegister[][] = Array.from({ length: REGISTERS }, () => []);
	#count = 0;
	/** What the present instruction writes if it retires; 0: nothing. */
	#rd = 0;

	constructor(fates: Fates) {
		this.#fates = fates;
	}

	/** Is any fault pending? */
	get waits(): boolean {
		return this.#count > 0;
	}

	open(register: number, mask: number, pending: Pending): void {
		this.#pending[register]!.push({ ...pending, mask });
		this.#count++;
	}

	/** The instruction `word` is executed. */
	decoded(word: number): void {
		const decoder = this.#decoder;
		decoder.decode(word);
		const { instruction, rd, rs1, rs2 } = decoder;
		this.#rd = 0;
		// An exception, whose handler sees all registers.
		if (instruction === null) return;
		const { format } = instruction;
		if (!format.floatRs1 && format !== FORMATS.csri) this.#read(rs1);
		if (!format.floatRs2) this.#read(rs2);
		if (!format.floatRd) this.#rd = rd;
	}

	/** It has retired. */
	retired(): void {
		const pending = this.#pending[this.#rd]!;
		this.#rd = 0;
		if (pending.length === 0) return;
		for (const { point, template, phase } of pending) {
			this.#fates.known(point, template, "overwritten", phase);
		}
		this.#clear(pending);
	}

	/** Software outside the hart may look at all registers, such as the kernel of `boot`. */
	readAll(): void {
		this.#rd = 0;
		if (this.#count > 0)
			for (let register = 1; register < REGISTERS; register++) this.#read(register);
	}

	end(): void {
		for (const pending of this.#pending) {
			for (const { point, template, phase } of pending) {
				this.#fates.known(point, template, "unread", phase);
			}
			this.#clear(pending);
		}
	}

	#read(register: number): void {
		const pending = this.#pending[register]!;
		if (pending.length === 0) return;
		const access = this.#fates.access();
		for (const { point, template, mask } of pending) {
			this.#fates.read(point, `${template} x${register} ${mask}`, access);
		}
		this.#clear(pending);
	}

	#clear(pending: PendingRegister[]): void {
		this.#count -= pending.length;
		pending.length = 0;
	}
}
