/** Whether a measured figure says anything. */

const sorted = (times: readonly number[]): number[] => [...times].sort((a, b) => a - b);

/**
 * How much longer `long` took than `short`, each measured several times: the difference of the
 * shortest times, which were disturbed least.
 * => null if it is no larger than the noise: by how much the medians are above the shortest.
 */
export function difference(short: readonly number[], long: readonly number[]): number | null {
	const [a, b] = [sorted(short), sorted(long)];
	const noise = a[a.length >> 1]! - a[0]! + b[b.length >> 1]! - b[0]!;
	const longer = b[0]! - a[0]!;
	return longer > noise ? longer : null;
}

/** => null if the margin of error is as large as `figure`, or not known. */
export const certain = (figure: number, marginPercent: number): number | null =>
	Number.isFinite(figure) && marginPercent < 100 ? figure : null;

/** What a table has for a figure that is null. */
export const BELOW_NOISE = "below noise";
