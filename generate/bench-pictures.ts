/** Pictures of micro-benchmarks and of `bench growth`, from measured times in docs/benchmarks/. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { FAMILIES } from "../bench/micro/micro.ts";
import type { BenchReport } from "../bench/report.ts";
import { COLORS, HEIGHT, WIDTH } from "./pictures.ts";

/** What the pictures are drawn of. */
export type Measured = Pick<BenchReport, "host" | "micro" | "growth">;

const ROW_HEIGHT = 22;
const CONFIG = { background: "white", axis: { labelLimit: 0 }, legend: { labelLimit: 0 } };

/** => names of files and their contents */
export async function benchPictures(measured: Measured): Promise<Map<string, string>> {
	const pictures = new Map<string, string>();
	for (const family of FAMILIES) {
		pictures.set(`micro-${family}.svg`, await drawn(microSpec(family, measured)));
	}
	const units = new Set(measured.growth.map(({ unit }) => unit));
	for (const unit of units) {
		const name = `growth-${unit.toLowerCase().replaceAll(" ", "-")}.svg`;
		pictures.set(name, await drawn(growthSpec(unit, measured)));
	}
	return pictures;
}

const drawn = async (spec: TopLevelSpec): Promise<string> =>
	`${await new View(parse(compile(spec).spec), { renderer: "none" }).toSVG()}\n`;

/** A line for each operation: its quartiles, and its median as a point. */
function microSpec(family: string, { micro }: Measured): TopLevelSpec {
	const values = micro
		.filter((result) => result.family === family)
		.map(({ name, medianNs, lowerNs, upperNs }) => ({ name, medianNs, lowerNs, upperNs }));
	const y = { field: "name", type: "nominal", sort: null, title: null } as const;
	const title = "ns of the host for one operation: median and quartiles";
	const scale = { type: "log", nice: true } as const;
	return {
		title: family,
		...{ width: WIDTH, height: ROW_HEIGHT * values.length, data: { values } },
		encoding: { y },
		layer: [
			{
				mark: { type: "rule", color: COLORS[0]!, strokeWidth: 3, opacity: 0.5 },
				encoding: {
					x: { field: "lowerNs", type: "quantitative", scale, title },
					x2: { field: "upperNs" },
				},
			},
			{
				mark: { type: "point", filled: true, size: 60, color: COLORS[0]! },
				encoding: { x: { field: "medianNs", type: "quantitative" } },
			},
		],
		config: CONFIG,
	};
}

/** A line for each operation whose sizes count the same. */
function growthSpec(unit: string, { growth }: Measured): TopLevelSpec {
	const values = growth
		.filter((result) => result.unit === unit)
		.flatMap(({ name, sizes, hostUs }) => sizes.map((size, i) => ({ name, size, us: hostUs[i]! })));
	const scale = { type: "log" } as const;
	return {
		title: `by ${unit}`,
		...{ width: WIDTH, height: HEIGHT, data: { values } },
		mark: { type: "line", point: true },
		encoding: {
			x: { field: "size", type: "quantitative", title: unit, scale },
			y: { field: "us", type: "quantitative", title: "us of the host for one operation", scale },
			color: {
				...{ field: "name", type: "nominal", title: null, sort: null },
				scale: { range: COLORS },
			},
		},
		config: CONFIG,
	};
}
