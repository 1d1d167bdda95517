import { defineConfig } from "vitest/config";

/** Ten minutes, for what hangs: a busy machine takes several times longer than a quiet one. */
const LIMIT_MS = 600_000;

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		testTimeout: LIMIT_MS,
		hookTimeout: LIMIT_MS,
		maxWorkers: 2,
	},
});
