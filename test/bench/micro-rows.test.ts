/** Each micro-benchmark does what it says, and a row that does not is found. */
import { describe, expect, it } from "vitest";
import { differs, type MicroRow } from "../../bench/micro/micro.ts";
import { MICRO_ROWS } from "../../bench/micro/rows.ts";
import { runMicro } from "../../bench/micro/run.ts";

const run = (row: MicroRow) => runMicro({ smoke: true, engine: "auto" }, [row]);

describe.each(MICRO_ROWS)("$name", (row) => {
	it("does what it says, each time", async () => {
		const [result] = await run(row);
		const { name, medianNs, lowerNs, upperNs, leastNs, samples } = result!;
		expect(name).toBe(row.name);
		expect(samples).toBeGreaterThan(0);
		expect(leastNs).toBeGreaterThan(0);
		expect([leastNs, lowerNs, medianNs, upperNs]).toEqual(
			[leastNs, lowerNs, medianNs, upperNs].toSorted((a, b) => a - b),
		);
	});

	it("fails if it does nothing", async () => {
		const idle: MicroRow = {
			...row,
			start: (engine) => ({ ...row.start(engine), work: () => {} }),
		};
		await expect(run(idle)).rejects.toThrow(`bench ${row.name}: `);
	});

	it("counts what it does: half of it is not enough", () => {
		const { grows } = row.start("auto");
		const counted = Object.entries(grows).filter(([, by]) => by !== 0);
		expect(counted.length).toBeGreaterThan(0);
		const half = Object.fromEntries(Object.entries(grows).map(([name, by]) => [name, by / 2]));
		const none = Object.fromEntries(Object.keys(grows).map((name) => [name, 0]));
		expect(differs(grows, none, half)).toContain(counted[0]![0]);
		expect(differs(grows, none, grows)).toBeNull();
	});
});
