/** Faults of clocks and timers. Virtual time, and when devices act in it, stay as they are. */
import type { TimerFaults } from "../../machine/fault-hooks.ts";
import type { WordHash } from "../../machine/hash.ts";
import { TimeSkew, type TimeSkewState } from "../../machine/time-skew.ts";
import type { ClockTarget, TimerTarget } from "./clock-rule.ts";
import { type Armed, type Family, type FaultHost, firstOf, range } from "./fault-host.ts";
import { hasInstant, type MachineRule } from "./machine-rule.ts";

const PPM = 200;
const PPM_MIN = -500_000;
const PPM_MAX = 1_000_000;
const FREEZE_NS = 10_000_000;
const JITTER_NS = 10_000;
const JITTER_MAX = 2 ** 32;
const NS_MAX = 2 ** 50;
const MILLION = 1e6;
const RATIO_MIN = 0.01;
const RATIO_MAX = 100;

/** A rate that a rule has set. */
interface Rate {
	readonly rule: number;
	readonly target: "both" | "time" | "mtime";
	readonly rate: number;
}

interface ClockFaultsState {
	/** null: the clock was right all the time. */
	readonly time: TimeSkewState | null;
	readonly mtime: TimeSkewState | null;
	readonly rates: readonly Rate[];
	readonly timerMasked: boolean;
}

/** A number with a fraction that is in range. */
const between = (name: string, value: number, low: number, high: number): string =>
	value >= low && value <= high ? "" : `${name} ${value}: must be ${low} to ${high}`;

export class ClockFaults implements Family, TimerFaults {
	readonly waits = false;
	readonly #host: FaultHost;
	readonly #ends: number;
	#rules: readonly Armed[] = [];
	#rates: readonly Rate[] = [];

	constructor(host: FaultHost) {
		this.#host = host;
		this.#ends = host.machine.clock.register((rule) => this.#end(rule));
	}

	check(rule: MachineRule): string {
		const { board } = this.#host;
		const { target } = rule.params as ClockTarget;
		const { timer } = rule.params as TimerTarget;
		if (board === null && (target === "mtime" || timer === "mtimer")) {
			return `${rule.model}: this machine has no CLINT`;
		}
		switch (rule.model) {
			case "clock.jump": {
				const { deltaNs, backwards = false } = rule.params;
				if (deltaNs === 0) return "deltaNs 0: must be another number";
				if (deltaNs < 0 && !backwards) return "deltaNs: back in time only with backwards: true";
				return range("deltaNs", deltaNs, -NS_MAX, NS_MAX);
			}
			case "clock.drift": {
				const { ppm = PPM, durNs } = rule.params;
				if (ppm === 0) return "ppm 0: must be another number";
				return firstOf(between("ppm", ppm, PPM_MIN, PPM_MAX), range("durNs", durNs, 1, NS_MAX));
			}
			case "clock.freeze":
				return range("durNs", rule.params.durNs, 1, NS_MAX);
			case "clock.rate-split":
				return firstOf(
					between("ratio", rule.params.ratio, RATIO_MIN, RATIO_MAX),
					range("durNs", rule.params.durNs, 1, NS_MAX),
				);
			case "clock.jitter":
				return range("maxNs", rule.params.maxNs, 1, JITTER_MAX);
			default:
				return "";
		}
	}

	connect(rules: readonly Armed[], isRestored: boolean): void {
		const { machine, board } = this.#host;
		this.#rules = rules.filter(({ rule }) => !hasInstant(rule));
		const faults = this.#rules.length === 0 ? null : this;
		machine.hart.timer.faults = faults;
		if (board !== null) board.clint.faults = faults;
		if (isRestored) return;
		const gone = this.#rates.filter(({ rule }) => !rules.some(({ number }) => number === rule));
		for (const { rule } of gone) this.#end(rule);
	}

	strike(armed: Armed): boolean {
		const { rule, number } = armed;
		switch (rule.model) {
			case "clock.jump": {
				const { deltaNs, target = "both" } = rule.params;
				if (this.#host.acts(armed, target, `jumped by ${deltaNs} ns`)) {
					this.#change(target, deltaNs);
				}
				break;
			}
			case "clock.drift": {
				const { ppm = PPM, durNs, target = "both" } = rule.params;
				if (!this.#host.acts(armed, target, `${ppm} ppm too fast`)) break;
				this.#begin({ rule: number, target, rate: 1 + ppm / MILLION }, durNs);
				break;
			}
			case "clock.freeze": {
				const { durNs = FREEZE_NS, target = "both" } = rule.params;
				if (!this.#host.acts(armed, target, `stood still for ${durNs} ns`)) break;
				this.#begin({ rule: number, target, rate: 0 }, durNs);
				break;
			}
			case "clock.rate-split": {
				const { ratio, durNs, target = "both" } = rule.params;
				if (!this.#host.acts(armed, target, `at ${ratio} times its rate`)) break;
				this.#begin({ rule: number, target, rate: ratio }, durNs);
				break;
			}
		}
		return true;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	save(): ClockFaultsState {
		const { machine, board } = this.#host;
		return {
			time: machine.hart.counters.skew?.save() ?? null,
			mtime: board?.clint.skew?.save() ?? null,
			rates: this.#rates,
			timerMasked: machine.hart.state.timerMasked,
		};
	}

	/** => the timers' events are in the clock that was restored. */
	restore(state: unknown): void {
		const { machine, board } = this.#host;
		const saved = (state as ClockFaultsState | undefined) ?? {
			time: null,
			mtime: null,
			rates: [],
			timerMasked: false,
		};
		machine.hart.counters.skew = skewOf(saved.time);
		machine.hart.state.timerMasked = saved.timerMasked;
		this.#rates = saved.rates;
		if (board !== null) board.clint.skew = skewOf(saved.mtime);
		board?.clint.restore(board.clint.save());
	}

	hashInto(hash: WordHash): void {
		const { time, mtime, timerMasked } = this.save();
		for (const skew of [time, mtime]) {
			if (skew === null) continue;
			hash
				.number(skew.from)
				.number(skew.base)
				.number(skew.rate * MILLION);
		}
		if (timerMasked) hash.number(1);
	}

	falls(timer: "stimer" | "mtimer"): number {
		let late = 0;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "clock.timer-miss" && rule.model !== "clock.jitter") continue;
			const { timer: of = "any" } = rule.params;
			if (of !== "any" && of !== timer) continue;
			const ordinal = this.#host.decides(armed);
			if (ordinal < 0) continue;
			const { maxNs = JITTER_NS } = rule.model === "clock.jitter" ? rule.params : {};
			const ns =
				rule.model === "clock.jitter"
					? 1 + this.#host.draw(armed, ordinal, "late", maxNs)
					: Number.POSITIVE_INFINITY;
			this.#host.note(armed, ordinal, timer, ns <= JITTER_MAX ? `${ns} ns late` : "missed");
			late = Math.max(late, ns);
		}
		return late;
	}

	#begin(rate: Rate, durNs: number | undefined): void {
		const { clock } = this.#host.machine;
		this.#rates = [...this.#rates, rate];
		this.#change(rate.target, 0);
		if (durNs !== undefined) clock.schedule(this.#host.now + durNs, this.#ends, rate.rule);
	}

	#end(rule: number): void {
		const rate = this.#rates.find((other) => other.rule === rule);
		if (rate === undefined) return;
		this.#host.machine.clock.cancel(this.#ends, rule);
		this.#rates = this.#rates.filter((other) => other !== rate);
		this.#change(rate.target, 0);
	}

	/** The clocks of `target` jump by `delta`, and go on at the rate that they have now. */
	#change(target: "both" | "time" | "mtime", delta: number): void {
		const { machine, board, now } = this.#host;
		const { counters, timer } = machine.hart;
		if (target !== "mtime") {
			counters.skew ??= new TimeSkew();
			counters.skew.change(now, delta, this.#rateOf("time"));
			machine.clock.show();
			timer.update();
		}
		if (target !== "time" && board !== null) {
			board.clint.skew ??= new TimeSkew();
			board.clint.skew.change(now, delta, this.#rateOf("mtime"));
			board.clint.clockChanged();
		}
		this.#host.interrupted();
	}

	#rateOf(clock: "time" | "mtime"): number {
		const own = this.#rates.filter(({ target }) => target === "both" || target === clock);
		return own.reduce((product, { rate }) => product * rate, 1);
	}
}

function skewOf(state: TimeSkewState | null): TimeSkew | null {
	if (state === null) return null;
	const skew = new TimeSkew();
	skew.restore(state);
	return skew;
}
