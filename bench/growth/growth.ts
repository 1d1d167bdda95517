/**
 * Whether operations cost more because there is more of something: each is measured at several
 * sizes, and the exponent with which its cost grows is compared with what it may be. Here are the
 * measuring and the check; growth-rows.ts lists what is measured.
 */

import type { Measuring } from "../guests.ts";
import { ownBuild } from "../own-build.ts";
import { exponentOf } from "./fit.ts";
import { type GrowthRow, type Measured, rows } from "./growth-rows.ts";

export interface GrowthResult {
	readonly name: string;
	/** What the sizes count. */
	readonly unit: string;
	readonly sizes: readonly number[];
	/** Of one operation at each size: the shortest of some rounds. */
	readonly hostUs: readonly number[];
	/** Entries that the kernel looked at for one operation at each size, where it counts them. */
	readonly steps: readonly number[] | null;
	/** The time is as size to the power of this; and half the width of its 95 % interval. */
	readonly exponent: number;
	readonly margin: number;
	readonly allowed: number;
}

/** Whether time or steps certainly grow faster than the row allows. */
export function growsTooFast({ exponent, margin, allowed, sizes, steps }: GrowthResult): boolean {
	if (exponent - margin > allowed) return true;
	if (steps === null) return false;
	const counted = exponentOf(sizes, steps);
	return counted.exponent - counted.margin > allowed;
}

const rowsOf = ({ smoke, engine }: Measuring): GrowthRow[] => rows(smoke, ownBuild(engine));

/** The rows, by name. */
export const growthNames = (how: Measuring): string[] => rowsOf(how).map(({ name }) => name);

/**
 * The best of some measurements at each size, taken in turn, so that a busy host hurts all.
 * => `onRow` is called after each row.
 */
export function runGrowth(how: Measuring, onRow?: (name: string) => void): GrowthResult[] {
	const { smoke } = how;
	const turns = smoke ? 1 : 2;
	return rowsOf(how).map(({ name, unit, sizes, allowed, measure }) => {
		// The host's compiler has to see the code first.
		if (!smoke) measure(sizes[0]!);
		const best: (Measured | undefined)[] = sizes.map(() => undefined);
		for (let turn = 0; turn < turns; turn++) {
			for (const [i, size] of sizes.entries()) {
				const found = measure(size);
				const { us } = best[i] ?? { us: Number.POSITIVE_INFINITY };
				if (found.us < us) best[i] = found;
			}
		}
		onRow?.(name);
		const hostUs = best.map((m) => m!.us);
		const steps = best.map((m) => m!.steps);
		return {
			name,
			unit,
			sizes,
			hostUs,
			steps: steps.every((n) => n !== null) ? steps : null,
			...exponentOf(sizes, hostUs),
			allowed,
		};
	});
}
