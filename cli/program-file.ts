/** The program that a command names: a workload that comes with uvmachine, or a file. */
import { existsSync, readFileSync } from "node:fs";
import { distance } from "fastest-levenshtein";
import { readInputFile } from "./input-file.ts";
import { WORKLOAD_NAMES, WORKLOADS } from "./root-disk.ts";
import { UsageError } from "./usage-error.ts";

const workloadFile = (name: string): URL => new URL(encodeURIComponent(name), WORKLOADS);

/** => a workload whose name is much like this. */
function meant(program: string): string {
	const near = WORKLOAD_NAMES.filter((name) => distance(name, program) <= 2);
	near.sort((a, b) => distance(a, program) - distance(b, program));
	return near[0] === undefined ? "" : `; did you mean ${near[0]}?`;
}

/** Does a workload of this name come with uvmachine? */
export const isWorkload = (program: string): boolean => WORKLOAD_NAMES.includes(program);

/** A workload that comes with uvmachine, or a file. */
export function readProgram(program: string): Uint8Array {
	if (isWorkload(program)) return readFileSync(workloadFile(program));
	if (!existsSync(program)) {
		throw new UsageError(`program ${program}: no such workload or file${meant(program)}`);
	}
	return readInputFile("program", program);
}
