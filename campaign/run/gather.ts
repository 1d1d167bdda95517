/** The evidence of a run, from the computer at its end. */
import type { Computer } from "../../computer/computer.ts";
import type { FaultReport } from "../../computer/fault/faults.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import type { Known } from "../prune/fates.ts";
import type { Evidence, Indication, Stop } from "./evidence.ts";
import { factsOf, type GoldenFacts } from "./golden.ts";
import type { Guest } from "./guest.ts";
import { compareWitnessed, type Witnessed } from "./witness.ts";

/** Entries of the ledger that are kept. */
const LEDGER_KEPT = 16;
/** Characters of the console that are kept, and how many of them are before the difference. */
const TEXT_KEPT = 400;
const TEXT_BEFORE = 100;
const MESSAGES_KEPT = 20;
const NOTES_KEPT = 20;
const ERROR_KEPT = 2000;

const NO_FAULTS: FaultReport = { seed: 1, rules: [], notFired: [], applied: 0, ledger: [] };

/** => `guest`: at its end; null if it could not even begin. */
export function collectEvidence(
	guest: Guest | null,
	golden: GoldenFacts,
	stop: Stop,
	error: string | null = null,
): Evidence {
	if (guest === null || error !== null) return evidenceOfFailure(golden, error ?? "");
	const { computer } = guest;
	const facts = factsOf(guest);
	const faults = computer.faultReport() ?? NO_FAULTS;
	const seen = compareWitnessed(facts.witnessed, golden.witnessed);
	const messages = without(facts.messages, golden.messages);
	const asleep = stop !== "ended" || ["deadlock", "stuck", "idle"].includes(facts.exit.kind);
	return {
		stop,
		exit: facts.exit,
		instructions: facts.instructions,
		cycles: facts.cycles,
		console: consoleEvidence(facts, golden),
		messages: messages.slice(0, MESSAGES_KEPT),
		...seen,
		counters: differences(facts.uvmexp, golden.uvmexp),
		invariants: without(facts.invariants, golden.invariants).slice(0, NOTES_KEPT),
		shadow: without(facts.shadow, golden.shadow).slice(0, NOTES_KEPT),
		sleepers: asleep ? sleepersOf(computer) : [],
		faults: faultEvidence(faults),
		detectionNs: detection(faults, seen.indications),
		stateHash: facts.stateHash,
		after: null,
		error: null,
	};
}

/** Of a run in which no rule acts. */
export function evidenceOfGolden(golden: GoldenFacts, rules: readonly FaultRule[] = []): Evidence {
	const reports = rules.map(({ id, model }) => ({ id, model, activations: 0, applied: 0 }));
	const notFired = rules.map(({ id }) => id);
	return {
		stop: "ended",
		exit: golden.exit,
		instructions: golden.instructions,
		cycles: golden.cycles,
		console: {
			bytes: golden.console.length,
			hash: golden.consoleHash,
			firstDifference: null,
			text: "",
		},
		...{ messages: [], indications: [], failures: {}, counters: {}, invariants: [], shadow: [] },
		sleepers: [],
		faults: { applied: 0, rules: reports, notFired, ledger: [] },
		detectionNs: null,
		stateHash: golden.stateHash,
		after: null,
		error: null,
	};
}

/** Of a run that was not made, as the golden run shows what becomes of its fault. */
export function evidenceOfKnown(
	golden: GoldenFacts,
	rules: readonly FaultRule[],
	known: Known,
): Evidence {
	const reports = rules.map(({ id, model }) => ({ id, model, activations: 1, applied: 1 }));
	return {
		...evidenceOfGolden(golden),
		faults: { applied: rules.length, rules: reports, notFired: [], ledger: [] },
		// Of a fault that stays, the hash is not known, but another one.
		stateHash: known === "overwritten" ? golden.stateHash : "",
		known,
	};
}

/** Of a run that is in the golden run's state again, where the golden run had seen `then`. */
export function evidenceOfGoldenEnd(guest: Guest, golden: GoldenFacts, then: Witnessed): Evidence {
	const faults = guest.computer.faultReport() ?? NO_FAULTS;
	const seen = compareWitnessed(guest.witness.seen, then);
	return {
		...evidenceOfGolden(golden),
		...seen,
		faults: faultEvidence(faults),
		detectionNs: detection(faults, seen.indications),
	};
}

/** Of a run that was lost. */
export function evidenceOfFailure(golden: GoldenFacts, error: string): Evidence {
	return {
		...evidenceOfGolden(golden),
		stop: "error",
		exit: { kind: "unknown", code: 0, signal: null, reason: "" },
		instructions: 0,
		cycles: 0,
		console: { bytes: 0, hash: "", firstDifference: 0, text: "" },
		faults: null,
		stateHash: "",
		error: error.slice(0, ERROR_KEPT),
	};
}

const faultEvidence = ({ applied, rules, notFired, ledger }: FaultReport): Evidence["faults"] => ({
	applied,
	rules: rules.map(({ candidates: _, ...rest }) => rest),
	notFired,
	ledger: ledger.slice(0, LEDGER_KEPT),
});

function detection({ ledger }: FaultReport, indications: readonly Indication[]): number | null {
	const applied = ledger[0]?.ns;
	if (applied === undefined) return null;
	const later = indications.map(({ ns }) => ns - applied).filter((ns) => ns >= 0);
	return later.length === 0 ? null : Math.min(...later);
}

function consoleEvidence(run: GoldenFacts, golden: GoldenFacts): Evidence["console"] {
	const { console: bytes, consoleHash: hash } = run;
	const equal = hash === golden.consoleHash && bytes.length === golden.console.length;
	if (equal) return { bytes: bytes.length, hash, firstDifference: null, text: "" };
	let at = 0;
	while (at < bytes.length && bytes[at] === golden.console[at]) at++;
	const from = Math.max(0, at - TEXT_BEFORE);
	const text = new TextDecoder().decode(bytes.subarray(from, from + TEXT_KEPT));
	return { bytes: bytes.length, hash, firstDifference: at, text };
}

/** Those of `lines` that are not in `others`, each as often as it is more. */
function without(lines: readonly string[], others: readonly string[]): string[] {
	const left = [...others];
	return lines.filter((line) => {
		const i = left.indexOf(line);
		if (i >= 0) left.splice(i, 1);
		return i < 0;
	});
}

function differences(
	run: Readonly<Record<string, number>>,
	golden: Readonly<Record<string, number>>,
): Record<string, number> {
	const all = Object.entries(run).map(([name, n]) => [name, n - (golden[name] ?? 0)] as const);
	return Object.fromEntries(all.filter(([, n]) => n !== 0));
}

/** What each thread of the kernel waits for. */
function sleepersOf({ kernel }: Computer): string[] {
	if (kernel === null) return [];
	return kernel.lwps
		.filter(({ l_kernel }) => l_kernel !== null)
		.map(({ l_name, l_lid, l_wmesg }) => `${l_name} (${l_lid}): ${l_wmesg || "runs"}`)
		.slice(0, NOTES_KEPT);
}
