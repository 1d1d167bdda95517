/** Runs many streams in lockstep; shrinks and reports the first one that shows a difference. */
import { generate } from "./generator.ts";
import { Lockstep } from "./lockstep.ts";
import { OurSide } from "./ours.ts";
import { showDifference, showStream } from "./show.ts";
import { shrink } from "./shrink.ts";
import type { Stream } from "./stream.ts";

export interface RunOptions {
	/** Streams of each mode. */
	readonly runs: number;
	/** Seed of the first; the others follow. */
	readonly seed: number;
	readonly modes: readonly string[];
	/** Compare all state after every step. */
	readonly thorough: boolean;
}

/** => 0 if the machines agree on all streams, 1 if not. */
export async function runStreams(
	options: RunOptions,
	print: (line: string) => void,
): Promise<0 | 1> {
	const lockstep = await Lockstep.start(new OurSide());
	try {
		let total = 0;
		for (const mode of options.modes) {
			let steps = 0;
			for (let i = 0; i < options.runs; i++) {
				const stream = generate(mode, options.seed + i);
				const outcome = await lockstep.run(stream, options.thorough);
				steps += outcome.steps;
				if (outcome.difference === null) continue;
				await report(lockstep, stream, print);
				return 1;
			}
			total += steps;
			print(`${mode}: ${options.runs} streams, ${steps} instructions, no difference`);
		}
		print(`${total} instructions`);
		return 0;
	} finally {
		lockstep.stop();
	}
}

async function report(
	lockstep: Lockstep,
	stream: Stream,
	print: (line: string) => void,
): Promise<void> {
	const { difference } = await lockstep.run(stream, true);
	print(`${stream.mode}, seed ${stream.seed}: the machines differ`);
	if (difference === null) {
		print("  but not when all state is compared after every step");
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
	print(`to repeat: npm run conformance -- --mode ${stream.mode} --seed ${stream.seed} --runs 1`);
}
