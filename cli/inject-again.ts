/** `uvmachine inject replay` and `inject minimise`: one run of a campaign again. */
import { Command } from "commander";
import type { BareTarget, SystemTarget } from "../gdb/session.ts";
import {
	Bare,
	type Campaign,
	type Engine,
	findRun,
	minimiseRun,
	planOf,
	prepareAgain,
	type ResultRow,
	readResults,
	replayRun,
	System,
	stoppedRun,
	type Workload,
} from "../index.ts";
import { readWorkload } from "./campaign-workload.ts";
import { OutputBuffer } from "./console.ts";
import { type GdbFlags, gdbPort } from "./gdb-flags.ts";
import { ENGINE, integerOption, portOption } from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { TraceFiles, type TraceFlags } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

/** Events of UVM that are kept for --uvmhist. */
const HISTORY_EVENTS = 4096;

const FILES = ["--files <folder>", "where the campaign's files are looked for", "."] as const;

interface ReplayFlags extends TraceFlags, GdbFlags {
	readonly stopAtInjection: boolean;
	readonly files: string;
	readonly engine: Engine;
	readonly uvmhist?: string;
	readonly quiet: boolean;
}

/** What a run needs. => UsageError if it is not there, or another one. */
async function readAgain(
	folder: string,
	run: number,
	{ files, engine }: { readonly files: string; readonly engine: Engine },
): Promise<{
	row: ResultRow;
	prepared: ReturnType<typeof prepareAgain>;
	workload: Workload;
}> {
	const results = readResults(folder);
	const row = findRun(results, run);
	const workload = await readWorkload(results.campaign as Campaign, files, engine);
	return { row, prepared: prepareAgain(results, workload), workload };
}

export function replayCommand(done: (exitCode: number) => void): Command {
	return new Command("replay")
		.description("make one run again, and say whether its outcome is the same; or debug it")
		.argument("<folder>", "results of a campaign")
		.argument("<run>", "the run's number", integerOption)
		.option(...FILES)
		.option(...ENGINE)
		.option("--trace <file>", "write a timeline of events for ui.perfetto.dev")
		.option("--trace-instructions <file>", "write every instruction with the registers it changes")
		.option("--uvmhist <file>", "write the latest events inside UVM; - for stderr")
		.option("--gdb [port]", "wait for a debugger on 127.0.0.1 (default port: 1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run until a debugger connects")
		.option("--stop-at-injection", "with --gdb: begin where a rule is about to act", false)
		.option("-q, --quiet", "only the exit code", false)
		.action(async (folder: string, run: number, flags: ReplayFlags) => {
			const port = gdbPort(flags);
			if (port !== null) await debug(folder, run, port, flags);
			else if (!flags.stopAtInjection) return done(await replay(folder, run, flags));
			else throw new UsageError("--stop-at-injection: needs --gdb");
			done(0);
		});
}

/** The outcome is not looked for: a debugger may change everything. */
async function debug(folder: string, run: number, port: number, flags: ReplayFlags): Promise<void> {
	if ((flags.trace ?? flags.traceInstructions ?? flags.uvmhist) !== undefined) {
		throw new UsageError("--gdb: cannot be combined with --trace or --uvmhist");
	}
	const { row, workload } = await readAgain(folder, run, flags);
	if (workload.input !== undefined) {
		throw new UsageError("--gdb: cannot be combined with a campaign that types on the console");
	}
	const { serveGdb } = await import("./gdb-server.ts");
	const { BareTarget, SystemTarget } = await import("../gdb/session.ts");
	const output = new OutputBuffer(process.stdout);
	const show = (byte: number): void => output.put(byte);
	let print = show;
	const target = stoppedRun(
		...([workload, row, flags.stopAtInjection] as const),
		(computer): SystemTarget | BareTarget => {
			const reverse = true;
			return computer instanceof System
				? new SystemTarget(computer, show, reverse)
				: new BareTarget(computer, show, reverse);
		},
		(byte) => print(byte),
	);
	print = (byte) => target.print(byte);
	await serveGdb(target, port, flags, output);
}

async function replay(folder: string, run: number, flags: ReplayFlags): Promise<number> {
	const history = OutputFile.open(flags.uvmhist, process.stderr);
	const trace = new TraceFiles(flags);
	const { row, prepared, workload } = await readAgain(folder, run, flags);
	if (history !== null && workload.kind === "run") {
		throw new UsageError("--uvmhist: there is no kernel of ours");
	}
	const { runner } = prepared;
	const options =
		history === null ? workload.options : { ...workload.options, uvmhist: HISTORY_EVENTS };
	const watched = { ...runner, workload: { ...workload, options } as Workload };
	let computer: unknown = null;
	const replayed = replayRun({ ...prepared, runner: watched }, row, (guest) => {
		computer = guest.computer;
		if (guest.computer instanceof System || guest.computer instanceof Bare) {
			trace.begin(guest.computer);
		}
	});
	trace.close();
	if (computer instanceof System) history?.write(`${computer.history().join("\n")}\n`);
	if (!flags.quiet) {
		if (computer instanceof System || computer instanceof Bare) {
			process.stdout.write(computer.printed);
		}
		const { outcome, same } = replayed;
		const again = same ? "as before" : "as before, but with other evidence";
		const was = outcome === row.outcome ? again : `before, it was ${row.outcome}`;
		const line = `run ${run}: ${outcome} (${was}): ${replayed.why}\n`;
		process.stderr.write(line);
	}
	return replayed.outcome === row.outcome ? 0 : 1;
}

interface MinimiseFlags {
	readonly files: string;
	readonly engine: Engine;
	readonly plan?: string;
}

export function minimiseCommand(done: (exitCode: number) => void): Command {
	return new Command("minimise")
		.description("find the smallest plan with the outcome of a run")
		.argument("<folder>", "results of a campaign")
		.argument("<run>", "the run's number", integerOption)
		.option(...FILES)
		.option(...ENGINE)
		.option("--plan <file>", "write the plan, for --faults; otherwise it is printed")
		.action(async (folder: string, run: number, flags: MinimiseFlags) => {
			const file = new OutputFile(flags.plan ?? "-", process.stdout);
			const { row, prepared } = await readAgain(folder, run, flags);
			const { plan, outcome, why, runs } = minimiseRun(prepared, row);
			const head = [`// Run ${run}: ${outcome}.`, `// ${why.replaceAll(/\s+/g, " ")}`];
			file.write(`${head.join("\n")}\n${JSON.stringify(planOf(plan), null, "\t")}\n`);
			const { length } = row.plan.rules;
			const rules = `${plan.rules.length} of ${length} rule${length === 1 ? "" : "s"}`;
			process.stderr.write(`run ${run}: ${outcome} with ${rules}, found in ${runs} runs\n`);
			done(0);
		});
}
