/** The options that `boot` and `run` share: declarations, types and checks. */
import { type Command, Option } from "commander";
import type { Engine, FaultPlan } from "../index.ts";
import { type GdbFlags, gdbPort } from "./gdb-flags.ts";
import {
	ENGINE,
	integerOption,
	policyOption,
	portOption,
	RTC_DEFAULT,
	type RtcOption,
	rtcOption,
	rtcText,
	tlbOption,
} from "./options.ts";
import type { NamedPath } from "./output-paths.ts";
import { planFile } from "./plan-argument.ts";
import { refuseConfiguration } from "./saver.ts";
import type { TraceFlags } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

export interface CommonFlags extends GdbFlags, TraceFlags {
	readonly tlb?: { entries: number; ways: number };
	readonly ad: "hardware" | "trap";
	readonly engine: Engine;
	readonly json?: string;
	readonly maxCycles?: number;
	readonly save?: string;
	readonly saveAt?: number;
	readonly restore?: string;
	readonly quiet: boolean;
	readonly guestExitCode: boolean;
	readonly rtc: RtcOption;
	readonly faults?: string;
}

/** The common options that describe the machine, which with --restore the snapshot does. */
export const COMMON_CONFIGURATION = ["tlb", "ad", "rtc"] as const;

/** What a command runs, in its help and its messages. */
export interface Runs {
	/** The name of its argument. */
	readonly argument: string;
	/** Who prints to its standard output. */
	readonly printer: string;
	/** What --restore replaces. */
	readonly instead: string;
}

export function addCommonOptions(command: Command, { printer, instead }: Runs): Command {
	return command
		.option("--tlb <entries[,ways]>", "shape of the TLB (default: 1024,4)", tlbOption)
		.option("--ad <policy>", "who sets A and D bits: hardware or trap", policyOption, "hardware")
		.option(...ENGINE)
		.option("--trace <file>", "write a timeline of events for ui.perfetto.dev")
		.option("--trace-instructions <file>", "write every instruction with the registers it changes")
		.option("--json <file>", `write a report as JSON; - for stdout, after the ${printer}'s output`)
		.option("--max-cycles <n>", "stop after this much virtual time, in ns", integerOption)
		.option("--save <file>", "save a snapshot at the end of the input or of the run")
		.option(
			"--save-at <n>",
			"with --save: at this virtual time, in ns, then continue",
			integerOption,
		)
		.option("--restore <file>", `continue from a snapshot instead of ${instead}`)
		.option("--guest-exit-code", "exit with the guest's own code, or 128 + the signal", false)
		.addOption(
			new Option(
				"--rtc <time>",
				"wall clock at the start: a date such as 2026-01-31T12:00:00 (UTC), or host",
			)
				.argParser(rtcOption)
				.default(RTC_DEFAULT, rtcText(RTC_DEFAULT.seconds)),
		)
		.option("--faults <plan>", "break the hardware: a JSON5 file of rules, or a rule itself: {...}")
		.option("--gdb [port]", "wait for a debugger on 127.0.0.1 (default port: 1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run until a debugger connects")
		.option("-q, --quiet", "no summary and no progress", false);
}

/**
 * Check the options against each other.
 * => UsageError. `name` is the program or image that the user named; `configuration` lists the
 *    options that --restore takes from the snapshot.
 */
export function checkCommonOptions(
	command: Command,
	{ argument }: Runs,
	name: string | undefined,
	configuration: readonly string[],
): void {
	const flags = command.opts<CommonFlags>();
	const { gdb, trace, traceInstructions, save, saveAt, restore } = flags;
	if (restore !== undefined) {
		refuseConfiguration(command, [...configuration, ...COMMON_CONFIGURATION]);
	}
	if (saveAt !== undefined && save === undefined) {
		throw new UsageError("--save-at: needs --save FILE");
	}
	if (gdb !== undefined && (save ?? restore) !== undefined) {
		throw new UsageError("--gdb: cannot be combined with --save or --restore");
	}
	if (gdb !== undefined && (trace ?? traceInstructions) !== undefined) {
		throw new UsageError("--trace: cannot be combined with --gdb, which runs parts of a run again");
	}
	if (restore === undefined && name === undefined) {
		throw new UsageError(`${command.name()}: no ${argument} and no --restore FILE`);
	}
	if (restore !== undefined && name !== undefined) {
		throw new UsageError(`${argument} ${name}: with --restore the snapshot says what runs`);
	}
}

/** The files that the common options and the command's own options write. */
export const outputPaths = (flags: CommonFlags, own: readonly NamedPath[]): NamedPath[] => [
	["--json", flags.json],
	...own,
	["--trace", flags.trace],
	["--trace-instructions", flags.traceInstructions],
	["--save", flags.save],
];

/**
 * The files that the common options and the command itself read. --save may overwrite the snapshot
 * of --restore, which has been read completely by then.
 */
export const inputPaths = (flags: CommonFlags, own: readonly NamedPath[]): NamedPath[] => {
	const read: NamedPath[] = [...own, ["--faults", planFile(flags.faults)]];
	return flags.save === flags.restore ? read : [...read, ["--restore", flags.restore]];
};

/**
 * Build a computer that follows --faults.
 * => UsageError that names the line if the plan is wrong, or does not fit the computer.
 */
export async function withFaults<T>(
	{ faults }: CommonFlags,
	build: (plan: FaultPlan | undefined) => T,
): Promise<T> {
	if (faults === undefined) return build(undefined);
	const { readFaults } = await import("./fault-file.ts");
	return readFaults(faults).build(build);
}

/** Whether the guest gets the host's terminal for itself. */
export const onTerminal = (flags: CommonFlags): boolean =>
	gdbPort(flags) === null && process.stdin.isTTY && process.stdout.isTTY;
