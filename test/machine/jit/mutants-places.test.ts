/** Each mutant of mutants.test.ts, which takes hours, has its place in the build. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../support/sources.ts";
import { MUTANTS } from "./mutants.ts";
import { FLOAT_MUTANTS } from "./mutants-float.ts";
import { LOOP_MUTANTS } from "./mutants-loop.ts";
import { MEMORY_MUTANTS } from "./mutants-memory.ts";

it("each mutant is planted in one place", () => {
	const all = [...MUTANTS, ...LOOP_MUTANTS, ...MEMORY_MUTANTS, ...FLOAT_MUTANTS];
	const lost = all.filter(({ file, from }) => {
		const text = readFileSync(join(ROOT, "dist/machine/jit", `${file}.js`), "utf8");
		return text.split(from).length !== 2;
	});
	expect(lost.map(({ name }) => name)).toEqual([]);
});
