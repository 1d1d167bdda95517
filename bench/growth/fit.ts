/** How a cost grows: the exponent of a power law, with its interval. */

export interface Exponent {
	/** Of the size in the cost: 0 is flat, 1 linear. */
	readonly exponent: number;
	/** Half the width of its 95 % interval, by Student's distribution. */
	readonly margin: number;
}

/** 0.975 quantiles of Student's distribution for 1, 2, ... degrees of freedom. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/**
 * The slope of log(cost) against log(size), by least squares.
 * => two points at least, of which the sizes are not all equal and nothing is 0 or less. Two points
 *    say nothing about the margin: it is Infinity.
 */
export function exponentOf(sizes: readonly number[], costs: readonly number[]): Exponent {
	const n = sizes.length;
	const xs = sizes.map(Math.log);
	const ys = costs.map(Math.log);
	const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / n;
	const [mx, my] = [mean(xs), mean(ys)];
	const sum = (of: (dx: number, dy: number) => number): number =>
		xs.reduce((total, x, i) => total + of(x - mx, ys[i]! - my), 0);
	const sxx = sum((dx) => dx * dx);
	const exponent = sum((dx, dy) => dx * dy) / sxx;
	if (n === 2) return { exponent, margin: Number.POSITIVE_INFINITY };
	const rest = sum((dx, dy) => (dy - exponent * dx) ** 2);
	const quantile = STUDENT[n - 3] ?? 2.2;
	return { exponent, margin: quantile * Math.sqrt(rest / (n - 2) / sxx) };
}
