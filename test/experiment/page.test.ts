/** The page of an experiment's results. */
import { expect, it } from "vitest";
import type { Row } from "../../experiment/conduct.ts";
import { checkExperiment } from "../../experiment/experiment.ts";
import { pageOf } from "../../experiment/page.ts";
import { judge } from "../../experiment/verdict.ts";

const experiment = checkExperiment(
	{
		question: "Is a < b?",
		workload: { boot: "hello", ram: "$ram" },
		parameters: { ram: ["2M", "512K"], kind: ["a", "</script>"] },
		metrics: ["faults"],
		expect: [{ that: "faults < 4", why: "<b>" }],
		plots: [
			{ x: "ram", y: "faults", by: "kind", log: "x" },
			{ x: "kind", y: "faults", where: 'ram == "2M"', title: "<i>" },
		],
	},
	"test",
);
const rows = experiment.points.map(
	({ parameters }, point): Row => ({
		...{ point, parameters, hostMs: 1, stateHash: "", console: "" },
		counts: { faults: point + 1 },
	}),
);
const page = pageOf(experiment, rows, judge(experiment, rows), "1.2.3");

/** What Chart.js is given. */
function charts(): { data: { datasets: Record<string, unknown>[] }; options: object }[] {
	const text = /for \(const \[i, chart\] of (\[.*\])\.entries\(\)\)/.exec(page)![1]!;
	return JSON.parse(text);
}

it("draws a line for each value of a parameter, sizes being numbers", () => {
	const [first, second] = charts();
	expect(first!.data.datasets.map(({ label, data }) => [label, data])).toEqual([
		[
			"kind a",
			[
				{ x: 2 ** 21, y: 1 },
				{ x: 2 ** 19, y: 3 },
			],
		],
		[
			"kind </script>",
			[
				{ x: 2 ** 21, y: 2 },
				{ x: 2 ** 19, y: 4 },
			],
		],
	]);
	expect(first!.options).toMatchObject({
		scales: { x: { type: "logarithmic" }, y: { type: "linear" } },
	});
	expect(second!.data.datasets.map(({ label, data }) => [label, data])).toEqual([
		[
			"faults",
			[
				{ x: "a", y: 1 },
				{ x: "</script>", y: 2 },
			],
		],
	]);
	expect(second!.options).toMatchObject({ scales: { x: { type: "category" } } });
});

it("shows text as text", () => {
	for (const text of [
		"Is a &lt; b?",
		"&lt;i&gt;",
		"(&lt;b&gt;)",
		'<td class="n">&lt;/script&gt;</td>',
	]) {
		expect(page).toContain(text);
	}
	// The library, and what draws.
	expect(page.split("</script>")).toHaveLength(3);
});

it("says what failed, and where", () => {
	expect(page).toContain("<b>fails at 1 of 4</b>: <code>faults &lt; 4</code>");
	expect(page).toContain("at ram=512K kind=&lt;/script&gt;: faults is 4");
});

it("needs no network", () => {
	expect(page).not.toMatch(/(?:src|href)=/);
	expect(page).toContain("uvmachine 1.2.3");
});
