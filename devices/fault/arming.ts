/** Whether a rule acts on a candidate. */
import { drawFraction } from "./draw.ts";
import type { FaultLife, FaultRule } from "./rule.ts";

/** Conditions of rules that are not about a candidate: triggers, and the state of the plan. */
export interface Gates {
	/** May the rule be activated now? Only then are its candidates counted. */
	isOpen(rule: FaultRule): boolean;
	/** The rule is activated. */
	activated(rule: FaultRule): void;
}

/** What has become of a rule so far. Plain data. */
export interface ArmingState {
	readonly candidates: number;
	readonly activations: number;
	readonly applied: number;
	readonly activeSince: number;
	readonly left: number;
}

const ALWAYS = Number.POSITIVE_INFINITY;

/** Candidates that an activation covers, at most. */
function covered(life: FaultLife): number {
	if (life === "once") return 1;
	return typeof life === "object" && "count" in life ? life.count : ALWAYS;
}

/** Whether an activation of time `since` is in force at `now`. */
function inForce(life: FaultLife, since: number, now: number): boolean {
	if (typeof life !== "object" || "count" in life) return true;
	if ("forNs" in life) return now - since < life.forNs;
	return (now - since) % (life.onNs + life.offNs) < life.onNs;
}

const ends = (life: FaultLife): boolean => typeof life === "object" && "forNs" in life;

export class Arming {
	readonly rule: FaultRule;
	readonly #seed: number;
	readonly #life: FaultLife;
	readonly #times: number;
	readonly #hits: ReadonlySet<number> | null;
	/** No candidate behind this number activates it. */
	readonly #last: number;
	/** null: always open. */
	gates: Gates | null;
	/** Candidates so far; the next one has this number, from 0. */
	candidates = 0;
	/** Times that the rule has been activated. */
	activations = 0;
	/** Candidates that it has acted on. */
	applied = 0;
	#activeSince = 0;
	/** Candidates that the activation in force still covers; 0: none is in force. */
	#left = 0;

	constructor(seed: number, rule: FaultRule, gates: Gates | null = null) {
		const { when = {}, life = "once", budget = {} } = rule;
		const { hits, every, chance } = when;
		const repeats = hits !== undefined || every !== undefined || chance !== undefined;
		this.rule = rule;
		this.gates = gates;
		this.#seed = seed;
		this.#life = life;
		const times = budget.times ?? (repeats ? -1 : 1);
		this.#times = times < 0 ? ALWAYS : times;
		this.#hits = hits === undefined ? null : new Set(hits);
		this.#last = hits === undefined ? ALWAYS : hits[hits.length - 1]! + (budget.skip ?? 0);
	}

	/** Does it neither act nor count candidates now? */
	get isClosed(): boolean {
		return this.#left === 0 && this.gates !== null && !this.gates.isOpen(this.rule);
	}

	/** A candidate at time `now`, in ns. => its number if the rule acts on it, or -1. */
	decide(now: number): number {
		if (this.#left > 0 && ends(this.#life) && !inForce(this.#life, this.#activeSince, now)) {
			this.#left = 0;
		}
		if (this.isClosed) return -1;
		const ordinal = this.candidates++;
		if (this.#left === 0) {
			if (this.activations >= this.#times || !this.#triggers(ordinal, now)) return -1;
			this.activations++;
			this.#activeSince = now;
			this.#left = covered(this.#life);
			this.gates?.activated(this.rule);
		} else if (!inForce(this.#life, this.#activeSince, now)) return -1;
		this.#left--;
		this.applied++;
		return ordinal;
	}

	/** Whether the rule acts on no candidate any more, from time `now` on. */
	spent(now: number): boolean {
		if (this.activations < this.#times && this.candidates < this.#last) return false;
		return this.#left === 0 || (ends(this.#life) && !inForce(this.#life, this.#activeSince, now));
	}

	/** When what is in force at `now` ends, in ns. => Infinity: never. */
	endsAfter(now: number): number {
		const life = this.#life;
		if (typeof life !== "object" || "count" in life) return ALWAYS;
		if ("forNs" in life) return this.#activeSince + life.forNs;
		const phase = (now - this.#activeSince) % (life.onNs + life.offNs);
		return now - phase + life.onNs;
	}

	#triggers(ordinal: number, now: number): boolean {
		const { id, when = {}, budget = {} } = this.rule;
		const { hit, every, chance, window } = when;
		const number = ordinal + 1 - (budget.skip ?? 0);
		if (number < 1) return false;
		if (window !== undefined && (now < window[0] || now >= window[1])) return false;
		if (hit !== undefined && number !== hit) return false;
		if (this.#hits !== null && !this.#hits.has(number)) return false;
		if (every !== undefined && number % every !== 0) return false;
		return chance === undefined || drawFraction(this.#seed, id, ordinal, "chance") < chance;
	}

	save(): ArmingState {
		return {
			candidates: this.candidates,
			activations: this.activations,
			applied: this.applied,
			activeSince: this.#activeSince,
			left: this.#left,
		};
	}

	restore(state: ArmingState): void {
		this.candidates = state.candidates;
		this.activations = state.activations;
		this.applied = state.applied;
		this.#activeSince = state.activeSince;
		this.#left = state.left;
	}
}
