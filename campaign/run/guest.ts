/** A computer with its workload: it runs to the end with nobody at the keyboard. */
import type { Computer } from "../../computer/computer.ts";
import { Witness, type Witnessed } from "./witness.ts";
import { createComputer, type MakeDisk, type Workload } from "./workload.ts";

/** What is not in the computer's own state. */
export interface GuestState {
	readonly fed: number;
	readonly ended: boolean;
	readonly witnessed: Witnessed;
}

export class Guest {
	readonly computer: Computer;
	readonly witness: Witness;
	readonly #input: Uint8Array;
	#fed = 0;
	#ended = false;

	constructor(workload: Workload, make?: MakeDisk) {
		this.computer = createComputer(workload, make);
		this.witness = new Witness(this.computer);
		this.#input = workload.input ?? new Uint8Array(0);
	}

	/**
	 * Run up to this cycle. What is to be typed is typed when the guest waits for it.
	 * => "input": it waits after the end of its input.
	 */
	run(until: number): "running" | "input" | "ended" {
		const { computer } = this;
		for (;;) {
			const state = computer.run(until);
			if (state === "ended") return state;
			if (state !== "input") return "running";
			if (this.#fed < this.#input.length) {
				this.#fed += computer.input(this.#input.subarray(this.#fed));
			} else if (!this.#ended) {
				computer.inputEnd();
				this.#ended = true;
			} else if (!computer.spins) return state;
		}
	}

	save(): GuestState {
		return { fed: this.#fed, ended: this.#ended, witnessed: this.witness.seen };
	}

	restore({ fed, ended, witnessed }: GuestState): void {
		this.#fed = fed;
		this.#ended = ended;
		this.witness.restore(witnessed);
	}
}
