/** An HTML file that needs no network: charts by Chart.js, which it contains. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { escapeMarkup as esc } from "./junit.ts";

export interface Chart {
	readonly title: string;
	/** What Chart.js gets. */
	readonly chart: object;
	/** In pixels. */
	readonly height: number;
}

/** The library as a script for pages. */
function chartLibrary(): string {
	const path = createRequire(import.meta.url).resolve("chart.js");
	const script = readFileSync(join(dirname(path), "chart.umd.min.js"), "utf8");
	return script.replace(/<\/script/gi, "<\\/script").replace(/^\/\/# source.*$/m, "");
}

const STYLE = `body { font: 15px/1.4 system-ui, sans-serif }
body { margin: 2em auto; max-width: 70em; padding: 0 1em }
table { border-collapse: collapse }
td, th { padding: .15em .8em; text-align: left; vertical-align: top }
tr:nth-child(even) { background: #f3f3f3 } .n { text-align: right; white-space: nowrap }
i { display: inline-block; width: .8em; height: .8em }
.heat { background: #eee; max-width: 100%; height: auto }`;

/**
 * => opens without a server. `body` is given the charts as markup, and has what is around them; the
 *    title is text.
 */
export function chartPage(
	title: string,
	charts: readonly Chart[],
	body: (charts: string) => string,
): string {
	const canvases = charts.map(({ title: name, height }, i) => {
		const canvas = `<canvas id="chart${i}" role="img" aria-label="${esc(name)}"></canvas>`;
		return `<h2>${esc(name)}</h2><div style="height:${height}px">${canvas}</div>`;
	});
	// No text of the charts may end the script that it stands in.
	const data = JSON.stringify(charts.map(({ chart }) => chart)).replaceAll("<", "\\u003c");
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${esc(title)}</title>
<style>${STYLE}</style></head><body>
<h1>${esc(title)}</h1>
${body(canvases.join("\n"))}
<script>${chartLibrary()}</script>
<script>
for (const [i, chart] of ${data}.entries()) new Chart(document.getElementById("chart" + i), chart);
</script>
</body></html>
`;
}
