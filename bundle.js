/**
 * Empties dist/ and bundles the programs into it: they start in less than half the time of their
 * modules. A worker is one file; the command line has one for each command beside what they share,
 * so that it loads what it needs. The library is not bundled: after this, tsc writes its modules.
 */
import { readFileSync, rmSync } from "node:fs";
import { build } from "rolldown";

const COMMAND_LINE = "cli/main";
const WORKERS = [
	"bench/worker",
	"campaign/worker",
	"campaign/measured",
	"bench/first-instruction",
	"conformance/main",
	"conformance/isa-tests",
];

/** Packages stay outside the bundles: npm installs them. */
const { dependencies, optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });
const external = packages.map((name) => new RegExp(`^${name}(/|$)`));

const bundle = (name, output) => ({
	input: { [name]: `${name}.ts` },
	external,
	platform: "node",
	// No module does anything when it is loaded, but these programs.
	treeshake: { moduleSideEffects: false },
	output: { dir: "dist", format: "esm", ...output },
});

rmSync("dist", { recursive: true, force: true });
await build([
	// In the folder of main.js: files are found from the folder above.
	bundle(COMMAND_LINE, { chunkFileNames: "cli/[name].js" }),
	...WORKERS.map((name) => bundle(name, { codeSplitting: false })),
]);
