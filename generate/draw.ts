/**
 * `npm run pictures`: draws the experiments that come with uvmachine, and the benchmarks that were
 * measured, and names what changes.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { experimentPath, readExperiment, readyExperiments } from "../cli/experiment-file.ts";
import { readReport } from "../experiment/report.ts";
import { benchPictures, type Measured } from "./bench-pictures.ts";
import { picturesOf } from "./pictures.ts";

const EXPERIMENTS = "docs/experiments";
const BENCHMARKS = "docs/benchmarks";

function write(path: string, picture: string): void {
	if (existsSync(path) && readFileSync(path, "utf8") === picture) return;
	writeFileSync(path, picture);
	process.stdout.write(`${path}\n`);
}

mkdirSync(EXPERIMENTS, { recursive: true });
for (const name of readyExperiments()) {
	const results = readReport(name, readFileSync(`bench/results/${name}.json`, "utf8"));
	const pictures = await picturesOf(readExperiment(experimentPath(name)), results);
	for (const [i, picture] of pictures.entries()) {
		write(`${EXPERIMENTS}/${name}-${i + 1}.svg`, picture);
	}
}
const measured = JSON.parse(readFileSync(`${BENCHMARKS}/measured.json`, "utf8")) as Measured;
for (const [name, picture] of await benchPictures(measured))
	write(`${BENCHMARKS}/${name}`, picture);
