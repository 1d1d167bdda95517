/** Runs many streams in lockstep; shrinks and reports the first one that shows a difference. */
import { generate } from "./generator.ts";
import { type Difference, Lockstep } from "./lockstep.ts";
import { OurSide } from "./ours.ts";
import { showDifference, showStream } from "./show.ts";
import { shrink } from "./shrink.ts";
import type { Stream } from "./stream.ts";

export interface RunOptions {
	/** Streams of each mode, at least. */
	readonly runs: number;
	/** Seed of the first; the others follow. */
	readonly seed: number;
	readonly modes: readonly string[];
	/** Instructions of all modes together, at least. Default: those of `runs`. */
	readonly instructions?: number;
	/** Compare the compiling engine, too; see compiled.ts. */
	readonly compiled?: boolean;
	/** Compare all state after every step. */
	readonly thorough: boolean;
}

/** => 0 if the machines agree on all streams, 1 if not. */
export async function runStreams(
	options: RunOptions,
	print: (line: string) => void,
): Promise<0 | 1> {
	const { runs, instructions = 0, compiled, modes } = options;
	const lockstep = await Lockstep.start(new OurSide(), compiled);
	try {
		let total = 0;
		for (const mode of modes) {
			let steps = 0;
			let i = 0;
			for (; i < runs || steps < instructions / modes.length; i++) {
				const stream = generate(mode, options.seed + i);
				const outcome = await lockstep.run(stream, options.thorough);
				steps += outcome.steps;
				if (outcome.difference === null) continue;
				await report(lockstep, stream, outcome.difference, print);
				return 1;
			}
			total += steps;
			print(`${mode}: ${i} streams, ${steps} instructions, no difference`);
		}
		print(`${total} instructions`);
		const counts = lockstep.compiled?.counts;
		if (counts !== undefined) {
			const { functions, instructions } = counts;
			print(`${functions} functions compiled; they executed ${instructions} instructions`);
		}
		return 0;
	} finally {
		lockstep.stop();
	}
}

async function report(
	lockstep: Lockstep,
	stream: Stream,
	first: Difference,
	print: (line: string) => void,
): Promise<void> {
	const { difference } = await lockstep.run(stream, true);
	print(`${stream.mode}, seed ${stream.seed}: the machines differ`);
	if (difference === null) {
		print("  but not when all state is compared after every step");
		for (const line of first.lines) print(`  ${line}`);
		repeat(lockstep, stream, print);
		return;
	}
	for (const line of showDifference(difference)) print(line);
	const fails = async (shorter: Stream): Promise<boolean> =>
		(await lockstep.run(shorter)).difference !== null;
	const shortest = await shrink(stream, difference.step + 1, fails);
	print("shortest stream that shows a difference:");
	for (const line of showStream(shortest)) print(line);
	const last = await lockstep.run(shortest, true);
	for (const line of last.difference === null ? [] : showDifference(last.difference)) print(line);
	repeat(lockstep, stream, print);
}

function repeat(lockstep: Lockstep, { mode, seed }: Stream, print: (line: string) => void): void {
	const engine = lockstep.compiled === null ? "" : " --compiled";
	print(`to repeat: npm run conformance -- --mode ${mode} --seed ${seed} --runs 1${engine}`);
}
