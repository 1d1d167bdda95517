/** `uvmachine boot`: run a program on the kernel. */
import { existsSync, readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { rebase, restoreSystem, saveSystem } from "../computer/snapshot/system-snapshot.ts";
import { createSystem, DEFAULT_RAM, type System } from "../computer/system.ts";
import { DEFAULT_SWAP } from "../computer/system-config.ts";
import type {
	DiskOptions,
	Exit,
	Report,
	SystemOptions,
	TimingName,
} from "../computer/system-options.ts";
import { SystemTarget } from "../gdb/session.ts";
import { OutputBuffer } from "./console.ts";
import { drive, driveTerminal } from "./drive.ts";
import { type GdbFlags, gdbPort, serveGdb } from "./gdb-server.ts";
import { readInputFile } from "./input-file.ts";
import {
	collect,
	integerOption,
	policyOption,
	portOption,
	sizeOption,
	TIMINGS,
	tlbOption,
} from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { checkOutputPaths, type NamedPath } from "./output-paths.ts";
import { binDisk, openDisks, WORKLOADS } from "./root-disk.ts";
import { openSnapshot, refuseConfiguration, Saver } from "./saver.ts";
import { screenshot } from "./screenshot.ts";
import { parseSize } from "./size.ts";
import { summary } from "./summary.ts";
import { checkTogether } from "./together.ts";
import { TraceFiles, type TraceFlags } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

/** Events that --uvmhist keeps, and how many of them a panic shows. */
const HISTORY_EVENTS = 10_000;
const PANIC_HISTORY = 20;

interface BootFlags extends GdbFlags, TraceFlags {
	readonly ram: number;
	readonly swap: DiskOptions[];
	readonly disk: string[];
	readonly seed: number;
	readonly tlb?: { entries: number; ways: number };
	readonly ad: "hardware" | "trap";
	readonly check: boolean;
	readonly screenshot?: string;
	readonly json?: string;
	readonly uvmhist?: string;
	readonly maxCycles?: number;
	readonly save?: string;
	readonly saveAt?: number;
	readonly restore?: string;
	readonly quiet: boolean;
}

/** Options that say what a system is: with --restore the snapshot does. */
const CONFIGURATION = ["ram", "swap", "disk", "seed", "tlb", "ad", "check"] as const;

export function bootCommand(done: (exitCode: number) => void): Command {
	return new Command("boot")
		.description("run a program on the kernel; its output goes to stdout, a summary to stderr")
		.argument("[program]", "a workload by name, or the path of a static RV32 ELF file")
		.argument("[args...]", "its arguments (after -- if they begin with a dash)")
		.option("--ram <size>", "RAM, as 512K, 8M, 1G", sizeOption, DEFAULT_RAM)
		.option(
			"--swap <size[,timing]>",
			"a swap disk: 0 for none; timing is instant, ssd (default) or hdd; may be repeated",
			swapOption,
			[],
		)
		.option(
			"--disk <path>",
			"a raw disk image, or the root file system: a tar archive or a folder; may be repeated",
			collect,
			[],
		)
		.option("--seed <n>", "for what programs get as random bytes", integerOption, 1)
		.option("--tlb <entries[,ways]>", "shape of the TLB (default: 1024,4)", tlbOption)
		.option("--ad <policy>", "who sets A and D bits: hardware or trap", policyOption, "hardware")
		.option("--check", "verify the VM system's invariants while it runs", false)
		.option("--screenshot <file>", "save what the frame buffer shows at the end, as PNG")
		.option("--trace <file>", "write what happens, and when, for ui.perfetto.dev")
		.option("--trace-instructions <file>", "write every instruction with what it changes")
		.option("--json <file>", "write a report as JSON; - for stdout, after the program's output")
		.option("--uvmhist <file>", "write the latest events inside UVM; - for stderr")
		.option("--max-cycles <n>", "stop after so much virtual time, in ns", integerOption)
		.option("--save <file>", "save a snapshot: at the end of the input or of the run, or")
		.option("--save-at <n>", "  at this virtual time, in ns; the run goes on", integerOption)
		.option("--restore <file>", "go on from a snapshot, instead of running a program")
		.option("--gdb [port]", "wait for a debugger on this port of 127.0.0.1 (1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run, until a debugger comes")
		.option("-q, --quiet", "no summary and no progress", false)
		.action(async (program: string | undefined, args: string[], flags: BootFlags, command) => {
			if (flags.restore !== undefined) refuseConfiguration(command as Command, CONFIGURATION);
			checkTogether("boot", "program", program, flags);
			done(await boot(program ?? "", args, flags));
		});
}

async function boot(program: string, args: string[], flags: BootFlags): Promise<number> {
	checkOutputPaths(outputPaths(flags), inputPaths(program, flags));
	// Opened before a run that may take long.
	const json = flags.json === undefined ? null : new OutputFile(flags.json, process.stdout);
	const picture =
		flags.screenshot === undefined ? null : new OutputFile(flags.screenshot, process.stdout);
	const history =
		flags.uvmhist === undefined ? null : new OutputFile(flags.uvmhist, process.stderr);
	const trace = new TraceFiles(flags);
	const output = new OutputBuffer(process.stdout);
	const onTerminal = gdbPort(flags) === null && process.stdin.isTTY && process.stdout.isTTY;
	const started = performance.now();
	const watch = (system: System): void => trace.begin(system);
	const { system, left, saver } = await runOne(program, args, flags, output, onTerminal, watch);
	trace.close();
	const interactive = onTerminal && system.options.terminal === true;
	const report = system.report(performance.now() - started);
	// Whoever has talked with the guest knows how it went.
	const saved = saver?.waits === false && report.exit.kind === "running";
	const talked = interactive && system.asksForInput;
	if (!flags.quiet && !talked) process.stderr.write(summary(report, saved));
	if (report.exit.kind === "panic") process.stderr.write(panicLines(system, report));
	const config = { ...report.config, maxCycles: flags.maxCycles ?? null };
	json?.write(`${JSON.stringify({ ...report, config })}\n`);
	picture?.write(screenshot(system)!);
	history?.write(`${system.history().join("\n")}\n`);
	return left || saved ? 0 : exitCode(report.exit);
}

const outputPaths = (flags: BootFlags): NamedPath[] => [
	["--json", flags.json],
	["--screenshot", flags.screenshot],
	["--uvmhist", flags.uvmhist],
	["--trace", flags.trace],
	["--trace-instructions", flags.traceInstructions],
	["--save", flags.save],
];

/** A snapshot may take the place of the one that the run goes on from: it is read whole. */
const inputPaths = (program: string, flags: BootFlags): NamedPath[] => [
	["program", isWorkload(program) ? undefined : program],
	...flags.disk.map((path): NamedPath => ["--disk", path]),
	...(flags.save === flags.restore ? [] : [["--restore", flags.restore] as const]),
];

async function systemOptions(
	program: string,
	args: string[],
	flags: BootFlags,
	output: OutputBuffer,
	terminal: boolean,
): Promise<SystemOptions> {
	const swap = flags.swap.length === 0 ? [{ media: DEFAULT_SWAP }] : flags.swap;
	return {
		program,
		image: readProgram(program),
		args,
		ram: flags.ram,
		swap: swap.filter((disk) => disk.media !== 0),
		...(await openDisks(flags.disk)),
		bin: await binDisk(),
		seed: flags.seed,
		tlbEntries: flags.tlb?.entries,
		tlbWays: flags.tlb?.ways,
		adPolicy: flags.ad,
		check: flags.check,
		uvmhist: flags.uvmhist === undefined ? 0 : HISTORY_EVENTS,
		console: (byte) => output.put(byte),
		terminal,
	};
}

function restored(flags: BootFlags, path: string, output: OutputBuffer): System {
	const system = openSnapshot(path, (file) =>
		restoreSystem(file, { console: (byte) => output.put(byte) }),
	);
	if (flags.uvmhist !== undefined && (system.options.uvmhist ?? 0) === 0) {
		throw new UsageError("--uvmhist: the snapshot was made without it");
	}
	return system;
}

function createSaver(system: System, path: string, at: number | undefined): Saver {
	system.trackFiles();
	const method = { rebase: () => rebase(system), save: () => saveSystem(system) };
	return new Saver(system, method, path, at ?? null);
}

interface Ended {
	readonly system: System;
	/** Has the user left before the end? */
	readonly left: boolean;
	readonly saver: Saver | null;
}

/** Run a program, or go on from a snapshot. `watch` gets the system first, if nobody debugs it. */
async function runOne(
	program: string,
	args: string[],
	flags: BootFlags,
	output: OutputBuffer,
	onTerminal: boolean,
	watch: (system: System) => void,
): Promise<Ended> {
	if (flags.restore !== undefined) {
		const system = restored(flags, flags.restore, output);
		watch(system);
		return await runSystem(system, onTerminal, flags, output);
	}
	const options = await systemOptions(program, args, flags, output, onTerminal);
	const port = gdbPort(flags);
	if (port !== null) return await debugSystem(options, port, flags, output);
	const system = createSystem(options);
	watch(system);
	return await runSystem(system, onTerminal, flags, output);
}

async function runSystem(
	system: System,
	onTerminal: boolean,
	flags: BootFlags,
	output: OutputBuffer,
): Promise<Ended> {
	const saver = flags.save === undefined ? null : createSaver(system, flags.save, flags.saveAt);
	const interactive = onTerminal && system.options.terminal === true;
	const left = interactive && (await driveTerminal(system, flags, output, saver));
	if (!interactive) await drive(system, flags, output, saver);
	saver?.finish(left);
	return { system, left, saver };
}

/** Run for a debugger. */
async function debugSystem(
	options: SystemOptions,
	port: number,
	flags: BootFlags,
	output: OutputBuffer,
): Promise<Ended> {
	// A system that has written to a disk of the host's cannot begin anew.
	const again = flags.disk.length === 0;
	const console = (byte: number): void => target.print(byte);
	const system = createSystem({ ...options, console });
	const show = (byte: number): void => output.put(byte);
	const target: SystemTarget = new SystemTarget(system, show, again);
	const left = await serveGdb(target, port, flags, output);
	return { system, left, saver: null };
}

/** 0: the guest succeeded, 1: it failed, 3: the kernel panicked, 4: no progress, or the limit. */
function exitCode(exit: Exit): number {
	switch (exit.kind) {
		case "exited":
			return exit.code === 0 ? 0 : 1;
		case "killed":
			return 1;
		case "panic":
			return 3;
		case "deadlock":
		case "running":
			return 4;
	}
}

/** What somebody needs who looks for the bug. */
function panicLines(system: System, report: Report): string {
	const lines = [
		`uvmachine: panic at cycle ${report.cycles}: ${report.exit.reason}`,
		`uvmachine: to see it again: --seed ${String(report.config.seed)}`,
		...system.history().slice(-PANIC_HISTORY),
		JSON.stringify(report.uvmexp),
	];
	return `${lines.join("\n")}\n`;
}

const workloadFile = (name: string): URL => new URL(encodeURIComponent(name), WORKLOADS);

/** Does a workload of this name come with uvmachine? */
const isWorkload = (program: string): boolean =>
	!program.includes("/") && existsSync(workloadFile(program));

/** A workload that comes with uvmachine, or a file. */
function readProgram(program: string): Uint8Array {
	if (isWorkload(program)) return readFileSync(workloadFile(program));
	if (!existsSync(program)) throw new UsageError(`program ${program}: no such workload or file`);
	return readInputFile("program", program);
}

function swapOption(text: string, all: DiskOptions[]): DiskOptions[] {
	const [size = "", timing = "ssd", ...rest] = text.split(",");
	const media = parseSize(size);
	if (media === null || rest.length > 0 || !TIMINGS.includes(timing)) {
		throw new InvalidArgumentError("Swap is a size and perhaps a timing, as 32M or 32M,hdd.");
	}
	return [...all, { media, timing: timing as TimingName }];
}
