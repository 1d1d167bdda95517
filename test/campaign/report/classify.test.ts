/** From evidence to outcomes. */
import { describe, expect, it } from "vitest";
import { classify, type Outcome } from "../../../campaign/report/classify.ts";
import type { AfterEvidence, Evidence } from "../../../campaign/run/evidence.ts";

const golden: Evidence = {
	stop: "ended",
	exit: { kind: "exited", code: 0, signal: null, reason: "" },
	instructions: 1000,
	cycles: 2000,
	console: { bytes: 3, hash: "aa", firstDifference: null, text: "" },
	...{ messages: [], indications: [], failures: {}, counters: {}, invariants: [], shadow: [] },
	sleepers: [],
	faults: { applied: 0, rules: [], notFired: [], ledger: [] },
	detectionNs: null,
	stateHash: "00",
	after: null,
	error: null,
};
const applied = { applied: 1, rules: [], notFired: [], ledger: [] };
const other = { stateHash: "11" };
const wrong = { console: { ...golden.console, hash: "bb", firstDifference: 1 }, ...other };
const exit = (kind: string, code = 0): Pick<Evidence, "exit"> => ({
	exit: { kind, code, signal: null, reason: "" },
});
/** It has printed two bytes of three, and the first that differs is this one. */
const cutAt = (firstDifference: number): Partial<Evidence> => ({
	...exit("power-lost"),
	...other,
	console: { bytes: 2, hash: "cc", firstDifference, text: "" },
});
const found = (kind: string, code = 0): AfterEvidence => ({
	stop: "ended",
	...exit(kind, code),
	console: "",
});
const failures = (...names: string[]): Pick<Evidence, "failures"> => ({
	failures: Object.fromEntries(names.map((name) => [name, 1])),
});

describe("the outcome", () => {
	it.each<[Outcome, string, Partial<Evidence>]>([
		["not-fired", "no rule acted", { faults: golden.faults }],
		[
			"simulator-error",
			"no rule acted, and the run was another",
			{ faults: golden.faults, ...other },
		],
		["simulator-error", "an exception of ours", { error: "TypeError" }],
		["simulator-error", "an exception, before anything else", { error: "x", stop: "instructions" }],
		["simulator-error", "a worker was lost", { faults: null }],
		["latent", "the power was cut, and nobody looks", { ...cutAt(2) }],
		["sdc", "the power was cut, after wrong output", { ...cutAt(1) }],
		["detected-handled", "all is there after a cut", { ...cutAt(2), after: found("exited") }],
		["sdc", "something is lost after a cut", { ...cutAt(2), after: found("exited", 1) }],
		["sdc", "the check dies", { ...cutAt(2), after: found("killed", 0) }],
		["panic", "the kernel panics after a cut", { ...cutAt(2), after: found("panic") }],
		["hang", "nothing goes on after a cut", { ...cutAt(2), after: found("deadlock") }],
		[
			"hang",
			"the check does not end",
			{ ...cutAt(2), after: { ...found("running"), stop: "instructions" } },
		],
		["hang", "too many instructions", { stop: "instructions", ...other }],
		["hang", "no instruction for long", { stop: "idle", ...other }],
		["hang", "it waits for input", { stop: "input", ...other }],
		["hang", "everything sleeps", { ...exit("deadlock"), ...other }],
		["hang", "and an error was reported", { ...exit("deadlock"), ...failures("errno 5") }],
		["hang", "a bare machine is stuck", { ...exit("stuck"), ...other }],
		["panic", "the kernel panicked", { ...exit("panic"), ...failures("signal a (1) SIGBUS") }],
		[
			"detected-killed",
			"killed",
			{ ...exit("killed"), ...failures("signal a (1) SIGBUS"), ...wrong },
		],
		["detected-killed", "another process", { ...failures("signal b (2) SIGSEGV"), ...other }],
		["detected-handled", "a failed system call", { ...failures("errno 5"), ...other }],
		["detected-handled", "a message", { messages: ["ld0: EIO"], ...other }],
		["detected-handled", "a bad slot", { counters: { swpgbad: 1 }, ...other }],
		[
			"detected-handled",
			"the program says so",
			{ ...failures("errno 5"), ...exit("exited", 1), ...wrong },
		],
		["sdc", "wrong output", wrong],
		["sdc", "another exit code", { ...exit("exited", 1), ...other }],
		["sdc", "wrong output, an error and success", { ...failures("errno 5"), ...wrong }],
		["sdc", "a disk error that nobody minded", { ...failures("disk ld0 write"), ...wrong }],
		["sdc", "a page that is wrong", { shadow: ["page 3"], ...other }],
		["sdc", "fewer errors than without faults", { failures: { "errno 2": -1 }, ...wrong }],
		["latent", "another final state", other],
		["latent", "with broken invariants", { invariants: ["13: x"], ...other }],
		["latent", "a disk error that nobody noticed", { ...failures("disk ld0 read"), ...other }],
		["masked", "the same final state", {}],
	])("%s: %s", (outcome, _, change) => {
		expect(classify({ ...golden, faults: applied, ...change }, golden)).toBe(outcome);
	});
});
