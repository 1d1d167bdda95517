/** The faults of one computer: which of its parts follows which rules, and what they have done. */
import type { DiskRule } from "../devices/fault/disk-rule.ts";
import type { FaultPlace, FaultyDisk } from "../devices/fault/faulty-disk.ts";
import type { LedgerEntry } from "../devices/fault/ledger.ts";
import type { FaultPlan, FaultRule } from "../devices/fault/rule.ts";
import type { WordHash } from "../machine/hash.ts";
import { UserError } from "../machine/user-error.ts";

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

/**
 * The rules for each disk, by the ids of the disks.
 * => UserError for a rule about a disk that is not there.
 */
export function rulesOfDisks(plan: FaultPlan | undefined, ids: readonly string[]): DiskRule[][] {
	const rules = plan?.rules.filter(isDiskRule) ?? [];
	for (const { id, params } of rules) {
		if (ids.includes(params.disk)) continue;
		const there = ids.length === 0 ? "there are none" : `there are ${ids.join(", ")}`;
		throw new UserError(`fault ${id}: no disk ${params.disk}; ${there}`);
	}
	return ids.map((disk) => rules.filter(({ params }) => params.disk === disk));
}

/** The parts of a computer that follow rules. */
export class Faults {
	readonly #plan: FaultPlan | undefined;
	readonly #disks: readonly FaultyDisk[];

	/** `place` says where the computer is. */
	constructor(plan: FaultPlan | undefined, disks: readonly FaultyDisk[], place: () => FaultPlace) {
		this.#plan = plan;
		this.#disks = disks;
		for (const disk of disks) disk.connect(place);
	}

	/** What silent faults have left behind is part of a computer's state. */
	hashInto(hash: WordHash): void {
		for (const disk of this.#disks) disk.hashInto(hash);
	}

	/** => undefined without a plan. */
	report(): FaultReport | undefined {
		if (this.#plan === undefined) return undefined;
		const { seed = 1, rules } = this.#plan;
		const armings = this.#disks.flatMap((disk) => disk.armings);
		const reports = rules.map(({ id, model }) => {
			const {
				candidates = 0,
				activations = 0,
				applied = 0,
			} = armings.find(({ rule }) => rule.id === id) ?? {};
			return { id, model, candidates, activations, applied };
		});
		const ledgers = this.#disks.map(({ ledger }) => ledger);
		return {
			seed,
			rules: reports,
			notFired: reports.filter(({ applied }) => applied === 0).map(({ id }) => id),
			applied: ledgers.reduce((sum, { total }) => sum + total, 0),
			ledger: ledgers.flatMap(({ entries }) => [...entries]).sort((a, b) => a.ns - b.ns),
		};
	}
}
