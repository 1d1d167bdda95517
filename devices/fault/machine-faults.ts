/**
 * Faults of a machine: of its memory, hart, MMU, interrupts and clocks. This is their host: it arms
 * the rules, asks the family of each to act, and keeps the ledger.
 *
 * Rules of an instant. At a time, `when.atNs`, memory, TLB and page tables are hit at the end of
 * the instruction that reaches it, or right then if none is executed; registers and pc before the
 * next instruction. `when.atInsn` is exact whatever an instruction costs: the hart stops for it
 * when so many instructions have retired, and before the next one. A trap retires nothing: of the
 * moments with the same count it is the first. Triggers (triggers.ts) strike where they come:
 * before the instruction, behind the access, or right then.
 *
 * The other rules are asked where their candidates are. Without any rule of a kind nobody asks.
 */
import type { HartFaults } from "../../machine/fault-hooks.ts";
import type { WordHash } from "../../machine/hash.ts";
import type { Machine } from "../../machine/machine.ts";
import { H_BUDGET, H_LEFT } from "../../machine/memory.ts";
import type { Board } from "../board.ts";
import { Arming, type ArmingState, type Gates } from "./arming.ts";
import { ClockFaults } from "./clock-faults.ts";
import { CpuFaults } from "./cpu-faults.ts";
import { drawBelow } from "./draw.ts";
import type { Armed, Family, FaultHost, Stage } from "./fault-host.ts";
import type { FaultPlace } from "./fault-place.ts";
import { InterruptFaults } from "./interrupt-faults.ts";
import { Ledger, type LedgerState } from "./ledger.ts";
import { hasInstant, lasts, type MachineRule, withLife } from "./machine-rule.ts";
import { MemoryFaults } from "./memory-faults.ts";
import { MmuRules } from "./mmu-faults.ts";
import type { FaultLife } from "./rule.ts";
import { FaultRuleError } from "./rule-error.ts";
import { hasTrigger, isGated } from "./triggers.ts";

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
	/** What each family keeps, by the first part of its models' names. Absent in older snapshots. */
	readonly families?: Readonly<Record<string, unknown>>;
}

/** => `complaint`, which begins with the name of a field, or is about the rule */
function errorOf({ id, params }: MachineRule, complaint: string): FaultRuleError {
	const [, name = "", what = ""] = /^(\w+):? (.*)$/s.exec(complaint) ?? [];
	if (Object.hasOwn(params, name)) {
		return new FaultRuleError(id, ["params", name], what, complaint);
	}
	const isOwn = name === "when" || name === "life";
	return isOwn
		? new FaultRuleError(id, [name], what, complaint)
		: new FaultRuleError(id, [], complaint);
}
/** For ever, or for a time? */
const isSpan = (life: FaultLife): boolean =>
	life === "permanent" || life === "once" || (typeof life === "object" && "forNs" in life);

const familyOf = ({ model }: MachineRule): string => model.slice(0, model.indexOf("."));

export class MachineFaults implements FaultHost, HartFaults {
	readonly ledger = new Ledger();
	readonly machine: Machine;
	readonly board: Board | null;
	readonly #gates: Gates | null;
	#seed: number;
	readonly #event: number;
	/** In a fixed order: they register with the clock. */
	readonly #families: ReadonlyMap<string, Family>;
	readonly #familyList: readonly Family[];
	readonly #cpu: CpuFaults;
	#rules: Armed[] = [];
	#nextNumber = 0;
	/** Interrupts are to be looked at before the next instruction. */
	#interrupted = false;
	/** Rules have become due while others struck. */
	#again = false;
	/** Rules may be due. */
	#unsettled = true;
	/** When so many instructions have retired, rules are due, or a family is to be asked. */
	#ahead = 0;

	/**
	 * => `seed`: for random decisions. FaultRuleError for a rule that cannot be followed; those about
	 *    devices need the board, and those with triggers or states `gates`, which calls `opened`.
	 * => `more`: families of other parts, by the first part of their models' names.
	 */
	constructor(
		machine: Machine,
		rules: readonly MachineRule[] = [],
		seed = 1,
		board: Board | null = null,
		gates: Gates | null = null,
		more: (host: FaultHost) => readonly [string, Family][] = () => [],
	) {
		this.machine = machine;
		this.#gates = gates;
		this.board = board;
		this.#seed = seed;
		this.#event = machine.clock.register((number) => this.#reached(number));
		this.#cpu = new CpuFaults(this);
		this.#families = new Map<string, Family>([
			["mmu", new MmuRules(this)],
			["memory", new MemoryFaults(this)],
			["cpu", this.#cpu],
			["irq", new InterruptFaults(this)],
			["clock", new ClockFaults(this)],
			...more(this),
		]);
		this.#familyList = [...this.#families.values()];
		for (const rule of rules) this.add(rule);
	}

	/** The rules in force, the oldest first. */
	get armings(): readonly Readonly<Arming>[] {
		return this.#rules.map(({ arming }) => arming);
	}

	/**
	 * Replace all rules, and forget what the old ones have done. `candidates` says how many each has
	 * had. => FaultRuleError as `add`.
	 */
	load(rules: readonly MachineRule[], seed = 1, candidates: ReadonlyMap<string, number>): void {
		this.machine.clock.cancel(this.#event);
		this.#rules = [];
		this.#nextNumber = 0;
		this.ledger.clear();
		this.#seed = seed;
		this.#changed();
		for (const family of this.#familyList) family.restore(undefined);
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

	/** => FaultRuleError for a rule that cannot be followed, or an id that is taken. */
	add(rule: MachineRule): void {
		const wrong = this.#complaint(rule);
		if (wrong !== "") throw errorOf(rule, wrong);
		if (this.#rules.some((other) => other.rule.id === rule.id)) {
			throw new FaultRuleError(rule.id, ["id"], "there is a rule of this name already");
		}
		const arming = this.#arming(rule);
		const armed: Armed = { number: this.#nextNumber++, rule, arming, stage: "ahead" };
		this.#rules.push(armed);
		this.#schedule(armed);
		this.#changed();
	}

	/** Remove a rule; what it has done stays. => false if there is none of this name. */
	lift(id: string): boolean {
		const armed = this.#rules.find(({ rule }) => rule.id === id);
		if (armed === undefined) return false;
		this.machine.clock.cancel(this.#event, armed.number);
		this.#rules = this.#rules.filter((other) => other !== armed);
		this.#changed();
		return true;
	}

	/**
	 * The machine was restored to a state that was saved without these rules: their instants are
	 * scheduled in it. Those that are past come at once.
	 */
	rearm(): void {
		this.machine.clock.cancel(this.#event);
		for (const armed of this.#rules) this.#schedule(armed);
		for (const family of this.#familyList) family.rearm?.();
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
			families: Object.fromEntries(
				[...this.#families].map(([name, family]) => [name, family.save()]),
			),
		};
	}

	/** To be called beside the restoring of the machine, or its rollback, to the same instant. */
	restore(state: MachineFaultsState): void {
		this.#seed = state.seed;
		this.#rules = state.rules.map(({ number, rule, state: progress, stage }) => {
			const arming = this.#arming(rule);
			arming.restore(progress);
			return { number, rule, arming, stage };
		});
		this.#nextNumber = state.nextNumber;
		this.ledger.restore(state.ledger);
		this.#changed(true);
		for (const [name, family] of this.#families) family.restore(state.families?.[name]);
		this.connect();
	}

	/** What faults have left behind outside of the machine's own state. */
	hashInto(hash: WordHash): void {
		for (const family of this.#familyList) family.hashInto(hash);
	}

	between(): number {
		const { instret } = this.machine.hart.counters;
		const settled = !this.#unsettled && instret < this.#ahead;
		if (!settled) this.#settle(instret);
		const next = this.#ahead - instret;
		const cpu = this.#cpu;
		cpu.between();
		const { alone } = cpu;
		if (!alone && next === Number.POSITIVE_INFINITY && cpu.stall === 0 && !this.#unsettled) {
			this.machine.hart.faults = null;
		}
		if (this.#interrupted) {
			this.#interrupted = false;
			return 0;
		}
		// What has struck may concern those who let the hart run.
		return settled || !alone ? next : 1;
	}

	/** Rules whose instant has come strike; and the families do what they wait for. */
	#settle(instret: number): void {
		let next = this.#strikeDue(instret);
		this.#unsettled = this.#rules.some(({ stage }) => stage === "due");
		for (const family of this.#familyList) {
			if (family !== this.#cpu && family.waits) next = Math.min(next, family.between());
		}
		this.#ahead = instret + next;
	}

	/** => instructions until the next rule is due */
	#strikeDue(instret: number): number {
		let next = Number.POSITIVE_INFINITY;
		do {
			this.#again = false;
			for (const armed of this.#rules) {
				const { atInsn } = armed.rule.when ?? {};
				if (armed.stage === "ahead" && atInsn !== undefined) {
					if (atInsn > instret) next = Math.min(next, atInsn - instret);
					else if (this.#isReached(armed)) armed.stage = "due";
				}
				if (armed.stage === "due") this.#strike(armed);
			}
		} while (this.#again);
		return next;
	}

	interrupted(): void {
		this.#interrupted = true;
		this.machine.hart.state.leave = 1;
	}

	/**
	 * Rules may have opened, or the plan's state has changed. Those whose instant it is strike before
	 * the next instruction; `now`: right now, as far as their kind can.
	 */
	opened(now: boolean): void {
		for (const armed of this.#rules) {
			if (!this.#isGated(armed) || armed.stage !== "ahead" || !this.#isReached(armed)) continue;
			armed.stage = "due";
			this.#again = true;
			if (now) this.#strikeNow(armed);
		}
		this.connect();
		this.machine.hart.state.leave = 1;
	}

	get alone(): boolean {
		return this.#cpu.alone;
	}

	fetched(half: number, which: 0 | 1): number {
		return this.#cpu.fetched(half, which);
	}

	decoded(word: number): void {
		this.#cpu.decoded(word);
	}

	executed(): void {
		this.#cpu.executed();
	}

	get stall(): number {
		return this.#cpu.stall;
	}

	stalled(cycles: number): void {
		this.#cpu.stalled(cycles);
	}

	get now(): number {
		const { i32 } = this.machine.memory;
		return this.machine.clock.cycles + i32[H_BUDGET]! - i32[H_LEFT]!;
	}

	get instructions(): number {
		const { steps, traps } = this.machine.hart;
		return steps - traps.taken;
	}

	decides({ arming }: Armed): number {
		return arming.decide(this.now);
	}

	note({ rule }: Armed, ordinal: number, target: string, effect: string): void {
		this.ledger.add({ rule: rule.id, ordinal, ...this.#place(), target, effect });
	}

	acts(armed: Armed, target: string, effect: string): boolean {
		const ordinal = this.decides(armed);
		if (ordinal < 0) return false;
		this.note(armed, ordinal, target, effect);
		return true;
	}

	draw({ rule }: Armed, ordinal: number, field: string, n: number): number {
		return drawBelow(this.#seed, rule.id, ordinal, field, n);
	}

	/** Be asked before slices while there is something to wait for, and not otherwise. */
	connect(): void {
		const waits = ({ rule, stage }: Armed): boolean =>
			stage === "due" || (stage === "ahead" && rule.when?.atInsn !== undefined);
		const wanted =
			this.#rules.some((armed) => hasInstant(armed.rule) && waits(armed)) ||
			this.#familyList.some((family) => family.waits);
		this.machine.hart.faults = wanted ? this : null;
		this.#unsettled = true;
	}

	/** Rules have come or gone. */
	#changed(isRestored = false): void {
		for (const [name, family] of this.#families) {
			const own = this.#rules.filter(({ rule }) => familyOf(rule) === name);
			family.connect(own, isRestored);
		}
		this.connect();
	}

	#arming(rule: MachineRule): Arming {
		return new Arming(this.#seed, withLife(rule), isGated(rule) ? this.#gates : null);
	}

	/** => what is wrong with a rule, or "" */
	#complaint(rule: MachineRule): string {
		const { atNs, atInsn } = rule.when ?? {};
		if (hasInstant(rule)) {
			const none = atNs === undefined && atInsn === undefined;
			const isElsewhen = hasTrigger(rule) || rule.state !== undefined;
			if (none ? !isElsewhen : atNs !== undefined && atInsn !== undefined) {
				return "when: needs atNs or atInsn, one of them, or a trigger";
			}
			const { life = "once" } = rule;
			if (lasts(rule) ? !isSpan(life) : life !== "once") {
				return lasts(rule) ? "life: is permanent or {forNs}" : "life: acts once, at its instant";
			}
		} else if (atNs !== undefined || atInsn !== undefined) {
			return `when: ${rule.model} has no instant; use hit, every, chance or window`;
		}
		const family = this.#families.get(familyOf(rule));
		return family === undefined ? `${rule.model}: there is no kernel of ours` : family.check(rule);
	}

	/** The event of rule `number`. */
	#reached(number: number): void {
		const armed = this.#rules.find((other) => other.number === number);
		if (armed === undefined || armed.stage !== "ahead") return;
		if (this.#isGated(armed) && !this.#isReached(armed)) return;
		armed.stage = "due";
		this.#strikeNow(armed);
		this.connect();
	}

	/** Before the next instruction, for what an instruction may be about to write. */
	#strikeNow(armed: Armed): void {
		if (familyOf(armed.rule) !== "cpu") this.#strike(armed);
	}

	/** Does the instant of the rule depend on more than time and instructions? */
	#isGated({ rule }: Armed): boolean {
		return this.#gates !== null && hasInstant(rule) && (hasTrigger(rule) || "state" in rule);
	}

	/** Is it the instant of the rule, or behind it? */
	#isReached({ rule }: Armed): boolean {
		const { atNs, atInsn } = rule.when ?? {};
		if (atNs !== undefined && this.now < atNs) return false;
		if (atInsn !== undefined && this.instructions < atInsn) return false;
		return this.#gates === null || this.#gates.isOpen(rule);
	}

	/** The rule's instant has come. It stays due while there is nothing yet to be hit. */
	#strike(armed: Armed): void {
		if (armed.arming.isClosed) {
			// A rule that struck before has changed the plan's state.
			armed.stage = "ahead";
			return;
		}
		if (this.#families.get(familyOf(armed.rule))!.strike(armed)) armed.stage = "done";
	}

	/** Where the machine is, perhaps in the middle of a slice. */
	#place(): FaultPlace {
		return { ns: this.now, instructions: this.instructions, pc: this.machine.hart.pc };
	}

	#schedule({ number, rule, stage }: Armed): void {
		const { atNs } = rule.when ?? {};
		if (atNs !== undefined && stage === "ahead") {
			this.machine.clock.scheduleFirst(atNs, this.#event, number);
		}
	}
}
