/** The paths through the kernel and the machine that `bench paths` and `allocations` measure. */
import { readFileSync } from "node:fs";
import type { Bare, System } from "../../index.ts";
import type { Build } from "../build.ts";
import { WORKLOADS, workload } from "../guests.ts";
import type { Work } from "../slices.ts";
import {
	amoImage,
	callImage,
	reservationImage,
	SYS_GETPID,
	SYS_SCHED_YIELD,
} from "./call-image.ts";

const MiB = 1024 * 1024;
/** Of virtual time, in each step. */
const CYCLES = 1_000_000;
/** The same between two system calls. */
const FEW_CYCLES = 100_000;

/** A program above the kernel that does one thing without end. */
export interface KernelPath {
	readonly name: string;
	readonly image: () => Uint8Array;
	readonly args: readonly string[];
	/** MiB. */
	readonly ram: number;
	/** How often it was done. */
	readonly count: (system: System) => number;
	/** Time in which there was a system call does not count. */
	readonly faultsAlone?: boolean;
}

/** More than is needed; touch and walk take no greater number. */
const FOREVER = "100000000";
const ROUNDS = "1000000";
const syscalls = (system: System): number => system.kernel.uvmexp.syscalls;
const instructions = (system: System): number => system.machine.hart.counters.instret;

export const KERNEL_PATHS: readonly KernelPath[] = [
	{
		...{ name: "zero-fill fault", image: () => workload("touch"), args: ["64", ROUNDS], ram: 96 },
		...{ count: ({ kernel }) => kernel.uvmexp.flt_przero, faultsAlone: true },
	},
	{
		...{ name: "fault in a resident file", args: ["map", "write", "shared", "4096", FOREVER] },
		...{ image: () => workload("vmbench"), ram: 48, faultsAlone: true },
		count: ({ kernel }) => kernel.uvmexp.flt_obj,
	},
	{
		...{ name: "copy on write", args: ["cow", "8192", FOREVER], ram: 48, faultsAlone: true },
		...{ image: () => workload("vmbench"), count: ({ kernel }) => kernel.uvmexp.flt_acow },
	},
	{ name: "getpid", image: () => callImage(SYS_GETPID), args: [], ram: 16, count: syscalls },
	{
		...{ name: "sched_yield, two switches", args: [], ram: 16 },
		...{ image: () => callImage(SYS_SCHED_YIELD, true), count: (system) => syscalls(system) / 2 },
	},
	{
		// Physical addresses are beyond 2^31, too.
		...{ name: "a byte through a pipe and back", args: ["switch", FOREVER], ram: 16 },
		...{ image: () => workload("vmbench"), count: (system) => syscalls(system) / 4 },
	},
	{
		...{ name: "fork, exit and wait", args: ["fork", "0", FOREVER], ram: 32 },
		...{ image: () => workload("vmbench"), count: (system) => syscalls(system) / 3 },
	},
	{
		...{ name: "a page out or in", image: () => workload("walk"), args: ["16", ROUNDS], ram: 4 },
		count: ({ kernel: { uvmexp } }) => uvmexp.pgswapin + uvmexp.pgswapout,
	},
	{ name: "amoadd.w", image: amoImage, args: [], ram: 16, count: instructions },
	{ name: "lr.w and sc.w, each", image: reservationImage, args: [], ram: 16, count: instructions },
];

/** A machine that runs `path`. */
export const kernelPath = (path: KernelPath, build: Build): System =>
	build.createSystem({
		...{ program: "bench", image: path.image(), args: path.args, ram: path.ram * MiB },
		swap: [{ media: 64 * MiB, timing: "instant" }],
		...build.options,
	});

/** => each step runs `system` on for some virtual time */
export function stepsOf(path: KernelPath, system: System): Work {
	const cycles = path.faultsAlone === true ? FEW_CYCLES : CYCLES;
	return () => {
		const calls = syscalls(system);
		const done = path.count(system);
		if (system.run(system.machine.clock.cycles + cycles) !== "running") {
			throw new Error(`bench: ${path.name}: the program has ended`);
		}
		if (path.faultsAlone === true && syscalls(system) !== calls) return null;
		return path.count(system) - done;
	};
}

/** A program of workloads/bare that does one thing over and over. */
export interface BarePath {
	readonly name: string;
	readonly program: string;
	/** Of each time. */
	readonly instructions: number;
}

export const BARE_PATHS: readonly BarePath[] = [
	{ name: "16 instructions written, fence.i, call", program: "generate", instructions: 216.5 },
	{ name: "trap and return on a bare machine", program: "traps", instructions: 50 },
];

/** => each step runs a machine on for some virtual time, or a new one when it has ended */
export function barePath({ program, instructions }: BarePath, build: Build): Work {
	const image = readFileSync(`${WORKLOADS}bare/bin/${program}`);
	const start = (): Bare => new build.Bare({ image, ram: MiB, ...build.options });
	let bare = start();
	return () => {
		if (bare.exit.kind !== "running") bare = start();
		const { clock, hart } = bare.machine;
		const before = hart.counters.instret;
		bare.run(clock.cycles + CYCLES);
		return (hart.counters.instret - before) / instructions;
	};
}

/** Every path. */
export interface Path {
	readonly name: string;
	/** Each step of the work counts. */
	readonly always: boolean;
	readonly start: (build: Build) => Work;
}

export const PATHS: readonly Path[] = [
	...KERNEL_PATHS.map((path) => ({
		...{ name: path.name, always: path.faultsAlone !== true },
		start: (build: Build) => stepsOf(path, kernelPath(path, build)),
	})),
	...BARE_PATHS.map((path) => ({
		...{ name: path.name, always: true },
		start: (build: Build) => barePath(path, build),
	})),
];
