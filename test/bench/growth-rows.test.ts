/** Each row of `bench growth`, with small sizes. */
import { expect, it } from "vitest";
import { growsTooFast, runGrowth } from "../../bench/growth/growth.ts";

it("every row works", () => {
	const results = runGrowth({ smoke: true, engine: "auto" });
	expect(new Set(results.map(({ name }) => name)).size).toBe(results.length);
	for (const { name, hostUs, steps } of results) {
		expect(
			hostUs.every((us) => us > 0 && us < Number.POSITIVE_INFINITY),
			name,
		).toBe(true);
		expect(steps?.every((n) => n > 0) ?? true, `${name}: steps`).toBe(true);
	}
	expect(results.filter(({ steps }) => steps !== null).length).toBe(8);
	expect(results.some(growsTooFast)).toBe(false);
});
