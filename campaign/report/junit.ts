/** Results as JUnit XML, which CI servers show: a case for each run. */
import { OUTCOME_TEXTS, type Outcome } from "./classify.ts";
import type { CampaignReport, RunReport } from "./report.ts";

/** Outcomes that fail, unless others are named. */
export const FAILURES: readonly Outcome[] = ["panic", "hang", "simulator-error", "sdc"];

const NS = 1e9;

const ENTITIES: Readonly<Record<string, string>> = {
	"&": "&amp;",
	"<": "&lt;",
	">": "&gt;",
	'"': "&quot;",
	"'": "&#39;",
};

/** For text and attributes of XML and HTML, without the characters that XML cannot hold. */
export const escapeMarkup = (text: string): string =>
	text
		.replace(/[&<>"']/g, (c) => ENTITIES[c]!)
		// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
		.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd");

const tag = (name: string, attributes: Readonly<Record<string, string | number>>): string =>
	[
		name,
		...Object.entries(attributes).map(([key, value]) => `${key}="${escapeMarkup(String(value))}"`),
	].join(" ");

/** A suite for each rule of the campaign; a run with several is in the first one's. */
export function junitOf(report: CampaignReport, failures = FAILURES): string {
	const names = [...new Set(report.results.map(({ templates }) => templates[0] ?? "none"))];
	const fails = ({ outcome }: RunReport): boolean => failures.includes(outcome);
	const isError = (run: RunReport): boolean => fails(run) && run.outcome === "simulator-error";
	const counts = (runs: readonly RunReport[]): Record<string, number> => {
		const errors = runs.filter(isError).length;
		return { tests: runs.length, failures: runs.filter(fails).length - errors, errors };
	};
	const seconds = report.golden.cycles / NS;
	const caseOf = (run: RunReport): string => {
		const { outcome, why, templates, slowdown } = run;
		const name = `run ${run.run}: ${templates.join(" + ")}`;
		const time = ((slowdown ?? 0) * seconds).toFixed(6);
		const open = tag("testcase", { classname: report.name, name, time });
		if (!fails(run)) {
			const text = escapeMarkup(`${outcome}: ${why}`);
			return `\t\t<${open}><system-out>${text}</system-out></testcase>`;
		}
		const kind = isError(run) ? "error" : "failure";
		const message = `${outcome}: ${OUTCOME_TEXTS[outcome]}`;
		const failure = tag(kind, { message, type: outcome });
		return `\t\t<${open}><${failure}>${escapeMarkup(why)}</${kind}></testcase>`;
	};
	const suites = names.map((name) => {
		const runs = report.results.filter(({ templates }) => (templates[0] ?? "none") === name);
		const cases = runs.map(caseOf).join("\n");
		return `\t<${tag("testsuite", { name, ...counts(runs) })}>\n${cases}\n\t</testsuite>`;
	});
	const all = tag("testsuites", { name: report.name, ...counts(report.results) });
	return `<?xml version="1.0" encoding="UTF-8"?>\n<${all}>\n${suites.join("\n")}\n</testsuites>\n`;
}
