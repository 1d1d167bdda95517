/**
 * Runs with faults. Each starts from the last checkpoint of the golden run before its rules can
 * act, and ends as soon as its state is that of the golden run again and no rule acts any more.
 * Neither changes what is found out.
 */
import type { FaultPlan, FaultRule } from "../../devices/fault/rule.ts";
import { type GoldenInstant, isBefore } from "./activation.ts";
import type { Evidence, Stop } from "./evidence.ts";
import { collectEvidence, evidenceOfGolden, evidenceOfGoldenEnd } from "./gather.ts";
import { checkpointGolden, type GoldenCheckpoint, type GoldenFacts } from "./golden.ts";
import { Guest } from "./guest.ts";
import { checkAfter } from "./reboot.ts";
import { isSameState } from "./same-state.ts";
import type { Workload } from "./workload.ts";

/** A rule of a run. */
export interface PlannedRule extends FaultRule {
	/** The rule of the golden run that has counted its candidates; null: none has. */
	readonly countedBy: string | null;
}

export interface RunPlan {
	readonly seed: number;
	readonly rules: readonly PlannedRule[];
}

export interface RunLimits {
	/** Times the golden run's instructions that a run may take. */
	readonly instructions: number;
	/** Virtual time without an instruction after which a run hangs, in ns. */
	readonly idleNs: number;
}

export interface RunnerOptions {
	readonly workload: Workload;
	readonly golden: GoldenFacts;
	/** Rules that count, as in the golden run; null: none. */
	readonly counting: FaultPlan | null;
	readonly limits: RunLimits;
	/** Checkpoints of the golden run; 0: every run starts at the beginning. */
	readonly checkpoints: number;
	/** Whether runs may end before their end. */
	readonly earlyStop: boolean;
}

/** How a result was found; it has no influence on the evidence. */
export interface RunEffort {
	/** Instructions of the golden run that were skipped, and that were executed. */
	readonly skipped: number;
	readonly executed: number;
	/** Did it end early? */
	readonly early: boolean;
}

export interface RunResult {
	readonly evidence: Evidence;
	readonly effort: RunEffort;
}

/** Looks at the limits in the golden run's length, at least. */
const LOOKS = 32;
/** A hart that takes so many traps, and retires no instruction in between, never will. */
const FRUITLESS_TRAPS = 20_000;
/** Instructions that a run may take in any case. */
const INSTRUCTIONS_MIN = 100_000;

/** As `boot --faults` takes it. */
export const planOf = ({ seed, rules }: RunPlan): FaultPlan => ({
	seed,
	rules: rules.map(({ countedBy: _, ...rule }) => rule),
});

export class Runner {
	readonly #options: RunnerOptions;
	/** The golden run; null until it is needed, and after the simulator has failed. */
	#golden: { guest: Guest; checkpoints: GoldenCheckpoint[] } | null = null;
	readonly #step: number;
	readonly #instructionsMax: number;

	constructor(options: RunnerOptions) {
		const { golden, limits } = options;
		this.#options = options;
		this.#step = Math.max(1, Math.ceil(golden.cycles / LOOKS));
		this.#instructionsMax = Math.max(
			INSTRUCTIONS_MIN,
			Math.floor(golden.instructions * limits.instructions),
		);
	}

	/**
	 * `watch` gets the guest before it runs; without it, a run in which no rule can act is not made.
	 * => never throws: what the simulator throws is evidence.
	 */
	run(plan: RunPlan, watch?: (guest: Guest) => void): RunResult {
		if (watch === undefined && this.#isGolden(plan)) {
			const evidence = evidenceOfGolden(this.#options.golden, plan.rules);
			return { evidence, effort: { skipped: evidence.instructions, executed: 0, early: true } };
		}
		let guest: Guest | null = null;
		try {
			const [start, started] = this.#start(plan);
			guest = started;
			const skipped = start?.instructions ?? 0;
			const candidates = this.#candidates(plan, start);
			guest.computer.inject(planOf(plan), candidates);
			watch?.(guest);
			const { stop, same } = this.#toEnd(guest, start);
			const ran = guest.computer.machine.hart.counters.instret - skipped;
			const { golden } = this.#options;
			const evidence =
				same === null
					? collectEvidence(guest, golden, stop)
					: evidenceOfGoldenEnd(guest, golden, same.guest.witnessed);
			const { workload, limits } = this.#options;
			const lost = evidence.exit.kind === "power-lost";
			const checked = lost ? checkAfter(workload, guest, limits.idleNs) : null;
			const executed = ran + (checked?.instructions ?? 0);
			const effort: RunEffort = { skipped, executed, early: same !== null };
			return { evidence: { ...evidence, after: checked?.evidence ?? null }, effort };
		} catch (error) {
			// Nothing of it can be trusted any more.
			this.#golden = null;
			const evidence = collectEvidence(guest, this.#options.golden, "error", describe(error));
			return { evidence, effort: { skipped: 0, executed: 0, early: false } };
		}
	}

	/** Is it known that no rule acts? */
	#isGolden({ seed, rules }: RunPlan): boolean {
		const end = this.#options.golden;
		return rules.every((rule) => isBefore(rule, seed, this.#instant(rule, end)));
	}

	#instant(
		rule: PlannedRule,
		at: { cycles: number; instructions: number; candidates: ReadonlyMap<string, number> },
	): GoldenInstant {
		const { cycles, instructions, candidates } = at;
		const counted = rule.countedBy === null ? undefined : candidates.get(rule.countedBy);
		return { cycles, instructions, candidates: counted ?? null };
	}

	/** => a guest where the run starts; null: at the beginning. */
	#start({ seed, rules }: RunPlan): [GoldenCheckpoint | null, Guest] {
		const { workload, counting, golden, checkpoints: count } = this.#options;
		if (count > 0) {
			this.#golden ??= checkpointGolden(workload, counting, golden.cycles, count);
			const { guest, checkpoints } = this.#golden;
			const start = checkpoints.findLast((at) =>
				rules.every((rule) => isBefore(rule, seed, this.#instant(rule, at))),
			);
			if (start !== undefined) {
				guest.computer.rollback(start.computer);
				guest.restore(start.guest);
				return [start, guest];
			}
		}
		return [null, new Guest(workload)];
	}

	#candidates({ rules }: RunPlan, start: GoldenCheckpoint | null): Map<string, number> {
		const counted = rules.flatMap(({ id, countedBy }): [string, number][] =>
			start === null || countedBy === null ? [] : [[id, start.candidates.get(countedBy)!]],
		);
		return new Map(counted);
	}

	/** => `same`: the golden checkpoint whose state the run has reached. */
	#toEnd(
		guest: Guest,
		start: GoldenCheckpoint | null,
	): { stop: Stop; same: GoldenCheckpoint | null } {
		const { computer } = guest;
		const { clock, hart } = computer.machine;
		// Only the computer that has made the checkpoints can be compared with them.
		const ahead =
			start === null || !this.#options.earlyStop
				? []
				: this.#golden!.checkpoints.filter(({ until }) => until > start.until);
		let next = 0;
		let progress = clock.cycles;
		let traps = hart.traps.taken;
		let instructions = -1;
		// The looks do not depend on where the run has started.
		for (let look = Math.floor(clock.cycles / this.#step) + 1; ; look++) {
			const until = look * this.#step;
			while (next < ahead.length && ahead[next]!.until <= until) {
				const checkpoint = ahead[next++]!;
				const state = guest.run(checkpoint.until);
				if (state !== "running") return { stop: state, same: null };
				if (!computer.faultsSpent) continue;
				if (isSameState(computer, checkpoint.computer)) return { stop: "ended", same: checkpoint };
			}
			const state = guest.run(until);
			if (state !== "running") return { stop: state, same: null };
			const { instret } = hart.counters;
			if (instret > this.#instructionsMax) return { stop: "instructions", same: null };
			if (instret !== instructions) {
				instructions = instret;
				progress = clock.cycles;
				traps = hart.traps.taken;
			} else if (
				clock.cycles - progress > this.#options.limits.idleNs ||
				hart.traps.taken - traps > FRUITLESS_TRAPS
			) {
				return { stop: "idle", same: null };
			}
		}
	}
}

const describe = (error: unknown): string =>
	error instanceof Error ? (error.stack ?? error.message) : String(error);
