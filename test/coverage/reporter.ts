/** Prints what no guest has reached, and leaves it as JSON where COVERAGE_OUT says. */
import { writeFileSync } from "node:fs";
import type { CoverageMap } from "istanbul-lib-coverage";
import type { Reporter } from "vitest/node";
import { reach } from "./unreached.ts";

export class UnreachedReporter implements Reporter {
	onCoverage(coverage: unknown): void {
		const files = reach((coverage as CoverageMap).toJSON());
		const out = process.env.COVERAGE_OUT;
		if (out !== undefined) {
			writeFileSync(out, JSON.stringify(files));
			return;
		}
		for (const { path, total, reached, unreached } of files) {
			console.log(`${path}: ${reached} of ${total} (${((100 * reached) / total).toFixed(1)} %)`);
			for (const { function: name, line, code, way } of unreached) {
				console.log(code === "" ? `  ${name}()` : `  ${name}, line ${line}, ${way}: ${code}`);
			}
		}
	}
}
