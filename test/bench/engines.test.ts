/** `uvmachine bench engines`, small, and the page that is made of its results. */
import { expect, it } from "vitest";
import { markdown, speedTable } from "../../bench/engine-tables.ts";
import { spread } from "../../bench/engines.ts";
import { uvmachine } from "../support/cli.ts";

it("measures the guests, and says what was compiled", () => {
	const { status, stdout } = uvmachine(["bench", "engines", "--smoke", "--json", "-"]);
	expect(status).toBe(0);
	const { engines } = JSON.parse(stdout);
	expect(engines.guests.map(({ name }: { name: string }) => name)).toEqual(["fib", "cold"]);
	for (const { interp, engine, compiled, compileMs, instructions } of engines.guests) {
		expect(interp.median).toBeGreaterThan(0);
		expect(engine.median).toBeGreaterThan(0);
		expect(compileMs).toBeGreaterThanOrEqual(0);
		expect(compiled.instructions).toBeLessThanOrEqual(instructions);
	}
	const [fib] = engines.guests;
	expect(fib.compiled.functions).toBeGreaterThan(0);
	expect(fib.compiled.instructions / fib.instructions).toBeGreaterThan(0.5);
	expect(engines.short[0].ratio.median).toBeGreaterThan(0);
	const table = markdown(speedTable(engines));
	expect(table.split("\n")[0]).toBe("| guest | interp | auto | QEMU | auto : QEMU |");
	expect(table).toContain("| fib | ");
});

it("the spread has the median", () => {
	expect(spread([5, 1, 3])).toEqual({ median: 3, lowest: 1, highest: 5 });
});
