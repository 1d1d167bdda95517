/** Results as one HTML file that needs no network. */
import { type Chart, chartPage } from "./chart-page.ts";
import { OUTCOME_TEXTS, OUTCOMES, type Outcome } from "./classify.ts";
import { escapeMarkup as esc } from "./junit.ts";
import { type CampaignReport, type Hit, placeBase } from "./report.ts";
import type { Shares } from "./tally.ts";

const COLORS: Readonly<Record<Outcome, string>> = {
	"not-fired": "#bdbdbd",
	"simulator-error": "#000000",
	hang: "#7b1fa2",
	panic: "#d32f2f",
	"detected-killed": "#f57c00",
	"detected-handled": "#388e3c",
	sdc: "#c2185b",
	latent: "#1976d2",
	masked: "#90caf9",
};
/** Outcomes that nobody wants. */
const BAD: readonly Outcome[] = ["simulator-error", "hang", "panic", "sdc"];
/** Runs in the table of the worst ones. */
const WORST_MAX = 200;
/** Cells of a heat map: as many columns, and at most so many rows. */
const COLUMNS = 64;
const ROWS_MAX = 64;
const CELL = 10;
const PERCENT = 100;

type Groups = Readonly<Record<string, Shares & { readonly runs: number }>>;

/** Bars of 100 %, one for each group. */
function shareChart(groups: Groups): object {
	const labels = Object.entries(groups).map(([name, { runs }]) => `${name} (${runs})`);
	const datasets = OUTCOMES.map((outcome) => ({
		label: outcome,
		backgroundColor: COLORS[outcome],
		data: Object.values(groups).map((shares) => shares[outcome].share * PERCENT),
	})).filter(({ data }) => data.some((value) => value > 0));
	const scales = {
		x: { stacked: true, max: PERCENT, title: { display: true, text: "% of runs, weighted" } },
		y: { stacked: true },
	};
	const options = { indexAxis: "y", maintainAspectRatio: false, animation: false, scales };
	return { type: "bar", data: { labels, datasets }, options };
}

/** How many values are between the powers of `base`, or steps of `step`. */
function histogram(values: readonly number[], binOf: (value: number) => number): number[] {
	const bins = values.map(binOf);
	if (bins.length === 0) return [];
	const counts = Array.from({ length: bins.reduce((a, b) => Math.max(a, b), 0) + 1 }, () => 0);
	for (const bin of bins) counts[bin]!++;
	return counts;
}

function countChart(title: string, labels: readonly string[], data: readonly number[]): object {
	const scales = {
		x: { title: { display: true, text: title } },
		y: { title: { display: true, text: "runs" } },
	};
	const datasets = [{ label: "runs", data, backgroundColor: "#1976d2" }];
	const options = { maintainAspectRatio: false, animation: false, scales };
	return { type: "bar", data: { labels, datasets }, options };
}

const DECADES = ["1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"];

function latencyChart({ results }: CampaignReport): object {
	const found = results.flatMap(({ detectionNs }) => (detectionNs === null ? [] : [detectionNs]));
	const counts = histogram(found, (ns) => Math.floor(Math.log10(Math.max(1, ns))));
	const label = (i: number): string => DECADES[i] ?? `${10 ** (i - DECADES.length)} s`;
	const labels = counts.map((_, i) => `from ${label(i)}`);
	return countChart("from the fault to its first sign", labels, counts);
}

const SLOWDOWN_STEP = 0.1;

function slowdownChart({ results }: CampaignReport): object {
	const found = results.flatMap(({ slowdown }) => (slowdown === null ? [] : [slowdown]));
	// Longer ones than four times are hangs, most of them.
	const counts = histogram(found, (times) =>
		Math.min(40, Math.floor(times / SLOWDOWN_STEP + 1e-9)),
	);
	const first = Math.max(
		0,
		counts.findIndex((count) => count > 0),
	);
	const labels = counts.map((_, i) => (i * SLOWDOWN_STEP).toFixed(1));
	return countChart("virtual time / that without faults", labels.slice(first), counts.slice(first));
}

/** Where faults hit, and how many of them ended badly: a picture of small squares. */
function heatMap(place: string, hits: readonly Hit[]): string {
	const base = placeBase(place);
	const offsets = hits.map(({ at }) => at - base);
	const size = offsets.reduce((a, b) => Math.max(a, b), 0) + 1;
	const unit = Math.max(1, 2 ** Math.ceil(Math.log2(size / (COLUMNS * ROWS_MAX))));
	const cells = new Map<number, { hits: number; bad: number }>();
	for (const [i, { outcome }] of hits.entries()) {
		const index = Math.floor(offsets[i]! / unit);
		const { hits: n = 0, bad = 0 } = cells.get(index) ?? {};
		cells.set(index, { hits: n + 1, bad: bad + Number(BAD.includes(outcome)) });
	}
	const rows = Math.ceil(size / unit / COLUMNS);
	const name = (n: number): string => (place === "ram" ? `0x${n.toString(16)}` : `sector ${n}`);
	const squares = [...cells]
		.sort(([a], [b]) => a - b)
		.map(([index, { hits: n, bad }]) => {
			const x = (index % COLUMNS) * CELL;
			const y = Math.floor(index / COLUMNS) * CELL;
			const hue = Math.round(120 * (1 - bad / n));
			const title = `${name(base + index * unit)}: ${n} faults, ${bad} ended badly`;
			const box = `x="${x}" y="${y}" width="${CELL - 1}" height="${CELL - 1}"`;
			return `<rect ${box} fill="hsl(${hue} 70% 45%)"><title>${esc(title)}</title></rect>`;
		});
	const [width, height] = [COLUMNS * CELL, rows * CELL];
	const what = `${place === "ram" ? "byte" : "sector"}${unit === 1 ? "" : "s"}`;
	const note = `a square is ${unit} ${what}, from ${name(base)}`;
	const box = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
	return `<h2>Faults in ${esc(place)}</h2>
<p>${note}; green: nothing bad came of it, red: panic, hang or silent corruption</p>
<svg role="img" class="heat" ${box}>${squares.join("")}</svg>`;
}

function outcomeTable({ outcomes }: CampaignReport): string {
	const percent = (share: number): string => `${(share * PERCENT).toFixed(1)} %`;
	const lines = OUTCOMES.map((outcome) => {
		const { runs, share, low, high } = outcomes[outcome];
		const cells = [runs, percent(share), `${percent(low)} to ${percent(high)}`];
		const color = `<i style="background:${COLORS[outcome]}"></i>`;
		const right = cells.map((cell) => `<td class="n">${cell}</td>`).join("");
		return `<tr><td>${color} ${outcome}</td>${right}<td>${esc(OUTCOME_TEXTS[outcome])}</td></tr>`;
	});
	const head = ["outcome", "runs", "share", "95 % interval", ""].map((name) => `<th>${name}</th>`);
	return `<table><tr>${head.join("")}</tr>${lines.join("\n")}</table>`;
}

function worstTable({ results }: CampaignReport): string {
	const bad = results.filter(({ outcome }) => BAD.includes(outcome));
	if (bad.length === 0) return "";
	const lines = bad.slice(0, WORST_MAX).map(({ run, outcome, templates, why }) => {
		const cells = [outcome, templates.join(" + "), why].map((cell) => `<td>${esc(cell)}</td>`);
		return `<tr><td class="n">${run}</td>${cells.join("")}</tr>`;
	});
	const more = bad.length > WORST_MAX ? `<p>and ${bad.length - WORST_MAX} more</p>` : "";
	return `<h2>Runs that ended badly</h2>
<table><tr><th>run</th><th>outcome</th><th>rules</th><th>why</th></tr>
${lines.join("\n")}</table>${more}`;
}

const ROW_PX = 28;
const CHART_PX = 110;

/** => opens without a server; the report's data is in it as JSON, too */
export function htmlOf(report: CampaignReport): string {
	const phases = report.phases.map((shares, i) => [`${i * 10} to ${i * 10 + 10} %`, shares]);
	const byModel = Object.keys(report.models);
	const byRule = Object.keys(report.templates);
	const heightOf = (rows: number): number => CHART_PX + rows * ROW_PX;
	const charts: Chart[] = [
		{
			title: "Outcomes by fault model",
			chart: shareChart(report.models),
			height: heightOf(byModel.length),
		},
	];
	// Rules without names of their own have those of their models.
	if (byRule.join() !== byModel.join()) {
		const chart = shareChart(report.templates);
		charts.push({ title: "Outcomes by rule", chart, height: heightOf(byRule.length) });
	}
	const shares = shareChart(Object.fromEntries(phases));
	charts.push(
		{ title: "Outcomes by phase of the run", chart: shares, height: heightOf(phases.length) },
		{ title: "Detection latency", chart: latencyChart(report), height: heightOf(6) },
		{ title: "Slowdown", chart: slowdownChart(report), height: heightOf(6) },
	);
	const places = [...new Set(report.hits.map(({ place }) => place))].sort();
	const maps = places.map((place) =>
		heatMap(
			place,
			report.hits.filter((hit) => hit.place === place),
		),
	);
	const { name, description, runs, planned, version, seed, golden, results } = report;
	const title = `Faults: ${name}`;
	const instructions = golden.instructions.toLocaleString("en-US");
	const done =
		report.pruned === undefined
			? `${runs} of ${planned} runs`
			: `${runs} of ${report.pruned.points} points by ${results.length} of ${planned} runs`;
	const facts = `${done}, seed ${seed}, uvmachine ${esc(version)};
without faults ${instructions} instructions and ${(golden.cycles / 1e6).toFixed(1)} ms`;
	return chartPage(
		title,
		charts,
		(canvases) => `<p>${esc(description)}</p>
<p>${facts}</p>
${outcomeTable(report)}
${canvases}
${maps.join("\n")}
${worstTable(report)}`,
	);
}
