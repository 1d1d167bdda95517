/** The guest programs of the benchmarks, and how to run one. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createSystem, type Engine } from "../index.ts";

const MiB = 1024 * 1024;

/** The path of a program of this folder that runs in a thread or a process of its own. */
export const built = (name: string): string =>
	fileURLToPath(new URL(`../bench/${name}.js`, import.meta.url));

/** The folder of the workloads, seen from the sources and from the built programs. */
export const WORKLOADS = ["../workloads/", "../../workloads/"]
	.map((path) => fileURLToPath(new URL(path, import.meta.url)))
	.find((path) => existsSync(`${path}bin`))!;

export const workload = (name: string): Uint8Array => readFileSync(`${WORKLOADS}bin/${name}`);

/** How everything is measured. */
export interface Measuring {
	/** Small sizes, only to check that the benchmarks work. */
	readonly smoke: boolean;
	readonly engine: Engine;
}

export interface GuestRun {
	readonly program: string;
	readonly args: readonly string[];
	/** MiB of RAM: 64 is enough for every guest, 4 for none. */
	readonly ramMiB: number;
	readonly engine: Engine;
	/** Runs before the measured one, so that the host's compiler has seen the code. */
	readonly warmups: number;
}

export interface GuestResult extends GuestRun {
	readonly instructions: number;
	readonly hostMs: number;
	/** Million guest instructions a second; the time includes the kernel's work. */
	readonly mips: number;
	readonly faults: number;
	readonly pageins: number;
	readonly pageouts: number;
	readonly stateHash: string;
}

/** The four guests. Each takes some seconds. */
export const GUESTS: readonly (readonly [string, ...string[]])[] = [
	["sort", "8"],
	["matmul", "640"],
	["walk", "16", "8"],
	["shm", "8", "4"],
];

/** The same guests for --smoke. */
export const SMOKE_GUESTS: typeof GUESTS = [
	["sort", "1"],
	["matmul", "64"],
	["walk", "1", "1"],
	["shm", "1", "2"],
];

/** Run a guest to its end. => throws if the guest fails. */
export function runGuest(run: GuestRun): GuestResult {
	for (let i = 0; i < run.warmups; i++) runOnce(run);
	return runOnce(run);
}

function runOnce(run: GuestRun): GuestResult {
	const system = createSystem({
		program: run.program,
		image: workload(run.program),
		args: run.args,
		ram: run.ramMiB * MiB,
		swap: [{ media: 64 * MiB }],
		engine: run.engine,
	});
	const started = performance.now();
	system.run();
	const hostMs = performance.now() - started;
	const { exit, instructions, uvmexp, stateHash } = system.report(hostMs);
	if (exit.kind !== "exited" || exit.code !== 0) {
		throw new Error(`bench: ${run.program} ${exit.kind} ${exit.reason}`);
	}
	return {
		...run,
		instructions,
		hostMs,
		mips: instructions / hostMs / 1e3,
		faults: uvmexp.faults,
		pageins: uvmexp.pgswapin,
		pageouts: uvmexp.pgswapout,
		stateHash,
	};
}
