/**
 * State hashes of a fixed list of streams, recorded by runs in which QEMU agreed: for machines
 * without QEMU.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { generate, MODES } from "./generator.ts";
import { Lockstep } from "./lockstep.ts";
import { hashOf, OurSide, runWhole } from "./ours.ts";

/** Streams of each mode: seeds 0 to this less 1. */
export const STORED = 100;

export type Hashes = Readonly<Record<string, readonly string[]>>;

export const readHashes = (path: string): Hashes =>
	JSON.parse(readFileSync(path, "utf8")) as Hashes;

/**
 * Run the stream of `mode` and `seed`, step by step and as a whole.
 * => both hashes, which must be the stored one.
 */
export function hashesOf(
	ours: OurSide,
	whole: Machine,
	mode: string,
	seed: number,
): [string, string] {
	const stream = generate(mode, seed);
	const steps = ours.run(stream);
	runWhole(whole, stream, steps.length);
	return [hashOf(ours.machine), hashOf(whole)];
}

/** => 0 if QEMU agrees about all of them; then the file at `path` is written. */
export async function record(path: string, print: (line: string) => void): Promise<0 | 1> {
	const ours = new OurSide();
	const lockstep = await Lockstep.start(ours);
	try {
		const hashes: Record<string, string[]> = {};
		for (const mode of Object.keys(MODES)) {
			const list: string[] = [];
			for (let seed = 0; seed < STORED; seed++) {
				const { difference } = await lockstep.run(generate(mode, seed));
				if (difference !== null) {
					print(`${mode}, seed ${seed}: QEMU does not agree; nothing is recorded`);
					return 1;
				}
				list.push(hashOf(ours.machine));
			}
			hashes[mode] = list;
			print(`${mode}: ${STORED} streams`);
		}
		writeFileSync(path, `${JSON.stringify(hashes, null, "\t")}\n`);
		return 0;
	} finally {
		lockstep.stop();
	}
}
