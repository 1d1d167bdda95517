/**
 * A process of its own: workloads/bare/bin/generate without end, on one machine, which goes back to
 * its first instruction after the last. Prints a line after each round.
 */
import { readFileSync } from "node:fs";
import { Bare } from "../computer/bare.ts";
import { WORKLOADS } from "./guests.ts";

const image = readFileSync(`${WORKLOADS}bare/bin/generate`);
const bare = new Bare({ image, ram: 1 << 20 });
const start = bare.checkpoint()!;
for (let round = 1; ; round++) {
	bare.run();
	if (bare.exit.kind !== "exited" || bare.exit.code !== 0) throw new Error(bare.exit.kind);
	process.stdout.write(`round ${round}\n`);
	bare.rollback(start);
}
