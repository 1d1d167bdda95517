/** Points are measured one after the other or in workers, with the same results. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Workload } from "../../campaign/run/workload.ts";
import { type ConductOptions, conduct, type Row } from "../../experiment/conduct.ts";
import type { Engine } from "../../machine/engine.ts";

const image = readFileSync(new URL("../../workloads/bin/walk", import.meta.url));
const KiB = 1024;
const LIMITS = { instructions: 1e9, seconds: 3600 };

const pointsOf = (engine: Engine = "auto", args = ["2", "1"]): ConductOptions["points"] =>
	[1024, 2048, 4096].map((ram) => {
		const options = { program: "walk", image, args, ram: ram * KiB, framebuffer: null, engine };
		const workload: Workload = { kind: "boot", options, swap: [{ bytes: 8192 * KiB }] };
		return { parameters: { ram }, workload };
	});

async function rowsOf(options: Partial<ConductOptions>): Promise<Row[]> {
	const onRow = (): void => {};
	return await conduct({
		points: pointsOf(),
		done: [],
		limits: LIMITS,
		jobs: 1,
		onRow,
		...options,
	});
}

const exact = (rows: readonly Row[]): object[] =>
	rows.map(({ point, parameters, counts, stateHash, console }) => ({
		...{ point, parameters, counts, stateHash, console },
	}));

describe("an experiment", () => {
	it("counts the same in workers, and on each engine", async () => {
		const one = exact(await rowsOf({}));
		expect(exact(await rowsOf({ jobs: 2 }))).toEqual(one);
		expect(exact(await rowsOf({ points: pointsOf("interp") }))).toEqual(one);
		const [small, , large] = one as unknown as readonly Row[];
		expect(small!.counts.pageins).toBeGreaterThan(0);
		expect(large!.counts.pageins).toBe(0);
		expect(small!.counts.reads).toBe(small!.counts.pageins);
	});

	it("counts the same twice, each run in a worker of its own", async () => {
		const points = pointsOf().slice(0, 2);
		const rows = exact(await rowsOf({ points: [...points, ...points], jobs: 4 }));
		const twice = rows.map((row) => ({ ...row, point: 0 }));
		expect(twice.slice(2)).toEqual(twice.slice(0, 2));
		expect(twice[0]).not.toEqual(twice[1]);
	});

	it("hands out results in order, and goes on behind those that are there", async () => {
		const seen: number[] = [];
		const onRow = (row: Row): void => {
			seen.push(row.point);
		};
		const all = await rowsOf({ jobs: 3, onRow });
		expect(seen).toEqual([0, 1, 2]);
		const rest = await rowsOf({ done: all.slice(0, 2), onRow });
		expect(seen).toEqual([0, 1, 2, 2]);
		expect(exact(rest)).toEqual(exact(all));
	});

	it.each([1, 2])("ends with the first point that fails (%i at a time)", async (jobs) => {
		const points = pointsOf("auto", ["x"]);
		await expect(rowsOf({ points, jobs })).rejects.toThrow(/^point 1 \(ram=1024\): exited with /);
	});

	it("gives up a run that takes longer than it may", async () => {
		const limits = { ...LIMITS, instructions: 1000 };
		await expect(rowsOf({ limits })).rejects.toThrow(
			"point 1 (ram=1024): has not ended after 1000 instructions",
		);
	});
});
