/** A bare machine with snapshots of all of it. */
import type { Bare } from "../bare.ts";
import type { BoardState } from "../devices/board.ts";
import type { BareHost as Host } from "../machine/gdb/bare-target.ts";
import type { Machine, MachineState } from "../machine/machine.ts";

interface Snapshot {
	readonly machine: MachineState;
	readonly board: BoardState;
}

/** Bytes that snapshots may take, each as much as RAM; and how many there are at most. */
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

	save(): Snapshot {
		return { machine: this.machine.save(), board: this.#bare.board.save() };
	}

	restore(state: unknown): void {
		const { machine, board } = state as Snapshot;
		this.machine.restore(machine);
		this.#bare.board.restore(board);
	}
}
