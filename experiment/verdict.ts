/** What an experiment says: its metrics at each point, and whether what was expected came out. */
import type { Row } from "./conduct.ts";
import type { Experiment, Law, Trend } from "./experiment.ts";
import type { Formula, Values } from "./formula.ts";

/** An expectation, and where it was not met. */
export interface Verdict {
	readonly text: string;
	readonly why: string;
	/** Points, or neighbours in a series, that were looked at. */
	readonly checked: number;
	readonly failures: readonly string[];
}

/** Parameters, what was counted, and metrics. */
export function valuesOf({ metrics }: Experiment, row: Row): Values {
	const values: Record<string, number | string | boolean> = {
		...row.counts,
		hostMs: row.hostMs,
		...row.parameters,
	};
	for (const { name, is } of metrics) values[name] = is.value(values);
	return values;
}

const isIn = (where: Formula | null, values: Values): boolean => where?.holds(values) ?? true;

export function judge(experiment: Experiment, rows: readonly Row[]): Verdict[] {
	const all = rows.map((row) => valuesOf(experiment, row));
	return [
		...experiment.laws.map((law) => judgeLaw(experiment, law, all)),
		...experiment.trends.map((trend) => judgeTrend(experiment, trend, all)),
	];
}

const placeOf = ({ parameters }: Experiment, values: Values, without = ""): string =>
	parameters
		.filter((name) => name !== without)
		.map((name) => `${name}=${values[name]}`)
		.join(" ");

function judgeLaw(experiment: Experiment, law: Law, all: readonly Values[]): Verdict {
	const points = all.filter((values) => isIn(law.where, values));
	const used = experiment.metrics.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(law.text));
	const failures = points
		.filter((values) => !law.that.holds(values))
		.map((values) => {
			const found = used.map(({ name }) => `${name} is ${values[name]}`).join(", ");
			return `at ${placeOf(experiment, values)}: ${found}`;
		});
	const text = law.where === null ? law.text : `${law.text} where ${law.where.text}`;
	return { text, why: law.why, checked: points.length, failures };
}

const HOLDS: Readonly<Record<Trend["is"], (before: number, after: number) => boolean>> = {
	rises: (before, after) => after > before,
	falls: (before, after) => after < before,
	"never rises": (before, after) => after <= before,
	"never falls": (before, after) => after >= before,
	stays: (before, after) => after === before,
};

function judgeTrend(experiment: Experiment, trend: Trend, all: readonly Values[]): Verdict {
	const { metric, over, is, where, why } = trend;
	const series = new Map<string, Values[]>();
	for (const values of all) {
		if (!isIn(where, values)) continue;
		const key = placeOf(experiment, values, over);
		series.set(key, [...(series.get(key) ?? []), values]);
	}
	const failures: string[] = [];
	let checked = 0;
	for (const [key, points] of series) {
		for (let i = 1; i < points.length; i++) {
			const [before, after] = [points[i - 1]!, points[i]!];
			checked++;
			if (HOLDS[is](Number(before[metric]), Number(after[metric]))) continue;
			const at = `from ${over}=${before[over]} to ${after[over]}`;
			const place = key === "" ? "" : `${key}: `;
			failures.push(`${place}${at}: ${metric} goes from ${before[metric]} to ${after[metric]}`);
		}
	}
	const condition = where === null ? "" : ` where ${where.text}`;
	return { text: `${metric} ${is} with ${over}${condition}`, why, checked, failures };
}
