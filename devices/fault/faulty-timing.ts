/** A disk that is late, or does not answer. */
import type { ControllerFault, DiskTiming } from "../disk/timing.ts";
import { Arming, type ArmingState, type Gates } from "./arming.ts";
import { type Controller, type TimingRule, withLife } from "./disk-rule.ts";
import { drawFraction } from "./draw.ts";
import { type FaultPlace, NOWHERE } from "./fault-place.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import type { CacheParameters, Outage } from "./write-cache.ts";

export interface FaultyTimingState {
	readonly seed: number;
	/** The rules in force, with what has become of them. */
	readonly armings: readonly { readonly rule: TimingRule; readonly state: ArmingState }[];
	readonly ledger: LedgerState;
	readonly timing: unknown;
}

const MEDIAN_NS = 50e6;
/** ln(2 s / 50 ms) / 2.326, the number of standard deviations below which 99 % of values are. */
const SIGMA = 1.586;

const EFFECTS: Readonly<Record<ControllerFault, string>> = {
	"drop-queue": "lost, with all others in flight",
	"needs-reset": "lost, with all others in flight; the controller needs a reset",
};

export class FaultyTiming implements DiskTiming {
	readonly name: string;
	readonly ledger = new Ledger();
	readonly #timing: DiskTiming;
	#armings: Arming[] = [];
	#seed = 1;
	#place: () => FaultPlace = () => NOWHERE;
	#gates: Gates | null = null;
	#controllerFault: ControllerFault | null = null;
	/** A rule has the disk lose its write cache. */
	cacheLost: (outage: Outage) => void = () => {};

	constructor(timing: DiskTiming, rules: readonly TimingRule[] = [], seed = 1) {
		this.name = timing.name;
		this.#timing = timing;
		this.load(rules, seed);
	}

	/** The rules in force, in their order. */
	get armings(): readonly Readonly<Arming>[] {
		return this.#armings;
	}

	/**
	 * Replace all rules, and forget what the old ones have done. `candidates` says how many each has
	 * had.
	 */
	load(
		rules: readonly TimingRule[],
		seed = 1,
		candidates: ReadonlyMap<string, number> = new Map(),
	): void {
		this.#seed = seed;
		this.ledger.clear();
		this.#armings = rules.map((rule) => new Arming(seed, withLife(rule), this.#gates));
		for (const arming of this.#armings) arming.candidates = candidates.get(arming.rule.id) ?? 0;
	}

	/** From now on `place` says where the computer is, and `gates` which rules are open. */
	connect(place: () => FaultPlace, gates: Gates | null = null): void {
		this.#place = place;
		this.#gates = gates;
		for (const arming of this.#armings) arming.gates = gates;
	}

	completion(now: number, sector: number, count: number): number {
		this.#controllerFault = null;
		const when = this.#timing.completion(now, sector, count);
		return this.#armings.length === 0 ? when : this.#decide(now, sector, count, when);
	}

	/** What its rules make of a request that would complete at cycle `right`. => when it does. */
	#decide(now: number, sector: number, count: number, right: number): number {
		let when = right;
		for (const arming of this.#armings) {
			const rule = arming.rule as TimingRule;
			const { sector: first, count: length = 1 } = rule.model === "disk.latency" ? rule.params : {};
			const outside = first !== undefined && (first >= sector + count || sector >= first + length);
			if (rule.model === "disk.latency" && (count === 0 || outside)) continue;
			const ordinal = arming.decide(now);
			if (ordinal < 0) continue;
			if (rule.model === "disk.controller") {
				this.#controllerFault = rule.params.mode ?? "needs-reset";
				const effect = EFFECTS[this.#controllerFault];
				this.#note(rule.id, ordinal, sector, count, effect);
				if (rule.params.cache !== undefined) this.#loseCache(rule, ordinal);
				continue;
			}
			const added = rule.model === "disk.latency" ? this.#delay(rule, ordinal) : 0;
			when = rule.model === "disk.latency" ? when + added : Math.max(when, arming.endsAfter(now));
			const effect =
				when === Number.POSITIVE_INFINITY ? "never completes" : `takes ${when - now} ns`;
			this.#note(rule.id, ordinal, sector, count, effect);
		}
		return when;
	}

	/** The write caches that its rules assume. */
	get caches(): CacheParameters[] {
		return this.#armings.flatMap(({ rule }) => {
			const { model, params } = rule as TimingRule;
			const { cache } = params as Controller;
			return model === "disk.controller" && cache !== undefined ? [{ ...params, cache }] : [];
		});
	}

	controllerFault(): ControllerFault | null {
		return this.#controllerFault;
	}

	#loseCache(rule: TimingRule, ordinal: number): void {
		const { disk, cache } = rule.params as Controller;
		const params = { disk, cache, scope: "disk", keep: "none" } as const;
		const outage = { rule: rule.id, ordinal, seed: this.#seed, params, target: "controller" };
		this.cacheLost({ ...outage, what: "cache" });
	}

	/** In whole ns. */
	#delay({ id, params }: TimingRule & { readonly model: "disk.latency" }, ordinal: number): number {
		if (params.addNs !== undefined) return params.addNs;
		// Twelve uniform numbers add up to nearly a normal one, with a standard deviation of 1.
		let normal = -6;
		for (let i = 0; i < 12; i++) normal += drawFraction(this.#seed, id, ordinal, `delay ${i}`);
		return Math.round(MEDIAN_NS * Math.exp(SIGMA * normal));
	}

	#note(rule: string, ordinal: number, sector: number, count: number, effect: string): void {
		const target =
			count === 0
				? "request without data"
				: `request for sectors ${sector} to ${sector + count - 1}`;
		this.ledger.add({ rule, ordinal, ...this.#place(), target, effect });
	}

	reset(): void {
		this.#timing.reset();
	}

	save(): FaultyTimingState {
		return {
			seed: this.#seed,
			armings: this.#armings.map((a) => ({ rule: a.rule as TimingRule, state: a.save() })),
			ledger: this.ledger.save(),
			timing: this.#timing.save(),
		};
	}

	restore(state: FaultyTimingState): void {
		this.#seed = state.seed;
		this.#armings = state.armings.map(({ rule, state: progress }) => {
			const arming = new Arming(this.#seed, rule, this.#gates);
			arming.restore(progress);
			return arming;
		});
		this.ledger.restore(state.ledger);
		this.#timing.restore(state.timing);
	}
}
