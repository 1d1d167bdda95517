/** Files of experiments: those that come with uvmachine, and those of users. */
import { existsSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { checkExperiment, type Experiment, ExperimentError } from "../index.ts";
import { Json5Text } from "./json5-text.ts";

/** The folder of those that come with uvmachine, seen from the sources and the built program. */
const READY = fileURLToPath(
	["../bench/experiments/", "../../bench/experiments/"]
		.map((path) => new URL(path, import.meta.url))
		.find((url) => existsSync(url))!,
);
const SUFFIX = ".json5";

/** Names of the experiments that come with uvmachine. */
export const readyExperiments = (): string[] =>
	readdirSync(READY)
		.filter((name) => name.endsWith(SUFFIX))
		.map((name) => name.slice(0, -SUFFIX.length))
		.sort();

/** Of an experiment that comes with uvmachine, by its name; any other is a path. */
export const experimentPath = (name: string): string =>
	readyExperiments().includes(name) ? `${READY}${name}${SUFFIX}` : name;

/** => UsageError, one line that names the file, the line and the field */
export function readExperiment(path: string): Experiment {
	const text = Json5Text.read("experiment", path);
	try {
		return checkExperiment(text.value(), basename(path).replace(/\.json5?$/, ""));
	} catch (error) {
		if (!(error instanceof ExperimentError)) throw error;
		throw text.errorAt(error.path, error.message);
	}
}
