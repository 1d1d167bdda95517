/** `npm run pictures`: draws the experiments that come with uvmachine, and names what changes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { experimentPath, readExperiment, readyExperiments } from "../cli/experiment-file.ts";
import { readReport } from "../experiment/report.ts";
import { picturesOf } from "./pictures.ts";

const FOLDER = "docs/experiments";

mkdirSync(FOLDER, { recursive: true });
for (const name of readyExperiments()) {
	const results = readReport(name, readFileSync(`bench/results/${name}.json`, "utf8"));
	const pictures = await picturesOf(readExperiment(experimentPath(name)), results);
	for (const [i, picture] of pictures.entries()) {
		const path = `${FOLDER}/${name}-${i + 1}.svg`;
		if (existsSync(path) && readFileSync(path, "utf8") === picture) continue;
		writeFileSync(path, picture);
		process.stdout.write(`${path}\n`);
	}
}
