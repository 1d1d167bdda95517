/**
 * A system that can begin anew: the kernel's threads cannot be copied in the middle of their work,
 * so the only snapshot is the beginning, and going back means to build the system again and run it
 * to the place.
 */
import { DEBUG_NONE } from "../machine/debug.ts";
import type { ReplayHost } from "../machine/gdb/replay.ts";
import type { Machine } from "../machine/machine.ts";
import type { System } from "../system.ts";

/** Cycles in which every program has begun; it takes a few thousand. */
const BEGIN_SLICE = 1_000_000;

export class SystemHost implements ReplayHost {
	system: System;
	/** Called after `restore`: `system` is another one. */
	onReplace: () => void = () => {};
	readonly snapshots: number;
	readonly sleeps = true;
	readonly #build: () => System;
	#begun: number;

	/**
	 * `build` makes a system, the same one each time.
	 * => `again`: may it be called more than once? Not if a disk is a file that the guest writes.
	 */
	constructor(build: () => System, again: boolean) {
		this.#build = build;
		this.snapshots = again ? 1 : 0;
		this.system = build();
		this.#begun = this.#begin();
	}

	get machine(): Machine {
		return this.system.machine;
	}

	run(until: number): ReturnType<System["run"]> {
		return this.system.run(until);
	}

	input(bytes: Uint8Array): number {
		return this.system.input(bytes);
	}

	inputEnd(): void {
		this.system.inputEnd();
	}

	get canSave(): boolean {
		return this.machine.clock.cycles === this.#begun;
	}

	save(): unknown {
		return null;
	}

	release(): void {}

	restore(): void {
		this.system = this.#build();
		this.#begun = this.#begin();
		this.onReplace();
	}

	/** Go to the first instruction in user mode. => its cycle */
	#begin(): number {
		const { hart, clock } = this.machine;
		const debug = hart.attachDebug();
		debug.resume(0, false);
		while (debug.stop === DEBUG_NONE) {
			if (this.system.run(clock.cycles + BEGIN_SLICE) !== "running") break;
		}
		return clock.cycles;
	}
}
