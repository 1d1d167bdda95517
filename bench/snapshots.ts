/** The cost of checkpoints and of snapshots. */
import {
	type ComputerCheckpoint,
	createSystem,
	type Engine,
	restoreSystem,
	type System,
	saveSystem,
} from "../index.ts";
import { type Measuring, workload } from "./guests.ts";

const MiB = 1024 * 1024;
const RAM_MIB = 64;
/** Memory that is written between a checkpoint and the return to it. */
const TOUCHED_MIB = 4;

export interface SnapshotResult {
	readonly name: string;
	/** Medians, of one operation. */
	readonly ms: number;
	readonly samples: number;
}

/** A machine whose program writes to its memory without end. */
function start(engine: Engine): System {
	const system = createSystem({
		program: "touch",
		image: workload("touch"),
		args: [String(TOUCHED_MIB), "1000000"],
		ram: RAM_MIB * MiB,
		engine,
	});
	while (system.machine.hart.counters.instret < 100_000) advance(system, 1_000_000);
	return system;
}

function advance(system: System, cycles: number): void {
	if (system.run(system.machine.clock.cycles + cycles) !== "running") {
		throw new Error("bench: the program has ended");
	}
}

function note(system: System): ComputerCheckpoint {
	for (;;) {
		const checkpoint = system.checkpoint();
		if (checkpoint !== null) return checkpoint;
		advance(system, 10_000);
	}
}

/** Run until the program has written TOUCHED_MIB of memory. */
function touch(system: System): void {
	while (system.machine.checkpointBytes < TOUCHED_MIB * MiB) advance(system, 20_000);
}

function timed(action: () => void): number {
	const started = performance.now();
	action();
	return performance.now() - started;
}

function median(name: string, times: number[]): SnapshotResult {
	const ms = times.sort((a, b) => a - b)[times.length >> 1]!;
	return { name, ms, samples: times.length };
}

export function runSnapshots({ smoke, engine }: Measuring): SnapshotResult[] {
	const rounds = smoke ? 2 : 50;
	const system = start(engine);
	const { machine, board } = system;
	const taking: number[] = [];
	const machines: number[] = [];
	const systems: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const checkpoint = note(system);
		taking.push(timed(() => machine.release(machine.checkpoint())));
		touch(system);
		machines.push(
			timed(() => {
				machine.rollback(checkpoint.machine);
				board.rollback(checkpoint.board);
			}),
		);
		// Brings the kernel back, too.
		system.rollback(checkpoint);
		touch(system);
		systems.push(timed(() => system.rollback(checkpoint)));
		system.release(checkpoint);
	}
	const files = Array.from({ length: smoke ? 1 : 5 }, () => timed(() => saveSystem(system)));
	const file = saveSystem(system);
	const restored = files.map(() => timed(() => restoreSystem(file, { engine })));
	const what = `a machine of ${RAM_MIB} MiB, ${TOUCHED_MIB} MiB of it written to`;
	return [
		median("checkpoint of a machine, taken and released", taking),
		median(`go back: ${what}`, machines),
		median("go back: the same with its kernel", systems),
		median("save a snapshot", files),
		median("restore a snapshot", restored),
	];
}
