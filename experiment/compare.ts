/** Two results of an experiment beside each other: of two versions, or two changes of its file. */
import type { Scalar } from "./points.ts";
import type { ExperimentPoint, ExperimentReport } from "./report.ts";

/** A number that is not the same. */
export interface Difference {
	readonly parameters: ExperimentPoint["parameters"];
	/** A metric, "instructions" or "virtualNs". */
	readonly what: string;
	readonly before: Scalar;
	readonly after: Scalar;
}

export interface Comparison {
	/** Points that both have. */
	readonly points: number;
	readonly differences: readonly Difference[];
	/** Points that only one of them has. */
	readonly onlyBefore: readonly ExperimentPoint["parameters"][];
	readonly onlyAfter: readonly ExperimentPoint["parameters"][];
	/** Metrics that only one of them has. */
	readonly otherMetrics: readonly string[];
	/** Time of the host, after by before, of points where it is known; null: of none. */
	readonly host: { readonly median: number; readonly min: number; readonly max: number } | null;
}

/** Whatever the order of the parameters is. */
const keyOf = ({ parameters }: ExperimentPoint): string =>
	JSON.stringify(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)));

const numbersOf = ({ metrics, instructions, virtualNs }: ExperimentPoint) => ({
	...{ instructions, virtualNs },
	...metrics,
});

export function compareReports(before: ExperimentReport, after: ExperimentReport): Comparison {
	const old = new Map(before.results.map((point) => [keyOf(point), point]));
	const fresh = new Map(after.results.map((point) => [keyOf(point), point]));
	const differences: Difference[] = [];
	const others = new Set<string>();
	const ratios: number[] = [];
	for (const [key, point] of fresh) {
		const was = old.get(key);
		if (was === undefined) continue;
		const [a, b]: Record<string, Scalar>[] = [numbersOf(was), numbersOf(point)];
		for (const what of new Set([...Object.keys(a!), ...Object.keys(b!)])) {
			const [x, y] = [a![what], b![what]];
			if (x === undefined || y === undefined) others.add(what);
			else if (x !== y) {
				differences.push({ parameters: point.parameters, what, before: x, after: y });
			}
		}
		if (was.host !== undefined && point.host !== undefined && was.host.hostMs > 0) {
			ratios.push(point.host.hostMs / was.host.hostMs);
		}
	}
	const missing = (from: typeof old, other: typeof old): ExperimentPoint["parameters"][] =>
		[...from].filter(([key]) => !other.has(key)).map(([, { parameters }]) => parameters);
	return {
		points: [...fresh.keys()].filter((key) => old.has(key)).length,
		...{ differences, onlyBefore: missing(old, fresh), onlyAfter: missing(fresh, old) },
		...{ otherMetrics: [...others], host: spreadOf(ratios) },
	};
}

function spreadOf(ratios: readonly number[]): Comparison["host"] {
	if (ratios.length === 0) return null;
	const sorted = ratios.toSorted((a, b) => a - b);
	const middle = sorted.length / 2;
	const [low, high] = [sorted[Math.ceil(middle) - 1]!, sorted[Math.floor(middle)]!];
	return { median: Math.sqrt(low * high), min: sorted[0]!, max: sorted.at(-1)! };
}

/** Is everything exact the same? */
export const isSame = ({ differences, onlyBefore, onlyAfter, otherMetrics }: Comparison): boolean =>
	[differences, onlyBefore, onlyAfter, otherMetrics].every(({ length }) => length === 0);
