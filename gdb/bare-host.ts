/** A bare machine with checkpoints of all of it. */
import type { Bare } from "../computer/bare.ts";
import {
	type ComputerCheckpoint,
	checkpointComputer,
	releaseComputer,
	rollbackComputer,
} from "../computer/computer.ts";
import type { Machine } from "../machine/machine.ts";
import type { BareHost as Host } from "./bare-target.ts";

/** Bytes that checkpoints may take, each at most as much as RAM; and how many there may be. */
const SNAPSHOT_BYTES = 512 * 1024 * 1024;
const SNAPSHOTS_MAX = 64;
/** What `uvmachine run` answers if the guest came to no end of its own. */
const NO_PROGRESS = 4;

export class BareHost implements Host {
	readonly snapshots: number;
	readonly sleeps = false;
	readonly canSave = true;
	readonly #bare: Bare;

	/** => `again`: can it go back? Not if a disk is a file that the guest writes. */
	constructor(bare: Bare, again: boolean) {
		this.#bare = bare;
		const fit = Math.floor(SNAPSHOT_BYTES / bare.machine.memory.ramSize);
		this.snapshots = again ? Math.max(1, Math.min(SNAPSHOTS_MAX, fit)) : 0;
	}

	get machine(): Machine {
		return this.#bare.machine;
	}

	get exit(): Host["exit"] {
		const { kind, code, pc } = this.#bare.exit;
		if (kind === "exited") return { code, reason: "" };
		return { code: NO_PROGRESS, reason: `${kind} at 0x${pc.toString(16)}` };
	}

	run(until: number): ReturnType<Bare["run"]> {
		return this.#bare.run(until);
	}

	input(bytes: Uint8Array): number {
		return this.#bare.input(bytes);
	}

	inputEnd(): void {
		this.#bare.inputEnd();
	}

	reset(): void {
		this.#bare.reset();
	}

	save(): ComputerCheckpoint {
		return checkpointComputer(this.#bare);
	}

	restore(state: unknown): void {
		rollbackComputer(this.#bare, state as ComputerCheckpoint);
	}

	release(state: unknown): void {
		releaseComputer(this.#bare, state as ComputerCheckpoint);
	}
}
