import { configDefaults, defineConfig } from "vitest/config";

/** An hour, for what hangs. The longest test takes minutes, and twenty on a very busy machine. */
const LIMIT_MS = 3_600_000;

/** Tests of parts, whose files share a process: so it does not load the code for each. */
const PARTS = ["pmap", "kernel", "machine", "devices", "firmware", "isa"].map(
	(folder) => `test/${folder}/**/*.test.ts`,
);

export default defineConfig({
	test: {
		maxWorkers: 2,
		testTimeout: LIMIT_MS,
		hookTimeout: LIMIT_MS,
		projects: [
			{
				extends: true,
				test: {
					name: "whole",
					include: ["test/**/*.test.ts"],
					exclude: [...configDefaults.exclude, ...PARTS],
				},
			},
			{ extends: true, test: { name: "parts", include: PARTS, isolate: false } },
		],
	},
});
