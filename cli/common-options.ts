/** The options that `boot` and `run` share: their declarations, their types, and what they mean. */
import type { Command } from "commander";
import { type GdbFlags, gdbPort } from "./gdb-server.ts";
import { integerOption, policyOption, portOption, tlbOption } from "./options.ts";
import type { NamedPath } from "./output-paths.ts";
import { refuseConfiguration } from "./saver.ts";
import type { TraceFlags } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

export interface CommonFlags extends GdbFlags, TraceFlags {
	readonly tlb?: { entries: number; ways: number };
	readonly ad: "hardware" | "trap";
	readonly json?: string;
	readonly maxCycles?: number;
	readonly save?: string;
	readonly saveAt?: number;
	readonly restore?: string;
	readonly quiet: boolean;
}

/** Those of the common options that describe the machine: with --restore the snapshot does. */
export const COMMON_CONFIGURATION = ["tlb", "ad"] as const;

/** What a command runs, in its help and its messages. */
export interface Runs {
	/** The name of its argument. */
	readonly argument: string;
	/** Who prints to its standard output. */
	readonly printer: string;
	/** What --restore takes the place of. */
	readonly instead: string;
}

export function addCommonOptions(command: Command, { printer, instead }: Runs): Command {
	return command
		.option("--tlb <entries[,ways]>", "shape of the TLB (default: 1024,4)", tlbOption)
		.option("--ad <policy>", "who sets A and D bits: hardware or trap", policyOption, "hardware")
		.option("--trace <file>", "write what happens, and when, for ui.perfetto.dev")
		.option("--trace-instructions <file>", "write every instruction with what it changes")
		.option("--json <file>", `write a report as JSON; - for stdout, after the ${printer}'s output`)
		.option("--max-cycles <n>", "stop after so much virtual time, in ns", integerOption)
		.option("--save <file>", "save a snapshot: at the end of the input or of the run, or")
		.option("--save-at <n>", "  at this virtual time, in ns; the run goes on", integerOption)
		.option("--restore <file>", `go on from a snapshot, instead of ${instead}`)
		.option("--gdb [port]", "wait for a debugger on this port of 127.0.0.1 (1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run, until a debugger comes")
		.option("-q, --quiet", "no summary and no progress", false);
}

/**
 * Check what no option can check alone.
 * => UsageError. `name` is the program or image that the user has named; `configuration` lists the
 *    options that say what the snapshot says.
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
		throw new UsageError("--save-at: there is no --save FILE");
	}
	if (gdb !== undefined && (save ?? restore) !== undefined) {
		throw new UsageError("--gdb: not together with --save and --restore");
	}
	if (gdb !== undefined && (trace ?? traceInstructions) !== undefined) {
		throw new UsageError("--trace: not together with --gdb, which runs parts again");
	}
	if (restore === undefined && name === undefined) {
		throw new UsageError(`${command.name()}: no ${argument}, and no --restore FILE`);
	}
	if (restore !== undefined && name !== undefined) {
		throw new UsageError(`${argument} ${name}: with --restore the snapshot says what runs`);
	}
}

/** Files that the common options write, and those that the command's own options write. */
export const outputPaths = (flags: CommonFlags, own: readonly NamedPath[]): NamedPath[] => [
	["--json", flags.json],
	...own,
	["--trace", flags.trace],
	["--trace-instructions", flags.traceInstructions],
	["--save", flags.save],
];

/**
 * Files that the common options read, and those that the command itself reads. A snapshot may
 * replace the one that was restored: that has been read whole by then.
 */
export const inputPaths = (flags: CommonFlags, own: readonly NamedPath[]): NamedPath[] =>
	flags.save === flags.restore ? [...own] : [...own, ["--restore", flags.restore]];

/** Does the guest get the host's terminal for itself? */
export const onTerminal = (flags: CommonFlags): boolean =>
	gdbPort(flags) === null && process.stdin.isTTY && process.stdout.isTTY;
