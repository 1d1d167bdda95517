import { configDefaults, defineConfig } from "vitest/config";
import { BUILT, built } from "./test/support/built.ts";

/** An hour, for what hangs. The longest test takes minutes, and twenty on a very busy machine. */
const LIMIT_MS = 3_600_000;

/**
 * Tests that take long, of what seldom breaks: what guests and tests reach of the VM system, each
 * allocation that fails, defects that are planted in the hart, new streams and disks beside QEMU's,
 * campaigns and their queue, long experiments, snapshots with a plan of faults, each row of `bench
 * growth` and `bench micro`, engines of benchmarks and campaigns, plans and programs that are damaged, the
 * committed guest programs, programs that compute, the host's memory after many operations and many
 * programs. npm run test:reach runs them.
 */
const REACH = [
	"test/coverage.test.ts",
	"test/calls.test.ts",
	"test/kernel/uvm/alloc-sweep.test.ts",
	"test/conformance/mutants.test.ts",
	"test/conformance/lockstep.test.ts",
	"test/campaign/minimise.test.ts",
	"test/campaign/smoke.test.ts",
	"test/campaign/power-prefix.test.ts",
	"test/campaign/conduct.test.ts",
	"test/campaign/prune/prune.test.ts",
	"test/campaign/queue.test.ts",
	"test/experiment/queue.test.ts",
	"test/experiment/queue-thread.test.ts",
	"test/campaign/run/runner.test.ts",
	"test/computer/fault/restored.test.ts",
	"test/devices/fault/one-by-one.test.ts",
	"test/devices/qemu-virtio.test.ts",
	"test/bench/allocations.test.ts",
	"test/bench/growth-rows.test.ts",
	"test/bench/micro-rows.test.ts",
	"test/bench/engine.test.ts",
	"test/bench/churn.test.ts",
	"test/cli/inject-engines.test.ts",
	"test/cli/mutated-plans.test.ts",
	"test/experiment/results-long.test.ts",
	"test/firmware/elf.fuzz.test.ts",
	"test/workloads/committed.test.ts",
	"test/workloads/compute.test.ts",
	"test/system/host-memory.test.ts",
];

/** Defects planted in the compiler, and the tests that find them: npm run test:mutants. */
const MUTANTS = ["test/machine/jit/mutants.test.ts"];

/** Tests that put functions of their own into modules, which Node cannot load then. */
const MOCKED = ["test/campaign/defects.test.ts"];

/** What runs once more on an engine that compiles whatever is executed: npm run test:jit. */
const EAGER = [
	"test/machine/**/*.test.ts",
	"test/conformance/*.test.ts",
	"test/gdb/*.test.ts",
	"test/trace/*.test.ts",
	"test/system/*.test.ts",
	"test/computer/**/*.test.ts",
	"test/kernel/**/*.test.ts",
];

/** What puts the engines beside each other by itself, and takes long: npm run test:jit alone. */
const BESIDE = ["test/machine/jit/float.test.ts"];

/** What is asked of the usual thresholds alone. */
const UNHURRIED = ["test/machine/jit/region.test.ts"];

const onBuilt = {
	extends: true as const,
	plugins: [built],
	test: { server: { deps: { external: [BUILT] } } },
};

export default defineConfig({
	test: {
		maxWorkers: 2,
		testTimeout: LIMIT_MS,
		hookTimeout: LIMIT_MS,
		globalSetup: "test/support/built.ts",
		// Test files share a process, and what it has compiled.
		isolate: false,
		projects: [
			{
				...onBuilt,
				test: {
					...onBuilt.test,
					name: "main",
					exclude: [...configDefaults.exclude, ...REACH, ...MOCKED, ...MUTANTS, ...BESIDE],
				},
			},
			{ ...onBuilt, test: { ...onBuilt.test, name: "reach", include: REACH } },
			{
				...onBuilt,
				test: {
					...onBuilt.test,
					name: "jit",
					include: EAGER,
					exclude: [...configDefaults.exclude, ...REACH, ...MUTANTS, ...UNHURRIED],
					setupFiles: "test/support/eager-engine.ts",
				},
			},
			{ extends: true, test: { name: "mocked", include: MOCKED } },
			{ extends: true, test: { name: "mutants", include: MUTANTS } },
		],
	},
});
