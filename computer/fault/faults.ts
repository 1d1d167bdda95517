/** The faults of one computer: which of its parts follows which rules, and what they have done. */
import type { Board } from "../../devices/board.ts";
import type { Arming } from "../../devices/fault/arming.ts";
import type { DiskRule, MediaRule, TimingRule } from "../../devices/fault/disk-rule.ts";
import { checkSectors, isTimingRule } from "../../devices/fault/disk-rule.ts";
import type { FaultPlace } from "../../devices/fault/fault-place.ts";
import type { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import type { FaultyTiming } from "../../devices/fault/faulty-timing.ts";
import type { Ledger, LedgerEntry } from "../../devices/fault/ledger.ts";
import { MachineFaults, type MachineFaultsState } from "../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../devices/fault/machine-rule.ts";
import type { FaultPlan, FaultRule } from "../../devices/fault/rule.ts";
import { Triggers, type TriggersState } from "../../devices/fault/triggers.ts";
import type { Outage } from "../../devices/fault/write-cache.ts";
import { uvmhist_init } from "../../kernel/kern/core/kern_history.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { WordHash } from "../../machine/hash.ts";
import type { Machine } from "../../machine/machine.ts";
import { checkTriggers } from "./check-triggers.ts";
import { isKernelRule, KernelFaults, type KernelFaultsState } from "./kernel-faults.ts";
import { KernelHolds } from "./kernel-holds.ts";
import { building, checkFaultPlan, ruleError } from "./plan.ts";

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

const isMachineRule = (rule: FaultRule): rule is MachineRule =>
	!isDiskRule(rule) && !isKernelRule(rule);

/** What has become of rules, but for those of disks. null: there are none. */
export interface FaultsState {
	readonly machine: MachineFaultsState | null;
	readonly kernel: KernelFaultsState | null;
	/** Absent in older snapshots. */
	readonly triggers?: TriggersState | null;
}

/** => FaultPlanError for rules of a kernel where there is none. */
function checkKernelRules(plan: FaultPlan, hasKernel: boolean): void {
	const rule = plan.rules.find(({ model }) => model.startsWith("alloc."));
	if (rule === undefined || hasKernel) return;
	throw ruleError(plan, rule.id, ["model"], "is for our own kernel; there is none");
}

/** Events that are kept for a trigger, if nobody else wants them. */
const EVENTS = 100;

/** The addresses of a program's symbols. */
export type Symbols = (name: string) => number | undefined;

/** The rules of one disk. */
export interface RulesOfDisk {
	readonly media: readonly MediaRule[];
	readonly timing: readonly TimingRule[];
}

/**
 * The rules for each disk, by the ids of the disks.
 * => FaultPlanError for a rule about a disk that is not there.
 */
export function rulesOfDisks(plan: FaultPlan | undefined, ids: readonly string[]): RulesOfDisk[] {
	const rules = plan?.rules.filter(isDiskRule) ?? [];
	for (const { id, params } of rules) {
		if (ids.includes(params.disk)) continue;
		const there = ids.length === 0 ? "there are none" : `there are ${ids.join(", ")}`;
		throw ruleError(plan!, id, ["params", "disk"], `no disk ${params.disk}; ${there}`);
	}
	return ids.map((disk) => {
		const own = rules.filter(({ params }) => params.disk === disk);
		return {
			media: own.filter((rule) => !isTimingRule(rule)) as MediaRule[],
			timing: own.filter(isTimingRule),
		};
	});
}

/** A part of a computer that follows rules. */
interface FaultyPart {
	readonly ledger: Ledger;
	readonly armings: readonly Readonly<Arming>[];
}

/** All disks of a computer have these parts; without rules they change nothing. */
interface DiskOnBoard {
	readonly id: string;
	readonly media: FaultyDisk;
	readonly timing: FaultyTiming;
}

/** The parts of a computer that follow rules. */
export class Faults {
	#plan: FaultPlan | undefined;
	readonly #disks: readonly DiskOnBoard[];
	readonly #of: Machine;
	readonly #board: Board;
	/** null until there are rules of memory, hart or MMU. */
	#machine: MachineFaults | null;

	readonly #place: () => FaultPlace;
	readonly #symbols: Symbols;
	readonly #triggers: Triggers;
	/** null without a kernel. */
	#kernel: KernelFaults | null = null;
	#attached: Kernel | null = null;
	#keepEvents = (): void => {};

	/**
	 * `place` says where the computer is; `powerLost` is called when it loses its power;
	 * `hasKernel`: one is going to be attached.
	 * => FaultPlanError for a plan that does not fit the computer.
	 */
	constructor(
		plan: FaultPlan | undefined,
		machine: Machine,
		board: Board,
		place: () => FaultPlace,
		powerLost: (rule: string) => void,
		symbols: Symbols,
		hasKernel: boolean,
	) {
		this.#plan = plan;
		this.#place = place;
		this.#symbols = symbols;
		if (plan !== undefined) this.#check(plan, machine, hasKernel);
		this.#triggers = new Triggers(machine, symbols);
		this.#triggers.opened = (now) => this.#machine?.opened(now);
		this.#triggers.wantsEvents = () => this.#keepEvents();
		this.#triggers.load(plan?.rules ?? []);
		const rules = plan?.rules.filter(isMachineRule) ?? [];
		this.#of = machine;
		this.#board = board;
		this.#machine =
			rules.length === 0 ? null : building(plan, () => this.#machineFaults(rules, plan?.seed));
		this.#disks = board.disks.map(({ id, media, timing }) => ({
			id,
			media: media as FaultyDisk,
			timing: timing as FaultyTiming,
		}));
		building(plan, () => this.#checkSectors());
		for (const { media, timing } of this.#disks) {
			const lost = (outage: Outage): void => {
				for (const disk of this.#disks) disk.media.losePower(outage);
				powerLost(outage.rule);
			};
			media.connect(place, lost, this.#triggers);
			timing.connect(place, this.#triggers);
			timing.cacheLost = (outage) => media.losePower(outage);
			media.assume(timing.caches);
		}
	}

	get #parts(): FaultyPart[] {
		const disks = this.#disks.flatMap(({ media, timing }) => [media, timing]);
		const rest = [this.#machine, this.#kernel].filter((part) => part !== null);
		return [...disks, ...rest];
	}

	/** There is a kernel, which runs. */
	attach(kernel: Kernel): void {
		this.#attached = kernel;
		this.#kernel = new KernelFaults(kernel, this.#place, this.#triggers);
		this.#keepEvents = () => {
			kernel.uvmhist ??= uvmhist_init(EVENTS);
		};
		kernel.watch = {
			...kernel.watch,
			event: (fn, message) => this.#triggers.event(fn, message),
		};
		if (this.#triggers.waitsForEvents) this.#keepEvents();
		this.#kernel.load(this.#plan?.rules.filter(isKernelRule) ?? [], this.#plan?.seed);
	}

	/** => FaultPlanError for rules about what is not there. */
	#check(plan: FaultPlan, machine: Machine, hasKernel: boolean): void {
		checkKernelRules(plan, hasKernel);
		checkTriggers(plan, machine, this.#symbols, hasKernel);
	}

	/** As Computer.inject. */
	load(plan: FaultPlan | undefined, candidates: ReadonlyMap<string, number>): void {
		if (plan !== undefined) this.#check(plan, this.#of, this.#kernel !== null);
		building(plan, () => this.#load(plan, candidates));
		this.#plan = plan;
	}

	/** Disks themselves look at the sectors of their media's rules. */
	#checkSectors(): void {
		for (const { media, timing } of this.#disks) {
			for (const { rule } of timing.armings) checkSectors(rule as DiskRule, media.sectors);
		}
	}

	#load(plan: FaultPlan | undefined, candidates: ReadonlyMap<string, number>): void {
		const { seed, rules } = plan ?? { rules: [] };
		this.#triggers.load(rules);
		const ids = this.#disks.map(({ id }) => id);
		for (const [i, own] of rulesOfDisks(plan, ids).entries()) {
			const { media, timing } = this.#disks[i]!;
			media.load(own.media, seed, candidates);
			timing.load(own.timing, seed, candidates);
			media.assume(timing.caches);
		}
		this.#checkSectors();
		const machine = rules.filter(isMachineRule);
		if (machine.length > 0) this.#machine ??= this.#machineFaults();
		this.#machine?.load(machine, seed, candidates);
		this.#kernel?.load(rules.filter(isKernelRule), seed, candidates);
	}

	#machineFaults(rules: readonly MachineRule[] = [], seed = 1): MachineFaults {
		return new MachineFaults(this.#of, rules, seed, this.#board, this.#triggers, (host) => [
			["alloc", new KernelHolds(host, () => this.#attached)],
		]);
	}

	/** Whether no rule does anything any more at time `now`, or later. */
	spent(now: number): boolean {
		const armings = this.#disks.flatMap(({ media, timing }) => [
			...media.armings,
			...timing.armings,
		]);
		armings.push(...(this.#kernel?.armings ?? []));
		return armings.every((arming) => arming.spent(now)) && this.#machine?.spent !== false;
	}

	save(): FaultsState {
		const kernel = this.#kernel === null || this.#kernel.armings.length === 0;
		return {
			machine: this.#machine?.save() ?? null,
			kernel: kernel ? null : this.#kernel!.save(),
			triggers: this.#triggers.save(),
		};
	}

	/** To be called beside the restoring of the machine, or its rollback. */
	restore({ machine, kernel, triggers = null }: FaultsState): void {
		this.#triggers.restore(triggers);
		if (machine === null) this.#machine?.load([], 1, new Map());
		else (this.#machine ??= this.#machineFaults()).restore(machine);
		if (kernel === null) this.#kernel?.load([]);
		else this.#kernel!.restore(kernel);
	}

	/** The console has printed a byte. */
	printed(byte: number): void {
		this.#triggers.printed(byte);
	}

	/** What silent faults have left behind is part of a computer's state. */
	hashInto(hash: WordHash): void {
		for (const { media } of this.#disks) media.hashInto(hash);
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
