import { configDefaults, defineConfig } from "vitest/config";

/** An hour, for what hangs. The longest test takes minutes, and twenty on a very busy machine. */
const LIMIT_MS = 3_600_000;

/** Tests whose files share a process, so that it does not load the code for each. */
const SHARED = [
	...["pmap", "kernel", "machine", "devices", "firmware", "isa"],
	...["computer", "system", "workloads", "gdb", "trace", "bench"],
].map((folder) => `test/${folder}/**/*.test.ts`);

/**
 * Tests that take long, of what seldom breaks: what guests and tests reach of the VM system, each
 * allocation that fails, defects that are planted in the hart. npm run test:reach runs them.
 */
const REACH = [
	"test/coverage.test.ts",
	"test/calls.test.ts",
	"test/kernel/uvm/alloc-sweep.test.ts",
	"test/conformance/mutants.test.ts",
];

export default defineConfig({
	test: {
		maxWorkers: 2,
		testTimeout: LIMIT_MS,
		hookTimeout: LIMIT_MS,
		projects: [
			{
				extends: true,
				test: {
					name: "alone",
					include: ["test/**/*.test.ts"],
					exclude: [...configDefaults.exclude, ...SHARED, ...REACH],
				},
			},
			{
				extends: true,
				test: {
					name: "shared",
					include: SHARED,
					exclude: [...configDefaults.exclude, ...REACH],
					isolate: false,
				},
			},
			{ extends: true, test: { name: "reach", include: REACH } },
		],
	},
});
