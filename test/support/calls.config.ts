/** How calls.test.ts runs other tests. */
import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		setupFiles: ["test/support/calls-setup.ts"],
		testTimeout: 3_600_000,
		maxWorkers: 2,
		isolate: false,
	},
});
