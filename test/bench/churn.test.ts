/** A bounded share of `npm run churn`, and what it says of samples. */
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { CHURNS, type ChurnSample, churn, isSteady, judge } from "../../bench/churn-run.ts";
import { ROOT } from "../support/sources.ts";

/** Of each. */
const SECONDS = 15;

const samples = (of: (i: number) => Partial<ChurnSample>): ChurnSample[] =>
	Array.from({ length: 20 }, (_, i) => ({
		...{ seconds: i, residentMiB: 200, rounds: 10 },
		...of(i),
	}));

it("memory that grows and speed that falls are no steady state", () => {
	expect(isSteady(judge(samples(() => ({}))))).toBe(true);
	expect(isSteady(judge(samples((i) => ({ residentMiB: 200 + 20 * i }))))).toBe(false);
	expect(isSteady(judge(samples((i) => ({ rounds: 20 - i }))))).toBe(false);
	// The warm-up does not count.
	expect(isSteady(judge(samples((i) => ({ residentMiB: i < 4 ? 20 : 400 }))))).toBe(true);
});

it.skipIf(!existsSync("/proc/self/status")).each(CHURNS)("$name: steady", async ({ args }) => {
	const built = args.map((arg) =>
		arg.replace(/^.*\/(bench|cli)\/([\w-]+\.js)$/, `${ROOT}/dist/$1/$2`),
	);
	const churned = await churn(built, SECONDS);
	expect(churned.samples.some(({ rounds }) => rounds > 0)).toBe(true);
	expect(churned.grownMiB).toBeLessThan(200);
});
