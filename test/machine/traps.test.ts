/** workloads/bare/traps.c, whose traps end no slice: what is counted, and where it may stop. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";

const CALLS = 1_000_000;
const image = readFileSync("workloads/bare/bin/traps");

it("every call is counted, in the guest and in the report", () => {
	const bare = new Bare({ image, ram: 1 << 20 });
	bare.run();
	expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
	const report = bare.report(0);
	expect(report.console).toBe(`calls ${CALLS.toString(16).padStart(8, "0")}\n`);
	expect(report.traps.exceptions["ecall from U-mode"]).toBe(CALLS);
});

it("the state at any cycle is that of a machine with an observer", () => {
	const quick = new Bare({ image, ram: 1 << 20 });
	const told = new Bare({ image, ram: 1 << 20 });
	let exceptions = 0;
	told.machine.hart.observer = {
		exception: () => exceptions++,
		interrupt: () => {},
		waits: () => {},
	};
	for (let cycles = 100; cycles < 20_000; cycles += 97) {
		quick.run(cycles);
		told.run(cycles);
		expect(quick.machine.hart.traps.taken).toBe(exceptions);
		expect(quick.stateHash()).toBe(told.stateHash());
	}
	expect(exceptions).toBeGreaterThan(300);
});
