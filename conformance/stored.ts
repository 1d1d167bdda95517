/**
 * State hashes of a fixed list of streams, taken from runs in which QEMU agreed, so that hosts
 * without QEMU can check them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { generate, MODES } from "./generator.ts";
import { Lockstep } from "./lockstep.ts";
import { hashOf, OurSide, runWhole } from "./ours.ts";

/** The number of streams of each mode; their seeds begin at 0. */
export const STORED = 100;

/** For each mode and seed, the hash and the number of steps. */
export type Hashes = Readonly<Record<string, readonly (readonly [string, number])[]>>;

export const readHashes = (path: string): Hashes =>
	JSON.parse(readFileSync(path, "utf8")) as Hashes;

/** Run the stream step by step. => the hash, and the number of steps. */
export function steppedHash(ours: OurSide, mode: string, seed: number): [string, number] {
	const steps = ours.run(generate(mode, seed));
	return [hashOf(ours.machine), steps.length];
}

/** Run `steps` steps of the stream at once. => the hash. */
export function wholeHash(machine: Machine, mode: string, seed: number, steps: number): string {
	runWhole(machine, generate(mode, seed), steps);
	return hashOf(machine);
}

/** Write the hashes to `path` if QEMU agrees on all streams. => 0, or 1 if it does not. */
export async function record(path: string, print: (line: string) => void): Promise<0 | 1> {
	const ours = new OurSide();
	const lockstep = await Lockstep.start(ours);
	try {
		const hashes: Record<string, [string, number][]> = {};
		for (const mode of Object.keys(MODES)) {
			const list: [string, number][] = [];
			for (let seed = 0; seed < STORED; seed++) {
				const { difference, steps } = await lockstep.run(generate(mode, seed));
				if (difference !== null) {
					print(`${mode}, seed ${seed}: QEMU disagrees; nothing was written`);
					return 1;
				}
				list.push([hashOf(ours.machine), steps]);
			}
			hashes[mode] = list;
			print(`${mode}: ${STORED} streams`);
		}
		writeFileSync(path, `${JSON.stringify(hashes)}\n`);
		return 0;
	} finally {
		lockstep.stop();
	}
}
