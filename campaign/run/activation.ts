/**
 * When a rule can act for the first time, as far as the golden run says. Up to there a run with
 * the rule is the golden run.
 */
import { FAULT_MODELS } from "../../computer/fault/models.ts";
import { drawFraction } from "../../devices/fault/draw.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";

/** Conditions whose meaning is known here. With any other a run begins at the start. */
const KNOWN_CONDITIONS: ReadonlySet<string> = new Set([
	"atNs",
	"atInsn",
	"hit",
	"hits",
	"every",
	"chance",
	"window",
]);

/** Models with a memory of candidates that did not activate them. */
const REMEMBERING: ReadonlySet<string> = new Set(["disk.latent"]);

/** An instant of the golden run, or its end. `candidates`: null if they were not counted. */
export interface GoldenInstant {
	readonly cycles: number;
	readonly instructions: number;
	readonly candidates: number | null;
}

const isPlain = (rule: FaultRule): boolean =>
	!REMEMBERING.has(rule.model) &&
	Object.keys(rule.when ?? {}).every((name) => KNOWN_CONDITIONS.has(name)) &&
	!("state" in rule) &&
	!("nextState" in rule);

/** Has the rule no candidates of its own? */
export const hasInstant = ({ model }: FaultRule): boolean =>
	FAULT_MODELS.get(model)?.candidates === null;

/**
 * The first candidate, from 0, that may activate the rule, whatever the time is.
 * => Infinity: none of the first `limit`
 */
export function firstActivation(rule: FaultRule, seed: number, limit: number): number {
	const { hit, hits, every, chance } = rule.when ?? {};
	const skip = rule.budget?.skip ?? 0;
	const activates = (ordinal: number): boolean =>
		(every === undefined || (ordinal + 1 - skip) % every === 0) &&
		(chance === undefined || drawFraction(seed, rule.id, ordinal, "chance") < chance);
	const named = hits ?? (hit === undefined ? null : [hit]);
	if (named !== null) {
		const numbers = named.filter((n) => hit === undefined || n === hit);
		const of = numbers.map((n) => skip + n - 1).filter((ordinal) => ordinal < limit);
		return of.find(activates) ?? Number.POSITIVE_INFINITY;
	}
	for (let ordinal = skip + (every ?? 1) - 1; ordinal < limit; ordinal += every ?? 1) {
		if (activates(ordinal)) return ordinal;
	}
	return Number.POSITIVE_INFINITY;
}

/** Is the run at this instant still the golden one, whatever the rule does later? */
export function isBefore(rule: FaultRule, seed: number, at: GoldenInstant): boolean {
	if (!isPlain(rule)) return false;
	const { atNs, atInsn, window } = rule.when ?? {};
	if (hasInstant(rule)) {
		return atNs !== undefined ? at.cycles < atNs : at.instructions < (atInsn ?? 0);
	}
	if (at.candidates === null) return false;
	if (window !== undefined && at.cycles < window[0]) return true;
	return firstActivation(rule, seed, at.candidates) === Number.POSITIVE_INFINITY;
}
