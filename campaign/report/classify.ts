/** From the evidence of a run to its outcome: the classes are tried in their order. */
import type { AfterEvidence, Evidence } from "../run/evidence.ts";

export const OUTCOMES = [
	"not-fired",
	"simulator-error",
	"hang",
	"panic",
	"detected-killed",
	"detected-handled",
	"sdc",
	"latent",
	"masked",
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** What each class means, for tables and documentation. */
export const OUTCOME_TEXTS: Readonly<Record<Outcome, string>> = {
	"not-fired": "no rule acted",
	"simulator-error": "uvmachine itself failed",
	hang: "no progress, or far more instructions than without faults",
	panic: "the kernel panicked",
	"detected-killed": "a process was killed by a signal",
	"detected-handled": "an error was reported, or corrected with the right output",
	sdc: "wrong output or page contents, and nobody said so",
	latent: "right output, but another final state",
	masked: "the same final state",
};

/** Counters of UVM that say that it has met an error. */
const ERROR_COUNTERS: readonly string[] = ["swpgbad"];

const failuresOf = ({ failures }: Evidence, kind: string): boolean =>
	Object.entries(failures).some(([name, n]) => n > 0 && name.startsWith(`${kind} `));

/** Did the run print what the golden run printed, and end as it did? */
export const hasRightOutput = (run: Evidence, golden: Evidence): boolean =>
	run.console.firstDifference === null &&
	run.exit.kind === golden.exit.kind &&
	run.exit.code === golden.exit.code &&
	run.exit.signal === golden.exit.signal;

/** Has the system's software said that something is wrong? */
export const isReported = (run: Evidence): boolean =>
	run.messages.length > 0 ||
	failuresOf(run, "errno") ||
	ERROR_COUNTERS.some((name) => (run.counters[name] ?? 0) > 0);

/** => the class of a run; depends on nothing else. */
export function classify(run: Evidence, golden: Evidence): Outcome {
	if (run.error !== null || run.faults === null) return "simulator-error";
	const same = run.stateHash === golden.stateHash;
	const right = hasRightOutput(run, golden);
	// Without a fault every run is the golden one.
	if (run.faults.applied === 0) return same && right ? "not-fired" : "simulator-error";
	if (run.stop !== "ended" || ["deadlock", "stuck", "idle"].includes(run.exit.kind)) return "hang";
	if (run.exit.kind === "panic") return "panic";
	if (failuresOf(run, "signal")) return "detected-killed";
	if (run.exit.kind === "power-lost") return classifyPowerLoss(run);
	const reported = isReported(run);
	// That the disk has reported an error is not enough: somebody must have noticed.
	if (right && reported) return "detected-handled";
	// The program has been told, and says so.
	const fails = run.exit.code !== 0 && run.exit.code !== golden.exit.code;
	if (reported && fails) return "detected-handled";
	if (!right || run.shadow.length > 0) return "sdc";
	return same ? "masked" : "latent";
}

/** The computer has stopped in the middle: what counts is what it finds when it starts again. */
function classifyPowerLoss({ console: printed, after }: Evidence): Outcome {
	const right = [null, printed.bytes].includes(printed.firstDifference);
	if (!right) return "sdc";
	// Results of older versions do not have it.
	if (after === null || after === undefined) return "latent";
	if (after.stop !== "ended" || after.exit.kind === "deadlock") return "hang";
	if (after.exit.kind === "panic") return "panic";
	return isFine(after) ? "detected-handled" : "sdc";
}

/** Has the check found everything that must have survived? */
export const isFine = ({ stop, exit }: AfterEvidence): boolean =>
	stop === "ended" && exit.kind === "exited" && exit.code === 0;
