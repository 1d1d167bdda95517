/** Running a guest to its end, with its console on the host's standard streams. */
import { type Computer, type Engine, warmUpHost } from "../index.ts";
import { InputReader, type OutputBuffer } from "./console.ts";
import { noteEngine } from "./engine.ts";
import { HostTerminal } from "./host-terminal.ts";
import { hostMs } from "./host-time.ts";
import { driveInteractive } from "./interactive.ts";
import { type GivenUp, Interrupts, turn } from "./interrupts.ts";
import { RunProgress } from "./progress.ts";
import type { Saver } from "./saver.ts";

/** Cycles between two looks at the host's clock: some tens of milliseconds. */
const SLICE = 10_000_000;
/** So much shorter are the first ones, until it is clear that the warm-up is worth its time. */
const FIRST_SLICE = 100_000;
const FEW_INSTRUCTIONS = 10_000;

export interface DriveFlags {
	readonly engine: Engine;
	readonly maxCycles?: number;
	readonly quiet: boolean;
}

const limitOf = ({ maxCycles }: DriveFlags): number => maxCycles ?? Number.POSITIVE_INFINITY;

/** Run to the end, passing on output, progress and input. => who gave it up before. */
export async function drive(
	guest: Computer,
	flags: DriveFlags,
	output: OutputBuffer,
	saver: Saver | null,
): Promise<GivenUp> {
	noteEngine(flags);
	const progress = await RunProgress.open(process.stderr, flags.quiet);
	const input = new InputReader(process.stdin);
	const limit = limitOf(flags);
	const { clock, hart } = guest.machine;
	const few = hart.counters.instret + FEW_INSTRUCTIONS;
	let warm = false;
	const interrupts = new Interrupts();
	const hungUp = interrupts.raised.then(() => "interrupted" as const);
	while (clock.cycles < limit && interrupts.signal === null) {
		if (!warm && hart.counters.instret >= few) {
			warmUpHost(flags.engine);
			warm = true;
		}
		const until = Math.min(clock.cycles + (warm ? SLICE : FIRST_SLICE), limit);
		const state = guest.run(saver?.next(until) ?? until);
		saver?.look();
		// The guest's lines and the progress line share a terminal.
		if (output.pending) progress.stop();
		output.flush();
		progress.update(guest);
		if (state === "ended") break;
		if (state !== "input") {
			await turn();
			continue;
		}
		const take = (bytes: Uint8Array): number => guest.input(bytes);
		const fed = await Promise.race([guest.spins ? input.offer(take) : input.feed(take), hungUp]);
		if (fed === false) {
			// Whoever saves wants to go on from here, and not from what the end of input leads to.
			if (saver?.waits === false) break;
			guest.inputEnd();
		}
	}
	progress.stop();
	input.close();
	interrupts.close();
	return interrupts.signal;
}

/** Run with the host's terminal as the guest's. => who gave it up before its end. */
export async function driveTerminal(
	guest: Computer,
	flags: DriveFlags,
	output: OutputBuffer,
	saver: Saver | null,
): Promise<GivenUp> {
	warmUpHost(flags.engine);
	const progress = await RunProgress.open(process.stderr, flags.quiet);
	const terminal = new HostTerminal(process.stdin, process.stdout, (columns, rows) =>
		guest.resize(columns, rows),
	);
	const flush = (): void => {
		if (output.pending || guest.asksForInput) progress.stop();
		output.flush();
		if (!guest.asksForInput) progress.update(guest);
	};
	const say = (text: string): void => {
		process.stdout.write(`\r\nuvmachine: ${text}\r\n`);
		process.stdout.write(guest.lastLine);
	};
	// A restored guest may wait at a prompt, which this terminal has not seen.
	for (const byte of guest.lastLine) output.put(byte);
	try {
		await driveInteractive(guest, terminal, { flush, say }, limitOf(flags), hostMs, saver);
	} finally {
		progress.stop();
		terminal.close();
		if (!output.atLineStart) process.stdout.write("\n");
	}
	return terminal.left;
}
