/**
 * docs/campaign-results.md: what the ready-made campaigns find. `npm run docs:campaigns` makes
 * their runs, or goes on with those in the folder of its argument, and writes the page; with names
 * as further arguments, of these only.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OUTCOMES, type Outcome } from "./report/classify.ts";
import { wilson } from "./report/statistics.ts";
import { type ResultRow, readResults } from "./results.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = join(ROOT, "docs/campaign-results.md");
const READY = join(ROOT, "campaign/ready");

const HEAD = `# What the ready-made campaigns find

\`npm run docs:campaigns\` makes this page from the results of campaigns that
\`uvmachine inject --list\` shows. The same version gives the same numbers on any machine. Shares
are of the runs, with the interval in which they lie with a probability of 95 %.
`;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function row(outcome: Outcome, count: number, runs: number): string {
	const { low, high } = wilson(count, runs);
	const cells = [
		`\`${outcome}\``,
		count,
		percent(count / runs),
		`${percent(low)} to ${percent(high)}`,
	];
	return `| ${cells.join(" | ")} |\n`;
}

/** What the page says of a campaign. */
function section(name: string, description: string, rows: readonly ResultRow[]): string {
	let text = `\n## \`${name}\`\n\nRuns: ${description}. ${rows.length} runs.\n\n`;
	text += "| outcome | runs | share | interval |\n|---|---|---|---|\n";
	for (const outcome of OUTCOMES) {
		const count = rows.filter((one) => one.outcome === outcome).length;
		if (count > 0) text += row(outcome, count, rows.length);
	}
	return text;
}

const [folder = mkdtempSync(join(tmpdir(), "campaigns-")), ...only] = process.argv.slice(2);
const all = readdirSync(READY).map((file) => file.replace(/\.json5$/, ""));
let page = HEAD;
for (const name of (only.length > 0 ? only : all).sort()) {
	const out = join(folder, name);
	const args = [join(ROOT, "dist/cli/main.js"), "inject", name, "--out", out, "--resume"];
	execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
	const { campaign, rows } = readResults(out);
	const { description } = campaign as { readonly description: string };
	page += section(name, description, rows);
}
writeFileSync(PAGE, page);
