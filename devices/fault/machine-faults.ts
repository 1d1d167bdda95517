/**
 * Faults of a machine: of its memory, hart and MMU.
 *
 * Rules of an instant. At a time, `when.atNs`, memory, TLB and page tables are hit at the end of
 * the instruction that reaches it, or right then if none is executed; registers and pc before the
 * next instruction. `when.atInsn` is exact whatever an instruction costs: the hart stops for it
 * when so many instructions have retired, and before the next one. A trap retires nothing: of the
 * moments with the same count it is the first.
 *
 * The other rules are asked by the MMU, where a fence is executed and where a page table is walked.
 * Without any rule of a kind nobody asks.
 */
import type { HartFaults } from "../../machine/hart.ts";
import type { Machine } from "../../machine/machine.ts";
import { H_BUDGET, H_LEFT } from "../../machine/memory.ts";
import { D_IN_TLB, D_MISSED, D_SET, type DirtyFate, type MmuFaults } from "../../machine/mmu.ts";
import { type Access, FENCE_ALL, PAGE_SHIFT } from "../../machine/port.ts";
import { UserError } from "../../machine/user-error.ts";
import { Arming, type ArmingState } from "./arming.ts";
import { drawBelow } from "./draw.ts";
import type { FaultPlace } from "./fault-place.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import { findFlip, runningAsid } from "./machine-flips.ts";
import { hasInstant, type MachineRule } from "./machine-rule.ts";
import { checkMachineRule } from "./machine-rule-check.ts";

type RuleOf<M extends MachineRule["model"]> = Extract<MachineRule, { readonly model: M }>;

/** What has become of an instant: ahead; reached, but nothing could be hit yet; behind. */
type Stage = "ahead" | "due" | "done";

/** A rule in force. */
interface Armed {
	/** The argument of its event. */
	readonly number: number;
	readonly rule: MachineRule;
	readonly arming: Arming;
	/** Of a rule with an instant. */
	stage: Stage;
}

export interface MachineFaultsState {
	readonly seed: number;
	/** The rules in force, with what has become of them. */
	readonly rules: readonly {
		readonly number: number;
		readonly rule: MachineRule;
		readonly state: ArmingState;
		readonly stage: Stage;
	}[];
	readonly nextNumber: number;
	readonly ledger: LedgerState;
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
const ACCESS_NAMES = ["fetch", "load", "store"] as const;

/** Is a fence with these operands in the rule's scope? */
function inScope(
	{ params: { scope = "all" } }: RuleOf<"mmu.lost-fence">,
	va: number,
	asid: number,
) {
	if (scope === "va") return va !== FENCE_ALL;
	if (scope === "asid") return asid !== FENCE_ALL;
	return scope === "all" || (va === FENCE_ALL && asid === FENCE_ALL);
}

export class MachineFaults implements MmuFaults, HartFaults {
	readonly ledger = new Ledger();
	readonly #machine: Machine;
	#seed: number;
	readonly #event: number;
	#rules: Armed[] = [];
	#nextNumber = 0;

	/** => `seed`: for random decisions. UserError for a rule that cannot be followed. */
	constructor(machine: Machine, rules: readonly MachineRule[] = [], seed = 1) {
		this.#machine = machine;
		this.#seed = seed;
		this.#event = machine.clock.register((number) => this.#reached(number));
		for (const rule of rules) this.add(rule);
	}

	/** The rules in force, the oldest first. */
	get armings(): readonly Readonly<Arming>[] {
		return this.#rules.map(({ arming }) => arming);
	}

	/**
	 * Replace all rules, and forget what the old ones have done. `candidates` says how many each has
	 * had. => UserError as `add`.
	 */
	load(rules: readonly MachineRule[], seed = 1, candidates: ReadonlyMap<string, number>): void {
		this.#machine.clock.cancel(this.#event);
		this.#rules = [];
		this.#nextNumber = 0;
		this.ledger.clear();
		this.#seed = seed;
		this.#connect();
		for (const rule of rules) this.add(rule);
		for (const { rule, arming } of this.#rules) arming.candidates = candidates.get(rule.id) ?? 0;
	}

	/** Whether no rule does anything any more, from now on. */
	get spent(): boolean {
		const { ns } = this.#place();
		return this.#rules.every(({ rule, arming, stage }) =>
			hasInstant(rule) ? stage === "done" : arming.spent(ns),
		);
	}

	/** => UserError for a rule that cannot be followed, or an id that is taken. */
	add(rule: MachineRule): void {
		checkMachineRule(rule, this.#machine.dma);
		if (this.#rules.some((other) => other.rule.id === rule.id)) {
			throw new UserError(`fault ${rule.id}: there is a rule of this name already`);
		}
		const arming = new Arming(this.#seed, rule);
		const armed: Armed = { number: this.#nextNumber++, rule, arming, stage: "ahead" };
		this.#rules.push(armed);
		this.#schedule(armed);
		this.#connect();
	}

	/** Remove a rule; what it has done stays. => false if there is none of this name. */
	lift(id: string): boolean {
		const armed = this.#rules.find(({ rule }) => rule.id === id);
		if (armed === undefined) return false;
		this.#machine.clock.cancel(this.#event, armed.number);
		this.#rules = this.#rules.filter((other) => other !== armed);
		this.#connect();
		return true;
	}

	/**
	 * The machine was restored to a state that was saved without these rules: their instants are
	 * scheduled in it. Those that are past come at once.
	 */
	rearm(): void {
		this.#machine.clock.cancel(this.#event);
		for (const armed of this.#rules) this.#schedule(armed);
	}

	/** The clock's events are in the machine's own state. */
	save(): MachineFaultsState {
		return {
			seed: this.#seed,
			rules: this.#rules.map(({ number, rule, arming, stage }) => ({
				number,
				rule,
				state: arming.save(),
				stage,
			})),
			nextNumber: this.#nextNumber,
			ledger: this.ledger.save(),
		};
	}

	/** To be called beside the restoring of the machine, or its rollback, to the same instant. */
	restore(state: MachineFaultsState): void {
		this.#seed = state.seed;
		this.#rules = state.rules.map(({ number, rule, state: progress, stage }) => {
			const arming = new Arming(this.#seed, rule);
			arming.restore(progress);
			return { number, rule, arming, stage };
		});
		this.#nextNumber = state.nextNumber;
		this.ledger.restore(state.ledger);
		this.#connect();
	}

	between(): number {
		const { instret } = this.#machine.hart.counters;
		let next = Number.POSITIVE_INFINITY;
		let settled = true;
		for (const armed of this.#rules) {
			const { atInsn } = armed.rule.when ?? {};
			if (armed.stage === "ahead" && atInsn !== undefined) {
				if (atInsn <= instret) armed.stage = "due";
				else next = Math.min(next, atInsn - instret);
			}
			if (armed.stage === "due") this.#strike(armed);
			if (armed.stage === "due") settled = false;
		}
		if (settled && next === Number.POSITIVE_INFINITY) this.#machine.hart.faults = null;
		return next;
	}

	losesFence(va: number, asid: number): boolean {
		let lost = false;
		for (const { rule, arming } of this.#rules) {
			if (rule.model !== "mmu.lost-fence" || !inScope(rule, va, asid)) continue;
			const where = va === FENCE_ALL ? "all" : hex(va);
			const space = asid === FENCE_ALL ? "all" : asid;
			if (this.#acts(arming, `sfence.vma va ${where} asid ${space}`, "lost")) lost = true;
		}
		return lost;
	}

	refuses(va: number, asid: number, access: Access): boolean {
		let refused = false;
		for (const { rule, arming } of this.#rules) {
			if (rule.model !== "mmu.spurious-fault" || !this.#translates(rule, va, asid)) continue;
			const { access: only } = rule.params;
			if (only !== undefined && only !== ACCESS_NAMES[access]) continue;
			if (this.#acts(arming, `${ACCESS_NAMES[access]} at ${hex(va)} asid ${asid}`, "page fault")) {
				refused = true;
			}
		}
		return refused;
	}

	missesA(va: number, asid: number): boolean {
		let missed = false;
		for (const { rule, arming } of this.#rules) {
			if (rule.model !== "mmu.missed-a" || !this.#translates(rule, va, asid)) continue;
			if (this.#acts(arming, `access to ${hex(va)} asid ${asid}`, "A stayed clear")) missed = true;
		}
		return missed;
	}

	missesD(va: number, asid: number): DirtyFate {
		let fate: DirtyFate = D_SET;
		for (const { rule, arming } of this.#rules) {
			if (rule.model !== "mmu.missed-d" || !this.#translates(rule, va, asid)) continue;
			const stays = rule.params.entry === "dirty" ? D_IN_TLB : D_MISSED;
			const effect = stays === D_IN_TLB ? "D stayed clear in RAM" : "D stayed clear";
			if (this.#acts(arming, `store to ${hex(va)} asid ${asid}`, effect) && fate !== D_IN_TLB) {
				fate = stays;
			}
		}
		return fate;
	}

	/** The event of rule `number`. */
	#reached(number: number): void {
		const armed = this.#rules.find((other) => other.number === number);
		if (armed === undefined || armed.stage !== "ahead") return;
		armed.stage = "due";
		// Before the next instruction, for what an instruction may be about to write.
		if (!armed.rule.model.startsWith("cpu.")) this.#strike(armed);
		this.#connect();
	}

	/** The rule's instant has come. It stays due while the address space to be hit does not run. */
	#strike(armed: Armed): void {
		const { rule, arming } = armed;
		if (rule.model === "mmu.pte-flip" && rule.params.asid !== undefined) {
			if (rule.params.asid !== runningAsid(this.#machine)) return;
		}
		armed.stage = "done";
		const ordinal = arming.candidates;
		const flip = findFlip(this.#machine, rule, (field, n) =>
			drawBelow(this.#seed, rule.id, ordinal, field, n),
		);
		if (flip !== null && this.#acts(arming, flip.target, flip.effect)) flip.apply();
	}

	/** A candidate. => whether the rule acts on it; then it is noted */
	#acts(arming: Arming, target: string, effect: string): boolean {
		const place = this.#place();
		const ordinal = arming.decide(place.ns);
		if (ordinal < 0) return false;
		this.ledger.add({ rule: arming.rule.id, ordinal, ...place, target, effect });
		return true;
	}

	#translates(
		rule: RuleOf<"mmu.missed-d" | "mmu.missed-a" | "mmu.spurious-fault">,
		va: number,
		asid: number,
	) {
		const { va: page, asid: space } = rule.params;
		return (
			(page === undefined || page >>> PAGE_SHIFT === va >>> PAGE_SHIFT) &&
			(space === undefined || space === asid)
		);
	}

	/** Where the machine is, perhaps in the middle of a slice. */
	#place(): FaultPlace {
		const { hart, clock, memory } = this.#machine;
		const used = memory.i32[H_BUDGET]! - memory.i32[H_LEFT]!;
		return { ns: clock.cycles + used, instructions: hart.steps - hart.traps.taken, pc: hart.pc };
	}

	#schedule({ number, rule, stage }: Armed): void {
		const { atNs } = rule.when ?? {};
		if (atNs !== undefined && stage === "ahead") {
			this.#machine.clock.scheduleFirst(atNs, this.#event, number);
		}
	}

	/** Be asked where there is something to decide, and nowhere else. */
	#connect(): void {
		const { hart } = this.#machine;
		const waits = ({ rule, stage }: Armed): boolean =>
			stage === "due" || (stage === "ahead" && rule.when?.atInsn !== undefined);
		const isInstant = ({ rule }: Armed): boolean => hasInstant(rule);
		hart.faults = this.#rules.some((a) => isInstant(a) && waits(a)) ? this : null;
		hart.mmu.faults = this.#rules.every(isInstant) ? null : this;
	}
}
