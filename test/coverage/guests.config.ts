/** `npm run coverage:guests`: which code of the VM system the guests of guests.ts reach. */
import { defineConfig } from "vitest/config";
import { UnreachedReporter } from "./reporter.ts";

export default defineConfig({
	test: {
		include: ["test/coverage/guests.ts"],
		testTimeout: 3_600_000,
		maxWorkers: 1,
		reporters: ["default", new UnreachedReporter()],
		coverage: {
			enabled: true,
			provider: "v8",
			include: ["kernel/uvm/*.ts", "pmap/*.ts"],
			// What checks the port is not ported.
			exclude: ["**/*_check*.ts"],
			reporter: [],
			reportsDirectory: process.env.COVERAGE_DIRECTORY ?? "coverage",
		},
	},
});
