/** Results of an experiment as data: what --json writes, tests compare, and `bench compare` reads. */
import * as v from "valibot";
import { UserError } from "../machine/user-error.ts";
import type { Row } from "./conduct.ts";
import type { Experiment } from "./experiment.ts";
import { type Verdict, valuesOf } from "./verdict.ts";

const scalar = v.union([v.number(), v.string(), v.boolean()]);
const scalars = v.record(v.string(), scalar);
const point = v.object({
	parameters: scalars,
	/** Of these and those of `host` each has one. */
	metrics: scalars,
	instructions: v.number(),
	virtualNs: v.number(),
	/** What is not exact. Absent in results that are kept to be compared. */
	host: v.optional(v.object({ hostMs: v.number(), metrics: scalars })),
	stateHash: v.optional(v.string()),
});
const report = v.object({
	version: v.optional(v.string()),
	name: v.string(),
	question: v.string(),
	results: v.array(point),
	verdicts: v.optional(v.unknown()),
});

export type ExperimentPoint = v.InferOutput<typeof point>;
export type ExperimentReport = v.InferOutput<typeof report>;

export function reportOf(
	experiment: Experiment,
	rows: readonly Row[],
	verdicts: readonly Verdict[],
	version: string,
): ExperimentReport {
	const { name, question } = experiment;
	const results = rows.map((row): ExperimentPoint => {
		const values = valuesOf(experiment, row);
		const of = (exact: boolean): ExperimentPoint["metrics"] =>
			Object.fromEntries(
				experiment.metrics
					.filter((metric) => metric.exact === exact)
					.map((metric) => [metric.name, values[metric.name]!]),
			);
		return {
			parameters: { ...row.parameters },
			metrics: of(true),
			instructions: row.counts.instructions!,
			virtualNs: row.counts.virtualNs!,
			host: { hostMs: row.hostMs, metrics: of(false) },
			stateHash: row.stateHash,
		};
	});
	return { version, name, question, results, verdicts: [...verdicts] };
}

/** Only what is the same whenever and wherever it runs, and may not change without a reason. */
export const exactReport = ({ name, question, results }: ExperimentReport): ExperimentReport => ({
	...{ name, question },
	results: results.map(({ parameters, metrics, instructions, virtualNs }) => ({
		...{ parameters, metrics, instructions, virtualNs },
	})),
});

/** => UserError, one line, for what is no such report */
export function readReport(path: string, text: string): ExperimentReport {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw new UserError(`${path}: is not JSON`);
	}
	const parsed = v.safeParse(report, value);
	if (parsed.success) return parsed.output;
	const place = (parsed.issues[0].path ?? []).map(({ key }) => String(key)).join(": ");
	throw new UserError(
		`${path}: holds no results of an experiment${place === "" ? "" : `: ${place}`}`,
	);
}
