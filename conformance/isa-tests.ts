/**
 * `npm run isa-tests -- DIR`: runs the official ISA tests in a directory. The files must have the
 * names that the Makefile of github.com/riscv-software-src/riscv-tests gives them: rv32ui-p-add.
 *
 * Exit codes: 0 all tests pass, 1 a test fails, 2 wrong usage or no tests found.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Bare } from "../computer/bare.ts";
import type { BareOptions } from "../computer/bare-options.ts";

const NAME = /^rv32(?:u[imacfd]|uzb[abs]|si|mi)-[pv]-\w[\w-]*$/;
const RAM = 16 * 1024 * 1024;
const CYCLES_MAX = 50_000_000;

interface Variant {
	readonly name: string;
	readonly options: Partial<BareOptions>;
	/** Tests that do not apply to this variant. */
	readonly without?: RegExp;
}

/** The default machine, and options that exercise more of it. */
const VARIANTS: readonly Variant[] = [
	{ name: "default", options: {} },
	{ name: "TLB of 4 entries", options: { tlbEntries: 4, tlbWays: 2 } },
	{ name: "A and D trap", options: { adPolicy: "trap" } },
	{ name: "misaligned traps", options: { misaligned: "trap" }, without: /-ma_data$/ },
	{ name: "interpreted", options: { engine: "interp" } },
	{ name: "all compiled", options: { engine: "jit" } },
	{ name: "all compiled, small TLB", options: { engine: "jit", tlbEntries: 4, tlbWays: 2 } },
];

/** => null if the test passes, else the failure. */
function runTest(image: Uint8Array, options: Partial<BareOptions>): string | null {
	const bare = new Bare({ image, ram: RAM, ...options });
	bare.inputEnd();
	if (bare.run(CYCLES_MAX) === "running") return "did not end";
	const { kind, code, pc } = bare.exit;
	if (kind === "exited") return code === 0 ? null : `test ${code}`;
	return `${kind} at ${pc.toString(16)}`;
}

/** => the exit code */
function main(words: readonly string[], print: (line: string) => void): number {
	const [folder, ...rest] = words;
	if (folder === undefined || rest.length > 0 || folder.startsWith("-")) {
		process.stderr.write("isa-tests: expected a directory with ISA tests\n");
		return 2;
	}
	let names: string[] = [];
	try {
		names = readdirSync(folder).filter((name) => NAME.test(name));
	} catch (error) {
		process.stderr.write(`isa-tests: ${(error as Error).message}\n`);
		return 2;
	}
	if (names.length === 0) {
		process.stderr.write(
			`isa-tests: ${folder}: no ISA tests found (files named like rv32ui-p-add)\n`,
		);
		return 2;
	}
	const suites = [...new Set(names.map((name) => name.slice(0, name.indexOf("-") + 2)))].sort();
	let failed = 0;
	for (const { name: variant, options, without } of VARIANTS) {
		print(`${variant}:`);
		for (const suite of suites) {
			const tests = names
				.filter((name) => name.startsWith(`${suite}-`) && without?.test(name) !== true)
				.sort();
			const wrong = tests.flatMap((name) => {
				const result = runTest(readFileSync(join(folder, name)), options);
				return result === null ? [] : [`${name}: ${result}`];
			});
			failed += wrong.length;
			print(`  ${suite.padEnd(12)} ${tests.length - wrong.length} of ${tests.length} pass`);
			for (const line of wrong) print(`    ${line}`);
		}
	}
	return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2), (line) => {
	process.stdout.write(`${line}\n`);
});
