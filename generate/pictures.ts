/** The plots of an experiment as SVG, from its results in bench/results/. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Experiment, Plot } from "../experiment/experiment.ts";
import type { Values } from "../experiment/formula.ts";
import { seriesOf } from "../experiment/page.ts";
import type { ExperimentReport } from "../experiment/report.ts";

export const WIDTH = 460;
export const HEIGHT = 280;
/** They can be told apart by those who do not see all colours. */
export const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** => the contents of a file for each plot, in their order */
export async function picturesOf(
	{ plots }: Experiment,
	{ results }: ExperimentReport,
): Promise<string[]> {
	const all = results.map(({ parameters, metrics }): Values => ({ ...parameters, ...metrics }));
	return await Promise.all(plots.map((plot) => pictureOf(plot, all)));
}

async function pictureOf(plot: Plot, all: readonly Values[]): Promise<string> {
	const values = [...seriesOf(plot, all)].flatMap(([line, points]) =>
		points.map((point) => ({ line, x: point[plot.x], y: point[plot.y] })),
	);
	const isNumber = values.every(({ x }) => typeof x === "number");
	const scale = (axis: "x" | "y"): "log" | "linear" =>
		plot.log === axis || plot.log === "both" ? "log" : "linear";
	// A logarithm has no place for 0, which then is at the edge.
	const drawn = scale("y") === "log" ? values.filter(({ y }) => Number(y) > 0) : values;
	const spec: TopLevelSpec = {
		title: plot.title,
		width: WIDTH,
		height: HEIGHT,
		data: { values: drawn },
		mark: { type: "line", point: true },
		encoding: {
			x: isNumber
				? { field: "x", type: "quantitative", title: plot.x, scale: { type: scale("x") } }
				: { field: "x", type: "ordinal", title: plot.x, sort: null },
			y: { field: "y", type: "quantitative", title: plot.y, scale: { type: scale("y") } },
			color: {
				...{ field: "line", type: "nominal", title: null, sort: null },
				scale: { range: COLORS },
			},
		},
		config: { background: "white", axis: { labelAngle: 0 }, legend: { labelLimit: 0 } },
	};
	return `${await new View(parse(compile(spec).spec), { renderer: "none" }).toSVG()}\n`;
}
