/**
 * Tests import the sources, and get the modules that npm run build has made of them: Node loads
 * these once for all test files of a process, so that they are compiled once, and stay fast.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import type { Plugin } from "vitest/config";
import type { TestProject } from "vitest/node";

const ROOT = resolve(import.meta.dirname, "../..");
/** Another place for a build in which a defect was planted: test/machine/jit/mutants.test.ts. */
const DIST = process.env.UVMACHINE_DIST ?? join(ROOT, "dist");
/** What Node loads itself. */
export const BUILT = new RegExp(`^${DIST}${sep}.*\\.js$`);

/** Folders without sources of what is built. */
const OTHERS = new Set(["dist", "docs", "node_modules", "test", "workloads"]);

/** When a source was last changed. */
function newest(folder: string): number {
	let time = 0;
	for (const entry of readdirSync(folder, { withFileTypes: true })) {
		const path = join(folder, entry.name);
		if (entry.isDirectory()) {
			const other = folder === ROOT && (OTHERS.has(entry.name) || entry.name.startsWith("."));
			if (!other) time = Math.max(time, newest(path));
		} else if (entry.name.endsWith(".ts")) time = Math.max(time, statSync(path).mtimeMs);
	}
	return time;
}

/** Build if a source has changed since the last time. */
function build(): void {
	if (process.env.UVMACHINE_DIST !== undefined) return;
	const index = join(DIST, "index.js");
	if (existsSync(index) && statSync(index).mtimeMs > newest(ROOT)) return;
	execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: "inherit" });
}

/** Of the global setup. */
export default function setup(project: TestProject): void {
	build();
	project.onTestsRerun(build);
}

/** Lets imports of modules that were built lead to these. */
export const built: Plugin = {
	name: "built",
	enforce: "pre",
	resolveId(source, importer) {
		if (!source.startsWith(".") || !source.endsWith(".ts") || importer === undefined) return null;
		const path = relative(ROOT, resolve(dirname(importer), source));
		if (path.startsWith("test") || path.startsWith("..")) return null;
		const out = join(DIST, path.replace(/\.ts$/, ""));
		// Programs have no declarations.
		return existsSync(`${out}.d.ts`) ? `${out}.js` : null;
	},
};
