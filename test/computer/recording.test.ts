/** A recording repeats a run exactly, whatever came from outside and wherever the run stopped. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import type { BaseComputer } from "../../computer/base-computer.ts";
import { createSystem } from "../../computer/system.ts";
import { assemble } from "../isa/assembler.ts";
import { workload } from "../support/workload.ts";

type Action =
	| { readonly kind: "run"; readonly cycles: number; readonly pause: boolean }
	| { readonly kind: "type"; readonly text: string }
	| { readonly kind: "pass" | "end" | "reset" }
	| { readonly kind: "resize"; readonly columns: number };

const run = fc.record({
	kind: fc.constant("run" as const),
	cycles: fc.integer({ min: 0, max: 40_000 }),
	pause: fc.boolean(),
});
const type = fc.record({
	kind: fc.constant("type" as const),
	text: fc.string({ unit: fc.constantFrom("a", "b", " ", "\n"), maxLength: 6 }),
});
const rare = fc.oneof(
	fc.record({ kind: fc.constantFrom("pass" as const, "end" as const) }),
	fc.record({ kind: fc.constant("resize" as const), columns: fc.integer({ min: 1, max: 200 }) }),
);
const actions = (...more: fc.Arbitrary<Action>[]): fc.Arbitrary<Action[]> =>
	fc.array(fc.oneof({ arbitrary: run, weight: 4 }, { arbitrary: type, weight: 3 }, ...more), {
		minLength: 2,
		maxLength: 25,
	});

function act(computer: BaseComputer<unknown>, action: Action): void {
	switch (action.kind) {
		case "run":
			computer.run(computer.machine.clock.cycles + action.cycles, action.pause);
			break;
		case "type":
			computer.input(new TextEncoder().encode(action.text));
			break;
		case "resize":
			computer.resize(action.columns, 24);
			break;
		case "end":
			computer.inputEnd();
			break;
		case "reset":
			(computer as unknown as Bare).reset();
			break;
		case "pass":
			if (computer.place.state === "idle") computer.pass(Math.min(computer.idleCycles, 1000));
	}
}

/** Act on a computer, go back to the start, and repeat, at one go and in slices. */
function check(computer: BaseComputer<unknown>, list: readonly Action[]): void {
	const start = computer.checkpoint()!;
	for (const action of list) act(computer, action);
	const end = { place: computer.place, report: computer.report(0) };
	for (const slice of [Number.POSITIVE_INFINITY, 5_000, 777]) {
		computer.rollback(start);
		const { clock } = computer.machine;
		for (let before = -1; clock.cycles < end.place.cycle && clock.cycles > before; ) {
			before = clock.cycles;
			computer.repeat(Math.min(before + slice, end.place.cycle));
		}
		computer.repeatTo(end.place);
		expect(computer.recording.next).toBe(null);
		expect(computer.report(0)).toEqual(end.report);
	}
	computer.release(start);
}

describe("repeats", () => {
	it("a system with a terminal", () => {
		const image = workload("words");
		fc.assert(
			fc.property(actions(rare), (list) => {
				const system = createSystem({ program: "words", image, terminal: true });
				// To where nothing keeps the state from being taken.
				while (system.busy !== null) system.run(system.machine.clock.cycles + 1000);
				check(system, list);
			}),
			{ numRuns: 15 },
		);
	});

	it("a bare machine that polls for input", () => {
		const { bytes } = assemble(ECHO, 0x8000_0000);
		const reset = fc.record({ kind: fc.constant("reset" as const) });
		fc.assert(
			fc.property(actions(rare, reset), (list) => {
				check(new Bare({ image: bytes, ram: 1 << 20 }), list);
			}),
			{ numRuns: 15 },
		);
	});
});

it("repeats what came to a sleeping system whose latest run was over at once", () => {
	const system = createSystem({ program: "words", image: workload("words"), terminal: true });
	while (system.busy !== null) system.run(system.machine.clock.cycles + 1000);
	check(system, [
		{ kind: "run", cycles: 40_000, pause: false },
		{ kind: "run", cycles: 0, pause: false },
		{ kind: "type", text: "a" },
	]);
});

it("what comes after a rollback takes the place of what was recorded", () => {
	const system = createSystem({ program: "words", image: workload("words") });
	system.run();
	const checkpoint = system.checkpoint()!;
	const bytes = new TextEncoder().encode("a b\n");
	for (const part of [bytes.subarray(0, 2), bytes.subarray(2)]) system.input(part);
	expect(system.recording.past).toHaveLength(2);
	system.rollback(checkpoint);
	expect(system.recording.past).toHaveLength(0);
	expect(system.recording.next).toMatchObject({ event: { what: "input" } });
	system.inputEnd();
	expect(system.recording.past).toMatchObject([{ event: { what: "end" } }]);
	expect(system.recording.next).toBe(null);
	expect(system.run()).toBe("ended");
});

/** Prints each byte that it gets, and counts how often it has looked. */
const ECHO = `
	lui s0, 0x10000
	li s1, 0
loop:	addi s1, s1, 1
	lbu t0, 5(s0)
	andi t0, t0, 1
	beq t0, x0, loop
	lbu t1, 0(s0)
	sb t1, 0(s0)
	j loop
`;
