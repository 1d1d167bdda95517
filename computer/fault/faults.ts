/** The faults of one computer: which of its parts follows which rules, and what they have done. */
import type { Board } from "../../devices/board.ts";
import type { DiskTiming } from "../../devices/disk/timing.ts";
import type { Arming } from "../../devices/fault/arming.ts";
import type { DiskRule, MediaRule, TimingRule } from "../../devices/fault/disk-rule.ts";
import { isTimingRule } from "../../devices/fault/disk-rule.ts";
import type { FaultPlace } from "../../devices/fault/fault-place.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { FaultyTiming } from "../../devices/fault/faulty-timing.ts";
import type { Ledger, LedgerEntry } from "../../devices/fault/ledger.ts";
import { MachineFaults, type MachineFaultsState } from "../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../devices/fault/machine-rule.ts";
import type { FaultPlan, FaultRule } from "../../devices/fault/rule.ts";
import type { WordHash } from "../../machine/hash.ts";
import type { Machine } from "../../machine/machine.ts";
import { UserError } from "../../machine/user-error.ts";
import { checkFaultPlan } from "./plan.ts";

/** What became of a rule. */
export interface RuleReport {
	readonly id: string;
	readonly model: string;
	/** Occasions on which it could have acted. */
	readonly candidates: number;
	/** Times that it was activated, and occasions on which it acted. */
	readonly activations: number;
	readonly applied: number;
}

export interface FaultReport {
	readonly seed: number;
	/** In the order of the plan. */
	readonly rules: readonly RuleReport[];
	/** Rules that never acted. */
	readonly notFired: readonly string[];
	/** Applications in all, and the first ten thousand of each part in the order of time. */
	readonly applied: number;
	readonly ledger: readonly LedgerEntry[];
}

const isDiskRule = (rule: FaultRule): rule is DiskRule => rule.model.startsWith("disk.");

/** => UserError unless `plan` is one, or absent. */
export const planOf = (plan: unknown): FaultPlan | undefined =>
	plan === undefined ? undefined : checkFaultPlan(plan);

const isMachineRule = (rule: FaultRule): rule is MachineRule => !isDiskRule(rule);

/** The rules of one disk. */
export interface RulesOfDisk {
	readonly media: readonly MediaRule[];
	readonly timing: readonly TimingRule[];
}

/**
 * The rules for each disk, by the ids of the disks.
 * => UserError for a rule about a disk that is not there.
 */
export function rulesOfDisks(plan: FaultPlan | undefined, ids: readonly string[]): RulesOfDisk[] {
	const rules = plan?.rules.filter(isDiskRule) ?? [];
	for (const { id, params } of rules) {
		if (ids.includes(params.disk)) continue;
		const there = ids.length === 0 ? "there are none" : `there are ${ids.join(", ")}`;
		throw new UserError(`fault ${id}: no disk ${params.disk}; ${there}`);
	}
	return ids.map((disk) => {
		const own = rules.filter(({ params }) => params.disk === disk);
		return {
			media: own.filter((rule) => !isTimingRule(rule)) as MediaRule[],
			timing: own.filter(isTimingRule),
		};
	});
}

/** `timing`, or one that follows the rules. */
export const faultyTiming = (
	timing: DiskTiming,
	rules: readonly TimingRule[],
	seed?: number,
): DiskTiming => (rules.length === 0 ? timing : new FaultyTiming(timing, rules, seed));

/** A part of a computer that follows rules. */
interface FaultyPart {
	readonly ledger: Ledger;
	readonly armings: readonly Readonly<Arming>[];
}

/** The parts of a computer that follow rules. */
export class Faults {
	readonly #plan: FaultPlan | undefined;
	readonly #disks: readonly FaultyDisk[];
	readonly #machine: MachineFaults | null;
	readonly #parts: readonly FaultyPart[];

	/** `place` says where the computer is. */
	constructor(
		plan: FaultPlan | undefined,
		machine: Machine,
		board: Board,
		place: () => FaultPlace,
	) {
		this.#plan = plan;
		const rules = plan?.rules.filter(isMachineRule) ?? [];
		this.#machine =
			rules.length === 0 ? null : new MachineFaults(machine, rules, plan?.seed, board);
		const parts = board.disks.flatMap(({ media, timing }) => [media, timing]);
		this.#disks = parts.filter((part) => part instanceof FaultyDisk);
		const timings = parts.filter((part) => part instanceof FaultyTiming);
		for (const part of [...this.#disks, ...timings]) part.connect(place);
		const machines = this.#machine === null ? [] : [this.#machine];
		this.#parts = [...this.#disks, ...timings, ...machines];
	}

	/** What has become of the rules of memory, hart and MMU. null: there are none. */
	save(): MachineFaultsState | null {
		return this.#machine?.save() ?? null;
	}

	/** To be called beside the restoring of the machine, or its rollback. */
	restore(state: MachineFaultsState | null): void {
		if (state !== null) this.#machine?.restore(state);
	}

	/** What silent faults have left behind is part of a computer's state. */
	hashInto(hash: WordHash): void {
		for (const disk of this.#disks) disk.hashInto(hash);
		this.#machine?.hashInto(hash);
	}

	/** => undefined without a plan. */
	report(): FaultReport | undefined {
		if (this.#plan === undefined) return undefined;
		const { seed = 1, rules } = this.#plan;
		const armings = this.#parts.flatMap((part) => part.armings);
		const reports = rules.map(({ id, model }) => {
			const {
				candidates = 0,
				activations = 0,
				applied = 0,
			} = armings.find(({ rule }) => rule.id === id) ?? {};
			return { id, model, candidates, activations, applied };
		});
		const ledgers = this.#parts.map(({ ledger }) => ledger);
		return {
			seed,
			rules: reports,
			notFired: reports.filter(({ applied }) => applied === 0).map(({ id }) => id),
			applied: ledgers.reduce((sum, { total }) => sum + total, 0),
			ledger: ledgers.flatMap(({ entries }) => [...entries]).sort((a, b) => a.ns - b.ns),
		};
	}
}
