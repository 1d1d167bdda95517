/**
 * Setup file of the run that calls.test.ts starts: notes for each test which functions of the
 * system it has called, as V8's precise coverage counts them. Fixtures count too.
 */
import { appendFileSync } from "node:fs";
import { type Profiler, Session } from "node:inspector";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach } from "vitest";
import { ROOT } from "./sources.ts";

const session = new Session();
session.connect();
session.post("Profiler.enable");

/** Coverage since the last call of this, for all scripts. */
function take(): Profiler.ScriptCoverage[] {
	let result: Profiler.ScriptCoverage[] = [];
	session.post("Profiler.takePreciseCoverage", (_error, taken) => {
		result = taken.result;
	});
	return result;
}

/** "kernel/uvm/uvm_page.ts", or "" for what is not part of the system. */
function place(url: string): string {
	const path = url.startsWith("file:") ? fileURLToPath(url) : url;
	const inside = path.startsWith(ROOT) ? path.slice(ROOT.length) : "";
	return /^(kernel|pmap|sys)\//.test(inside) ? inside : "";
}

beforeEach(() => {
	session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
	take();
});

afterEach(({ task }) => {
	const calls: string[] = [];
	for (const { url, functions } of take()) {
		const file = place(url);
		if (file === "") continue;
		for (const { functionName, ranges } of functions) {
			if (functionName !== "" && ranges[0]!.count > 0) calls.push(`${file} ${functionName}`);
		}
	}
	session.post("Profiler.stopPreciseCoverage");
	const names = [task.name];
	for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
	const file = task.file.filepath.slice(`${ROOT}test/`.length);
	const line = { file, name: names.join(" "), calls };
	appendFileSync(process.env.CALLS_OUT!, `${JSON.stringify(line)}\n`);
});
