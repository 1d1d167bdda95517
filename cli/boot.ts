/** `uvmachine boot`: run a program on the kernel. */
import { type Command, Option } from "commander";
import type { SystemTarget } from "../gdb/session.ts";
import {
	createSystem,
	DEFAULT_DISK_RETRIES,
	DEFAULT_DISK_TIMEOUT,
	DEFAULT_RAM,
	DEFAULT_SWAP,
	type DiskOptions,
	fileOf,
	type PagingPolicy,
	type Report,
	rebase,
	restoreSystem,
	type System,
	type SystemOptions,
	saveSystem,
} from "../index.ts";
import {
	addCommonOptions,
	type CommonFlags,
	checkCommonOptions,
	inputPaths,
	onTerminal,
	outputPaths,
	type Runs,
	withFaults,
} from "./common-options.ts";
import { OutputBuffer } from "./console.ts";
import { gdbPort } from "./gdb-flags.ts";
import { createSaver, exitCode, runGuest, stoppedToSave } from "./guest-run.ts";
import { hostMs } from "./host-time.ts";
import { lockDisks } from "./image-lock.ts";
import type { GivenUp } from "./interrupts.ts";
import { choiceOption, collect, integerOption, sizedOption, sysctlOption } from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { checkOutputPaths } from "./output-paths.ts";
import { isWorkload, readProgram } from "./program-file.ts";
import { binDisk, openDisks, WORKLOAD_NAMES } from "./root-disk.ts";
import { openSnapshot, type Saver } from "./saver.ts";
import { screenshot } from "./screenshot.ts";
import { sizeText } from "./size.ts";
import { describeStop, hostClock, type Stop, summary } from "./summary.ts";
import { swapOption } from "./swap-option.ts";
import { TraceFiles } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

/** The number of events that --uvmhist keeps, and that a panic prints. */
const HISTORY_EVENTS = 10_000;
const PANIC_HISTORY = 20;

interface BootFlags extends CommonFlags {
	readonly ram: number;
	readonly swap: DiskOptions[];
	readonly disk: string[];
	readonly diskRetries: number;
	readonly diskTimeout: number;
	readonly swapChecksum: boolean;
	readonly swapMirror: boolean;
	readonly seed: number;
	readonly policy: PagingPolicy;
	readonly sysctl: Readonly<Record<string, number>>;
	readonly check: boolean;
	readonly shadow: boolean;
	readonly screenshot?: string;
	readonly uvmhist?: string;
}

const PROGRAM: Runs = { argument: "program", printer: "program", instead: "running a program" };

/** Options of `boot` that describe the system. */
const CONFIGURATION = [
	...(["ram", "swap", "disk", "seed", "policy", "sysctl", "check", "shadow"] as const),
	...(["diskRetries", "diskTimeout", "swapChecksum", "swapMirror"] as const),
] as const;

const HELP = `
Workloads: ${WORKLOAD_NAMES.join(" ")}

Examples:
  uvmachine boot hello
  uvmachine boot sort 16 --ram 4M --swap 32M,hdd    sort 16 MiB in 4 MiB
  uvmachine boot sh                                 a shell; exit leaves it
  uvmachine boot sh -- -c 'ls /bin | wc'            options of the program come after --
  uvmachine boot ./prog --disk root/ --json -       a program of your own, with a root folder`;

export function defineBoot(command: Command, done: (exitCode: number) => void): void {
	command
		.argument("[program]", "a workload by name, or the path of a static RV32 ELF file")
		.argument("[args...]", "its arguments (after -- if they begin with a dash)")
		.addOption(sizedOption("--ram <size>", "RAM, such as 512K, 8M, 1G", DEFAULT_RAM))
		.addOption(
			new Option(
				"--swap <size[,timing]>",
				"a swap disk: 0 for none; timing is instant, ssd or hdd; may be repeated",
			)
				.argParser(swapOption)
				.default([], `${sizeText(DEFAULT_SWAP)},ssd`),
		)
		.addOption(
			new Option(
				"--disk <path>",
				"a raw disk image, or the root file system: a tar archive or a folder; may be repeated",
			)
				.argParser(collect)
				.default([], "none"),
		)
		.option("--seed <n>", "seed of the random bytes that programs get", integerOption, 1)
		.addOption(
			new Option(
				"--policy <name=value>",
				"what paging does otherwise, such as replacement=clockpro; may be repeated",
			)
				.argParser(choiceOption)
				.default({}, "NetBSD's"),
		)
		.addOption(
			new Option("--sysctl <name=value>", "a tunable, such as vm.filemax=20; may be repeated")
				.argParser(sysctlOption)
				.default({}, "NetBSD's values"),
		)
		.option(
			"--disk-retries <n>",
			"how often the kernel repeats a disk request that failed",
			integerOption,
			DEFAULT_DISK_RETRIES,
		)
		.option(
			"--disk-timeout <seconds>",
			"after which the kernel resets a disk that does not answer; 0: never",
			integerOption,
			DEFAULT_DISK_TIMEOUT,
		)
		.option("--swap-checksum", "keep a checksum of each page in swap", false)
		.option("--swap-mirror", "write everything in swap to a second disk, too", false)
		.option("--check", "verify the VM system's invariants while it runs", false)
		.option("--shadow", "compare pages with what they held when they left memory", false)
		.option("--screenshot <file>", "save the final contents of the frame buffer, as PNG")
		.option("--uvmhist <file>", "write the latest events inside UVM; - for stderr");
	command.addHelpText("after", HELP);
	addCommonOptions(command, PROGRAM).action(
		async (program: string | undefined, args: string[], flags: BootFlags) => {
			checkCommonOptions(command, PROGRAM, program, CONFIGURATION);
			done(await boot(program ?? "", args, flags));
		},
	);
}

async function boot(program: string, args: string[], flags: BootFlags): Promise<number> {
	checkFiles(program, flags);
	// Opened first: the run may take long.
	const json = OutputFile.open(flags.json, process.stdout);
	const picture = OutputFile.open(flags.screenshot, process.stdout);
	const history = OutputFile.open(flags.uvmhist, process.stderr);
	const trace = new TraceFiles(flags);
	const output = new OutputBuffer(process.stdout);
	const started = hostMs();
	const watch = (system: System): void => trace.begin(system);
	const { system, left, saver } = await runOne(program, args, flags, output, watch);
	trace.close();
	checkRoot(system);
	const report = system.report(hostMs() - started);
	const saved = stoppedToSave(saver, report.exit);
	const stop = saved ? "saved" : left;
	json?.writeJson(withCommand(report, flags, stop));
	if (picture !== null) picture.write((await screenshot(system))!);
	if (!flags.quiet) process.stderr.write(output.lost);
	// A user who has typed to the guest has seen how it went.
	const talked = isInteractive(system, flags) && system.asksForInput;
	const seen = talked && (left === null || left === "user");
	if (!flags.quiet && !seen) process.stderr.write(summary(report, stop) + hostClock(flags));
	if (report.exit.kind === "panic") process.stderr.write(panicLines(system, report));
	history?.write(`${system.history().join("\n")}\n`);
	return exitCode(report.exit, flags, left, saved);
}

/** The report, with the command line's part of the configuration, and why the run was stopped. */
function withCommand(report: Report, flags: BootFlags, stop: Stop): Report {
	const { maxCycles = null, rtc } = flags;
	const config = { ...report.config, maxCycles, rtcFromHost: rtc.host };
	const { kind } = report.exit;
	const reason = kind === "running" ? describeStop(stop) : report.exit.reason;
	return { ...report, config, exit: { ...report.exit, reason } };
}

/** => UsageError if the archive that is to be the root could not be mounted. */
function checkRoot({ kernel, files, disks }: System): void {
	const { error } = kernel.vfs;
	if (error === "") return;
	const file = files[disks.findIndex(({ role }) => role === "root")] ?? null;
	const name = file === null ? "root" : fileOf(file)!.path;
	throw new UsageError(`disk ${name}: ${error.replace(/^ld\d+: /, "")}`);
}

function checkFiles(program: string, flags: BootFlags): void {
	const outputs = outputPaths(flags, [
		["--screenshot", flags.screenshot],
		["--uvmhist", flags.uvmhist],
	]);
	const inputs = inputPaths(flags, [
		["program", isWorkload(program) ? undefined : program],
		...flags.disk.map((path) => ["--disk", path] as const),
	]);
	checkOutputPaths(outputs, inputs);
}

/** A snapshot that was saved without a terminal continues without one. */
const isInteractive = (system: System, flags: BootFlags): boolean =>
	onTerminal(flags) && system.options.terminal === true;

async function systemOptions(
	program: string,
	args: string[],
	flags: BootFlags,
	output: OutputBuffer,
): Promise<SystemOptions> {
	const swap = flags.swap.length === 0 ? [{ media: DEFAULT_SWAP }] : flags.swap;
	return {
		program,
		image: readProgram(program),
		args,
		ram: flags.ram,
		swap: swap.filter((disk) => disk.media !== 0),
		...(await openDisks(flags.disk)),
		bin: binDisk(),
		seed: flags.seed,
		policy: Object.keys(flags.policy).length > 0 ? flags.policy : undefined,
		sysctl: Object.keys(flags.sysctl).length > 0 ? flags.sysctl : undefined,
		tlbEntries: flags.tlb?.entries,
		tlbWays: flags.tlb?.ways,
		adPolicy: flags.ad,
		engine: flags.engine,
		rtc: flags.rtc.seconds,
		diskRetries: flags.diskRetries,
		diskTimeout: flags.diskTimeout,
		swapChecksum: flags.swapChecksum,
		swapMirror: flags.swapMirror,
		check: flags.check,
		shadow: flags.shadow,
		uvmhist: flags.uvmhist === undefined ? 0 : HISTORY_EVENTS,
		console: (byte) => output.put(byte),
		terminal: onTerminal(flags),
	};
}

async function restored(flags: BootFlags, path: string, output: OutputBuffer): Promise<System> {
	const console = (byte: number): void => output.put(byte);
	const system = await withFaults(flags, (faults) =>
		openSnapshot(path, (file) => restoreSystem(file, { console, engine: flags.engine, faults })),
	);
	if (flags.uvmhist !== undefined && (system.options.uvmhist ?? 0) === 0) {
		throw new UsageError("--uvmhist: the snapshot was made without it");
	}
	return system;
}

interface Ended {
	readonly system: System;
	/** Who gave it up before the end. */
	readonly left: GivenUp;
	readonly saver: Saver | null;
}

/** Run a program or a snapshot. `watch` gets the system before it runs, unless gdb controls it. */
async function runOne(
	program: string,
	args: string[],
	flags: BootFlags,
	output: OutputBuffer,
	watch: (system: System) => void,
): Promise<Ended> {
	if (flags.restore !== undefined) {
		const system = await restored(flags, flags.restore, output);
		lockDisks(system.files);
		watch(system);
		return await runSystem(system, flags, output);
	}
	const options = await systemOptions(program, args, flags, output);
	const port = gdbPort(flags);
	if (port !== null) return await debugSystem(options, port, flags, output);
	const system = await withFaults(flags, (faults) => createSystem({ ...options, faults }));
	lockDisks(system.files);
	watch(system);
	return await runSystem(system, flags, output);
}

async function runSystem(system: System, flags: BootFlags, output: OutputBuffer): Promise<Ended> {
	if (flags.save !== undefined) system.trackFiles();
	const saver = createSaver(system, flags, {
		rebase: () => rebase(system),
		save: () => saveSystem(system),
	});
	const left = await runGuest(system, flags, output, saver, isInteractive(system, flags));
	return { system, left, saver };
}

/** Run for a debugger. */
async function debugSystem(
	options: SystemOptions,
	port: number,
	flags: BootFlags,
	output: OutputBuffer,
): Promise<Ended> {
	const { serveGdb } = await import("./gdb-server.ts");
	const { SystemTarget } = await import("../gdb/session.ts");
	// Going back would undo what the guest has written to a disk of the host.
	const reverse = flags.disk.length === 0;
	const console = (byte: number): void => target.print(byte);
	const system = await withFaults(flags, (faults) => createSystem({ ...options, faults, console }));
	lockDisks(system.files);
	const show = (byte: number): void => output.put(byte);
	const target: SystemTarget = new SystemTarget(system, show, reverse);
	const left = await serveGdb(target, port, flags, output);
	return { system, left, saver: null };
}

/** The lines that help to find the bug. */
function panicLines(system: System, report: Report): string {
	const lines = [
		`uvmachine: panic at cycle ${report.cycles}: ${report.exit.reason}`,
		`uvmachine: to reproduce it: --seed ${String(report.config.seed)}`,
		...system.history().slice(-PANIC_HISTORY),
		JSON.stringify(report.uvmexp),
	];
	return `${lines.join("\n")}\n`;
}
