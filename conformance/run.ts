/** Many streams in lockstep, with progress, and the shortest stream of the first difference. */
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
	/** Compare everything after every step. */
	readonly thorough: boolean;
}

/** => 0 if both machines agree about all of them, 1 if not. */
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
	print(`${stream.mode}, seed ${stream.seed}: a difference`);
	if (difference === null) {
		print("  which does not show when every step is compared");
		return;
	}
	for (const line of showDifference(difference)) print(line);
	const fails = async (shorter: Stream): Promise<boolean> =>
		(await lockstep.run(shorter)).difference !== null;
	const shortest = await shrink(stream, difference.step + 1, fails);
	print("the shortest stream:");
	for (const line of showStream(shortest)) print(line);
	const last = await lockstep.run(shortest, true);
	for (const line of last.difference === null ? [] : showDifference(last.difference)) print(line);
	print(`again: npm run conformance -- --mode ${stream.mode} --seed ${stream.seed} --runs 1`);
}
