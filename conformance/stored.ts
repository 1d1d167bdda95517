/**
 * State hashes of a fixed list of streams, recorded by runs in which QEMU agreed: for machines
 * without QEMU.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { generate, MODES } from "./generator.ts";
import { Lockstep } from "./lockstep.ts";
import { hashOf, OurSide } from "./ours.ts";

/** Streams of each mode: seeds 0 to this less 1. */
export const STORED = 100;

export type Hashes = Readonly<Record<string, readonly string[]>>;

const FILE = new URL("../../conformance/hashes.json", import.meta.url);

export const storedHashes = (): Hashes => JSON.parse(readFileSync(FILE, "utf8")) as Hashes;

/** => 0 if QEMU agrees about all of them; then the file is written. */
export async function record(print: (line: string) => void): Promise<0 | 1> {
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
		writeFileSync(FILE, `${JSON.stringify(hashes, null, "\t")}\n`);
		return 0;
	} finally {
		lockstep.stop();
	}
}
