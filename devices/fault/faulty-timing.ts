/** A disk that is late, or does not answer. */
import type { ControllerFault, DiskTiming } from "../disk/timing.ts";
import { Arming, type ArmingState } from "./arming.ts";
import { type TimingRule, withLife } from "./disk-rule.ts";
import { drawFraction } from "./draw.ts";
import { type FaultPlace, NOWHERE } from "./fault-place.ts";
import { Ledger, type LedgerState } from "./ledger.ts";

export interface FaultyTimingState {
	readonly armings: readonly ArmingState[];
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
	readonly armings: readonly Arming[];
	readonly #rules: readonly TimingRule[];
	readonly #timing: DiskTiming;
	readonly #seed: number;
	#place: () => FaultPlace = () => NOWHERE;
	#controllerFault: ControllerFault | null = null;

	constructor(timing: DiskTiming, rules: readonly TimingRule[], seed = 1) {
		this.name = timing.name;
		this.#timing = timing;
		this.#seed = seed;
		this.#rules = rules.map(withLife);
		this.armings = this.#rules.map((rule) => new Arming(seed, rule));
	}

	/** From now on `place` says where the computer is. */
	connect(place: () => FaultPlace): void {
		this.#place = place;
	}

	completion(now: number, sector: number, count: number): number {
		let when = this.#timing.completion(now, sector, count);
		this.#controllerFault = null;
		for (const [i, rule] of this.#rules.entries()) {
			const { sector: first, count: length = 1 } = rule.model === "disk.latency" ? rule.params : {};
			const outside = first !== undefined && (first >= sector + count || sector >= first + length);
			if (rule.model === "disk.latency" && (count === 0 || outside)) continue;
			const arming = this.armings[i]!;
			const ordinal = arming.decide(now);
			if (ordinal < 0) continue;
			if (rule.model === "disk.controller") {
				this.#controllerFault = rule.params.mode ?? "needs-reset";
				const effect = EFFECTS[this.#controllerFault];
				this.#note(rule.id, ordinal, sector, count, effect);
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

	controllerFault(): ControllerFault | null {
		return this.#controllerFault;
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
			armings: this.armings.map((arming) => arming.save()),
			ledger: this.ledger.save(),
			timing: this.#timing.save(),
		};
	}

	restore(state: FaultyTimingState): void {
		for (const [i, arming] of this.armings.entries()) arming.restore(state.armings[i]!);
		this.ledger.restore(state.ledger);
		this.#timing.restore(state.timing);
	}
}
