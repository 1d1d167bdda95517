/** When a bare guest that never sleeps or polls is given console input that comes from a file. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { restoreBare, saveBare } from "../../computer/snapshot/bare-snapshot.ts";
import { consoleGuest } from "../support/console-guest.ts";

const RAM = 1 << 20;
const SCRIPT = "hello\nworld, and more than the FIFO holds\nq";

const build = (kind: "spin" | "tick"): Bare => new Bare({ image: consoleGuest(kind), ram: RAM });

/** Run with `script` as input, in slices; `again` may put another machine in its place. */
function run(
	bare: Bare,
	script: string,
	slice = Number.POSITIVE_INFINITY,
	again: (bare: Bare) => Bare = (same) => same,
): Bare {
	let rest = new TextEncoder().encode(script);
	for (;;) {
		const state = bare.run(bare.machine.clock.cycles + slice);
		if (state === "ended") return bare;
		if (state === "input") {
			if (rest.length === 0) bare.inputEnd();
			rest = rest.subarray(bare.input(rest));
		}
		bare = again(bare);
	}
}

describe("a guest that waits in a loop with interrupts on", () => {
	it("gets its input, and the same script gives the same state", () => {
		const bare = run(build("spin"), SCRIPT);
		expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(bare.report(0).console).toBe(`>${SCRIPT.slice(0, -1)}`);
		expect(run(build("spin"), SCRIPT).stateHash()).toBe(bare.stateHash());
	});

	it("at the same cycles however the run is divided, and from snapshots", () => {
		const whole = run(build("spin"), "a\nq").stateHash();
		fc.assert(
			fc.property(fc.integer({ min: 3_000_000, max: 30_000_000 }), (slice) => {
				expect(run(build("spin"), "a\nq", slice).stateHash()).toBe(whole);
			}),
			{ numRuns: 4, examples: [[20_000_000], [19_999_999]], endOnFailure: true },
		);
		const restored = run(build("spin"), "a\nq", 7_000_000, (bare) => restoreBare(saveBare(bare)));
		expect(restored.stateHash()).toBe(whole);
	});

	it("is offered nothing while somebody is at the keyboard, or after the end of the input", () => {
		const bare = build("spin");
		expect([bare.run(50_000_000, true), bare.spins]).toEqual(["running", false]);
		expect([bare.run(100_000_000), bare.spins]).toEqual(["input", true]);
		bare.inputEnd();
		expect([bare.run(150_000_000), bare.spins]).toEqual(["running", false]);
	});
});

it("a guest that sleeps gets its input there, and not while it works", () => {
	const bare = build("tick");
	expect([bare.run(), bare.spins]).toEqual(["input", false]);
	expect(run(bare, SCRIPT).exit).toMatchObject({ kind: "exited", code: 0 });
	expect(bare.report(0).console).toBe(`>${SCRIPT.slice(0, -1)}`);
});
