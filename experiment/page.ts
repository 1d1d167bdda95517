/** Results of an experiment as one HTML file that needs no network. */
import { type Chart, chartPage } from "../campaign/report/chart-page.ts";
import { escapeMarkup as esc } from "../campaign/report/junit.ts";
import type { Row } from "./conduct.ts";
import type { Experiment, Plot } from "./experiment.ts";
import type { Values } from "./formula.ts";
import { cell, cellsOf } from "./table.ts";
import { type Verdict, valuesOf } from "./verdict.ts";

const CHART_PX = 420;
/** Of lines, one after the other; they can be told apart by those who do not see all colours. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

const SIZES: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** A number, or a size such as 4M; NaN for other text. */
function numberOf(value: Values[string] | undefined): number {
	if (typeof value !== "string") return Number(value);
	const [, digits = "", unit = ""] = /^(\d+)([KMG])$/i.exec(value) ?? [];
	return digits === "" ? Number(value) : Number(digits) * SIZES[unit.toUpperCase()]!;
}

/** The lines of a plot, by their names, each with its points in the order of the rows. */
export function seriesOf(plot: Plot, all: readonly Values[]): Map<string, Values[]> {
	const series = new Map<string, Values[]>();
	for (const values of all) {
		if (plot.where?.holds(values) === false) continue;
		const name = plot.by === null ? plot.y : `${plot.by} ${values[plot.by]}`;
		series.set(name, [...(series.get(name) ?? []), values]);
	}
	return series;
}

function chartOf(plot: Plot, all: readonly Values[]): Chart {
	const series = [...seriesOf(plot, all)];
	const xs = all.map((values) => numberOf(values[plot.x]));
	const isNumber = xs.every((x) => !Number.isNaN(x));
	const scale = (name: string, axis: "x" | "y"): object => {
		const isLog = plot.log === axis || plot.log === "both";
		const type = axis === "x" && !isNumber ? "category" : isLog ? "logarithmic" : "linear";
		return { type, title: { display: true, text: name }, beginAtZero: axis === "y" && !isLog };
	};
	const datasets = series.map(([label, points], i) => ({
		label,
		borderColor: COLORS[i % COLORS.length],
		backgroundColor: COLORS[i % COLORS.length],
		data: points.map((values) => ({
			x: isNumber ? numberOf(values[plot.x]) : String(values[plot.x]),
			y: numberOf(values[plot.y]),
		})),
	}));
	const options = {
		...{ maintainAspectRatio: false, animation: false },
		scales: { x: scale(plot.x, "x"), y: scale(plot.y, "y") },
	};
	return {
		title: plot.title,
		height: CHART_PX,
		chart: { type: "line", data: { datasets }, options },
	};
}

function table(experiment: Experiment, rows: readonly Row[]): string {
	const [head, ...lines] = cellsOf(experiment, rows);
	const headings = head!.map((name) => `<th>${esc(String(name))}</th>`).join("");
	const body = lines.map((line) => {
		const cells = line.map((value) => `<td class="n">${esc(cell(value))}</td>`);
		return `<tr>${cells.join("")}</tr>`;
	});
	return `<table><tr>${headings}</tr>${body.join("\n")}</table>`;
}

function list(verdicts: readonly Verdict[]): string {
	if (verdicts.length === 0) return "";
	const items = verdicts.map(({ text, why, checked, failures }) => {
		const what =
			failures.length === 0 ? "holds" : `<b>fails at ${failures.length} of ${checked}</b>`;
		const places = failures.map((failure) => `<li>${esc(failure)}</li>`).join("");
		const reason = why === "" ? "" : ` (${esc(why)})`;
		return `<li>${what}: <code>${esc(text)}</code>${reason}<ul>${places}</ul></li>`;
	});
	return `<h2>What was expected</h2><ul>${items.join("\n")}</ul>`;
}

export function pageOf(
	experiment: Experiment,
	rows: readonly Row[],
	verdicts: readonly Verdict[],
	version: string,
): string {
	const all = rows.map((row) => valuesOf(experiment, row));
	const charts = experiment.plots.map((plot) => chartOf(plot, all));
	return chartPage(
		`Experiment: ${experiment.name}`,
		charts,
		(canvases) => `<p>${esc(experiment.question)}</p>
<p>${esc(experiment.notes)}</p>
<p>${rows.length} points, uvmachine ${esc(version)}</p>
${canvases}
${list(verdicts)}
<h2>All points</h2>
${table(experiment, rows)}`,
	);
}
