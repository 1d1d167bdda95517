/**
 * Do the tests find mistakes of the compiler? Each mutant is a build with one of them, and must
 * fail a test of FINDERS, which run on it in a process of their own: first the one that the mutant
 * names. MUTANT plants only those whose names match this expression.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { ROOT } from "../../support/sources.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { FLOAT_MUTANTS } from "./mutants-float.ts";
import { LOOP_MUTANTS } from "./mutants-loop.ts";
import { MEMORY_MUTANTS } from "./mutants-memory.ts";

/** By project. When a test has failed, those behind it are not run. */
const FINDERS: readonly (readonly [string, ...string[]])[] = [
	[
		"main",
		"test/machine/jit/graph.test.ts",
		"test/machine/jit/access.test.ts",
		"test/machine/jit/mapping.test.ts",
		"test/machine/jit/pages.test.ts",
		"test/machine/jit/loop.fuzz.test.ts",
		"test/machine/jit/loop-rare.fuzz.test.ts",
		"test/machine/jit/strips.test.ts",
		"test/machine/jit/refill.test.ts",
		"test/machine/jit/float.test.ts",
		"test/machine/jit/programs.fuzz.test.ts",
	],
	[
		"jit",
		"test/conformance/compiled.test.ts",
		"test/machine/code.test.ts",
		"test/machine/code.fuzz.test.ts",
	],
	["reach", "test/workloads/compute.test.ts"],
];
/** After so long a test hangs: it has found the mutant. */
const HANG_MS = 600_000;

// Below the repository, so that packages are found.
const folder = join(ROOT, `node_modules/.cache/mutants-${process.pid}`);
mkdirSync(folder, { recursive: true });
// It may be built again meanwhile.
cpSync(join(ROOT, "dist"), join(folder, "sound"), { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** => the build's folder */
function plant({ file, from, to }: Mutant): string {
	const path = join(folder, "dist/machine/jit", `${file}.js`);
	const text = readFileSync(join(folder, "sound/machine/jit", `${file}.js`), "utf8");
	cpSync(join(folder, "sound"), join(folder, "dist"), { recursive: true });
	expect(text.split(from), `machine/jit/${file}: ${from}`).toHaveLength(2);
	writeFileSync(
		path,
		text.replace(from, () => to),
	);
	return join(folder, "dist");
}

/** => the test that has failed, or null. `by` is run first. */
async function finder(dist: string, by?: string): Promise<string | null> {
	const first = by === undefined ? [] : [["main", `test/machine/jit/${by}.test.ts`] as const];
	for (const [project, ...files] of [...first, ...FINDERS]) {
		const found = await failing(dist, project, files);
		if (found !== null) return found;
	}
	return null;
}

function failing(dist: string, project: string, files: string[]): Promise<string | null> {
	const args = ["vitest", "run", "--project", project, "--bail", "1"];
	const child = spawn("npx", [...args, ...files], {
		cwd: ROOT,
		env: { ...process.env, UVMACHINE_DIST: dist, NO_COLOR: "1" },
		stdio: ["ignore", "pipe", "pipe"],
		// A group of its own, which can be ended as a whole.
		detached: true,
	});
	let text = "";
	child.stdout.on("data", (data) => (text += data));
	child.stderr.on("data", (data) => (text += data));
	return new Promise((resolve) => {
		const end = setTimeout(() => {
			process.kill(-child.pid!, "SIGKILL");
			resolve("it hangs");
		}, HANG_MS);
		child.on("exit", (code) => {
			clearTimeout(end);
			const failed = /FAIL\s+(.*)/.exec(text)?.[1] ?? "it ends the process";
			resolve(code === 0 ? null : failed.trim());
		});
	});
}

const only = new RegExp(process.env.MUTANT ?? "");

const all = [...MUTANTS, ...LOOP_MUTANTS, ...MEMORY_MUTANTS, ...FLOAT_MUTANTS];

it.each(all.filter(({ name }) => only.test(name)))("$name: found", async (mutant) => {
	const started = performance.now();
	const found = await finder(plant(mutant), mutant.by);
	const seconds = ((performance.now() - started) / 1000).toFixed(0);
	console.log(`${mutant.name}: ${found ?? "SURVIVES"} (${seconds} s)`);
	expect(found).not.toBeNull();
});

it("a build without defect passes", async () => {
	expect(await finder(join(folder, "sound"))).toBeNull();
});
