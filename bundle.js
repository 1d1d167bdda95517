/**
 * Empties dist/ and bundles the programs into it: they start in less than half the time of their
 * modules. A worker is one file; the command line has one for each command beside what they share,
 * so that it loads what it needs. The library is not bundled: after this, tsc writes its modules.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { build } from "rolldown";

const COMMAND_LINE = "cli/command-line";
const PROGRAMS = [
	"cli/main",
	"cli/compile",
	"bench/worker",
	"campaign/worker",
	"campaign/measured",
	"experiment/worker",
	"bench/first-instruction",
	"bench/compare",
	"bench/compare-part",
	"bench/compute-guest",
	"bench/performance",
	"bench/churn",
	"bench/churn-code",
	"conformance/main",
	"conformance/isa-tests",
];

/** Inside the bundles is what each start needs: Node takes long to find packages and to read them. */
const INSIDE = [
	"buffer/index.js",
	"commander",
	// Not at each start, but what is no CommonJS is imported, which code that was kept cannot do.
	"fast-png",
	"fastest-levenshtein",
	"tar-stream/headers.js",
	"valibot",
];
/** The rest of the packages stays outside: npm installs it. */
const { dependencies, optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });
const external = (id) =>
	packages.some((name) => id === name || id.startsWith(`${name}/`)) && !INSIDE.includes(id);

const pathOf = (id) => relative(import.meta.dirname, id);
const COMPUTER =
	/^(machine|devices|sys|pmap|kernel|computer|node_modules\/(valibot|buffer))\/(?!bare)/;
const AROUND = /^(cli|trace|node_modules\/fastest-levenshtein)\/(?!fault-file|json5)/;
/**
 * Files that commands share, so that a start takes few: what is there before the command is known,
 * the computer, and what surrounds it.
 */
const SHARED = [
	{ name: "start", tags: ["$initial"] },
	{ name: "system", test: (id) => COMPUTER.test(pathOf(id)), minShareCount: 2 },
	{ name: "guest", test: (id) => AROUND.test(pathOf(id)), minShareCount: 2 },
].map((group, i, all) => ({ ...group, priority: all.length - i }));

/** commander runs a program for a command that is a file of its own; no command here is. */
const NO_PROGRAMS = {
	name: "no-programs",
	resolveId: (id, from) =>
		id === "node:child_process" && from?.includes("/commander/") ? "\0no-programs" : null,
	load: (id) => (id === "\0no-programs" ? "export {};" : null),
};

/** To emit the interpreter's loop would be a good part of a short run. */
const emitter = await build({ input: "machine/jit/loop.ts", platform: "node", write: false });
const { loopModule } = await import(
	`data:text/javascript;base64,${Buffer.from(emitter.output[0].code).toString("base64")}`
);
const LOOP = Buffer.from(loopModule()).toString("base64");
const EMITTED_LOOP = {
	name: "emitted-loop",
	load: (id) =>
		pathOf(id) === "machine/jit/loop-bytes.ts"
			? `export const loopBytes = () => Buffer.from("${LOOP}", "base64");`
			: null,
};

const bundle = (name, output) => ({
	input: { [name]: `${name}.ts` },
	external,
	platform: "node",
	plugins: [NO_PROGRAMS, EMITTED_LOOP],
	// No module does anything when it is loaded, but these programs.
	treeshake: { moduleSideEffects: false },
	output: {
		...{ dir: "dist", format: "esm", ...output },
		// Names stay, for who reads a stack trace or a profile.
		minify: { compress: false, mangle: false, codegen: true },
	},
});

rmSync("dist", { recursive: true, force: true });
const built = await build([
	// In one folder: files are found from the folder above.
	bundle(COMMAND_LINE, {
		...{ format: "cjs", entryFileNames: "[name].cjs", chunkFileNames: "cli/[name].cjs" },
		dynamicImportInCjs: false,
		codeSplitting: { groups: SHARED },
	}),
	...PROGRAMS.map((name) => bundle(name, { codeSplitting: false })),
]);

/** Licences ask that they go with what is copied. */
const inside = built
	.flatMap(({ output }) => output.flatMap(({ moduleIds = [] }) => moduleIds))
	.flatMap((id) => pathOf(id).match(/^node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []);
const licences = [...new Set(inside)].sort().map((folder) => {
	const { name, version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
	const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
	return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
});
writeFileSync("dist/LICENCES", licences.join(`\n${"-".repeat(72)}\n\n`));

execFileSync(process.execPath, ["dist/cli/compile.js"], { stdio: "pipe" });
