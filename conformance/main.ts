/**
 * `npm run conformance -- [--runs N] [--instructions N] [--seed S] [--mode MODE] [--thorough]
 * [--compiled]`: runs streams in lockstep with QEMU. `--compiled` compares the compiling engine,
 * too, with everything compiled. `--record FILE` writes the hashes of the stored streams instead.
 *
 * Exit codes: 0 the machines agree, 1 they differ, 2 wrong usage or no QEMU.
 */
import { MODES } from "./generator.ts";
import { qemuProblem } from "./qemu.ts";
import { runStreams } from "./run.ts";
import { record } from "./stored.ts";

function fail(message: string): never {
	process.stderr.write(`conformance: ${message}\n`);
	process.exit(2);
}

function number(name: string, text: string | undefined): number {
	const value = Number(text);
	if (text === undefined || !Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
		fail(`${name} ${text ?? ""}: must be an integer from 0 to 2^32 - 1`);
	}
	return value;
}

const options = {
	runs: 100,
	instructions: 0,
	seed: 0,
	modes: Object.keys(MODES),
	thorough: false,
	compiled: false,
};
let recordFile = "";
const words = process.argv.slice(2);
while (words.length > 0) {
	const word = words.shift()!;
	if (word === "--runs") options.runs = number(word, words.shift());
	else if (word === "--seed") options.seed = number(word, words.shift());
	else if (word === "--instructions") options.instructions = number(word, words.shift());
	else if (word === "--compiled") options.compiled = true;
	else if (word === "--thorough") options.thorough = true;
	else if (word === "--record")
		recordFile = words.shift() ?? fail("--record: the file to write is missing");
	else if (word === "--mode") {
		const mode = words.shift() ?? "";
		if (MODES[mode] === undefined)
			fail(`--mode ${mode}: must be one of ${options.modes.join(", ")}`);
		options.modes = [mode];
	} else fail(`${word}: no such option; see conformance/main.ts`);
}
const problem = qemuProblem();
if (problem !== null) fail(problem);
const print = (line: string): void => {
	process.stdout.write(`${line}\n`);
};
process.exitCode =
	recordFile !== "" ? await record(recordFile, print) : await runStreams(options, print);
