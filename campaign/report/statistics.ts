/** How sure one can be of a share that was counted in a sample. */

/** Levels of confidence, and the standard deviations that they allow. */
const DEVIATIONS: ReadonlyMap<number, number> = new Map([
	[0.9, 1.645],
	[0.95, 1.96],
	[0.99, 2.576],
	[0.999, 3.291],
]);

export const CONFIDENCES: readonly number[] = [...DEVIATIONS.keys()];

export const deviations = (confidence: number): number => DEVIATIONS.get(confidence) ?? 1.96;

/** Off by less than this is rounding. */
const ROUNDING = 1e-9;

/**
 * Runs that a margin of `error` needs, of `population` possible ones, if the share may be anything.
 * Leveugle et al., "Statistical fault injection: quantified error and confidence", DATE 2009.
 */
export function sampleSize(population: number, error: number, confidence = 0.95): number {
	const t = deviations(confidence);
	const spread = t * t * 0.25;
	const infinite = spread / (error * error);
	const n = Number.isFinite(population)
		? (population * spread) / (error * error * (population - 1) + spread)
		: infinite;
	return Math.max(1, Math.ceil(n * (1 - ROUNDING)));
}

export interface Interval {
	readonly low: number;
	readonly high: number;
}

/**
 * Wilson's interval for `count` of `n`.
 */
export function wilson(count: number, n: number, confidence = 0.95): Interval {
	if (n === 0) return { low: 0, high: 1 };
	const t = deviations(confidence);
	const p = count / n;
	const scale = 1 + (t * t) / n;
	const centre = (p + (t * t) / (2 * n)) / scale;
	const half = (t / scale) * Math.sqrt((p * (1 - p)) / n + (t * t) / (4 * n * n));
	return {
		low: count === 0 ? 0 : Math.max(0, centre - half),
		high: count === n ? 1 : Math.min(1, centre + half),
	};
}

/** The share that is not exceeded, at 95 %, if something did not happen in `n` runs. */
export const ruleOfThree = (n: number): number => Math.min(1, 3 / n);
