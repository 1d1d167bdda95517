import { defineConfig } from "vitest/config";

/** An hour, for what hangs. The longest test takes minutes, and twenty on a very busy machine. */
const LIMIT_MS = 3_600_000;

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		testTimeout: LIMIT_MS,
		hookTimeout: LIMIT_MS,
		maxWorkers: 2,
	},
});
