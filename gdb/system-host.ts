/**
 * A system that can go back: to checkpoints, which are taken where no process is inside the kernel,
 * or to the beginning, for which the system is built again.
 */

import type { System } from "../computer/system.ts";
import {
	checkpointSystem,
	releaseSystem,
	rollbackSystem,
	type SystemCheckpoint,
} from "../computer/system-snapshot.ts";
import { DEBUG_NONE } from "../machine/debug.ts";
import type { Machine } from "../machine/machine.ts";
import type { ReplayHost } from "./replay.ts";

/** Checkpoints that are kept; each takes a copy of the kernel and the pages written since. */
const CHECKPOINTS = 16;

/** A checkpoint and the system that it is of; null for the beginning of any. */
interface Place {
	readonly system: System;
	readonly checkpoint: SystemCheckpoint;
}

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
		this.snapshots = again ? CHECKPOINTS : 0;
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

	/** => a sleeping process might not go to sleep again in the same way. */
	get canSave(): boolean {
		return this.#atBeginning || (this.system.busy === null && !this.system.sleepsInCalls);
	}

	save(): Place | null {
		if (this.#atBeginning) return null;
		return { system: this.system, checkpoint: checkpointSystem(this.system)! };
	}

	release(state: unknown): void {
		const place = state as Place | null;
		if (place !== null) releaseSystem(place.system, place.checkpoint);
	}

	/** => a checkpoint of a system that has been built again since leads to the old one. */
	restore(state: unknown): void {
		const place = state as Place | null;
		if (place === null) {
			this.system = this.#build();
			this.#begun = this.#begin();
		} else {
			this.system = place.system;
			rollbackSystem(place.system, place.checkpoint);
		}
		this.onReplace();
	}

	get #atBeginning(): boolean {
		return this.machine.clock.cycles === this.#begun;
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
