/**
 * Triggers of rules, and the state of their plan.
 *
 * A rule is open when its triggers have come and the plan is in its state. Until then it counts no
 * candidates; a rule of an instant acts when it opens. What is in force goes on whatever the state.
 * Triggers are counted from when `atNs` and `atInsn` are reached, and in the rule's state; those of
 * `pc`, `access` and `event` also only behind the rule's milestone.
 *
 * - pc: before the instruction is executed.
 * - access: behind the instruction. Accesses of the hart alone count: neither those of page table
 *   walks and devices, nor those of a kernel that has no code of its own.
 * - event: when it is logged; the kernel must keep UVMHIST.
 * - milestone: behind the byte with which the line matches.
 */
import { ALONE_TRIGGER } from "../../machine/code-cache.ts";
import { WATCH_LOAD, WATCH_STORE } from "../../machine/debug.ts";
import type { HartTriggers } from "../../machine/fault-hooks.ts";
import type { Machine } from "../../machine/machine.ts";
import { H_BUDGET, H_LEFT } from "../../machine/memory.ts";
import { GUARD_TRIGGERS } from "../../machine/mirror.ts";
import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "../../machine/port.ts";
import { translateNow } from "../../machine/walk.ts";
import type { Gates } from "./arming.ts";
import { LINE_MAX, LinePattern } from "./line-pattern.ts";
import type { AccessTrigger, FaultRule, PlanStateName } from "./rule.ts";

/** The conditions that are triggers. */
export const TRIGGERS = ["pc", "access", "event", "milestone"] as const;
export type TriggerName = (typeof TRIGGERS)[number];

/** The state in which each plan begins. */
const FIRST_STATE = 1;

export const hasTrigger = ({ when = {} }: FaultRule): boolean =>
	TRIGGERS.some((name) => when[name] !== undefined);

/** Are there conditions, or a state of the plan, that Triggers follow? */
export const isGated = (rule: FaultRule): boolean =>
	hasTrigger(rule) || rule.state !== undefined || rule.nextState !== undefined;

export interface TriggersState {
	readonly state: PlanStateName;
	readonly rules: readonly { readonly rule: FaultRule; readonly counts: TriggerCounts }[];
	/** The step before which pc was looked at last, or -1. */
	readonly passing: number;
	/** What the console's line holds. */
	readonly line: Uint8Array;
}

/** How often each trigger has come; no more is counted than it needs. */
type TriggerCounts = Readonly<Record<TriggerName, number>>;

const NOBODY = { pc: [], access: [], event: [], milestone: [] };

interface Watched {
	readonly rule: FaultRule;
	readonly counts: Record<TriggerName, number>;
	/** The address of `when.pc`, or -1. */
	readonly pc: number;
	readonly pattern: LinePattern | null;
}

const isMet = ({ rule, counts }: Watched, name: TriggerName): boolean => {
	const trigger = rule.when?.[name];
	return trigger === undefined || counts[name] >= (trigger.hit ?? 1);
};

const matches = ({ kind }: AccessTrigger, watch: number): boolean =>
	(kind.includes("r") && (watch & WATCH_LOAD) !== 0) ||
	(kind.includes("w") && (watch & WATCH_STORE) !== 0);

const overlaps = (
	range: readonly [number, number] | undefined,
	from: number,
	bytes: number,
): boolean => range === undefined || (from < range[1] && range[0] < from + bytes);

export class Triggers implements Gates, HartTriggers {
	/** Rules may have opened. `now`: it is not the hart that has opened them. */
	opened: (now: boolean) => void = () => {};
	/** Events of UVMHIST are wanted. */
	wantsEvents: () => void = () => {};
	readonly #machine: Machine;
	readonly #symbols: (name: string) => number | undefined;
	#state: PlanStateName = FIRST_STATE;
	#rules: ReadonlyMap<string, Watched> = new Map();
	/** Rules that wait for a trigger of this kind now. */
	#waiting: Readonly<Record<TriggerName, readonly Watched[]>> = NOBODY;
	#passing = -1;
	/** The access that an instruction is about to make: 0 bytes: none. */
	#va = 0;
	#bytes = 0;
	#kind = 0;
	/** Those of them that wait for an instruction to be fetched. */
	#waitingForFetch: readonly Watched[] = [];
	/** The addresses that rules wait for. */
	#addresses: readonly number[] = [];
	/** Those that want the instruction that is executed now: the first so many of these. */
	readonly #fetching: Watched[] = [];
	#fetchings = 0;
	readonly #isFetching = (watched: Watched): boolean => {
		const at = this.#fetching.indexOf(watched);
		return at >= 0 && at < this.#fetchings;
	};
	#line: number[] = [];

	/** `symbols`: addresses of the program's symbols, for rules that were checked. */
	constructor(machine: Machine, symbols: (name: string) => number | undefined) {
		this.#machine = machine;
		this.#symbols = symbols;
	}

	/** Follow these rules, from the beginning; a pattern begins with the next line or byte. */
	load(rules: readonly FaultRule[]): void {
		this.#state = FIRST_STATE;
		this.#passing = -1;
		this.#watch(rules.filter(isGated).map((rule) => [rule, undefined]));
		this.#arm();
	}

	save(): TriggersState | null {
		if (this.#rules.size === 0) return null;
		const rules = [...this.#rules.values()].map(({ rule, counts }) => ({
			rule,
			counts: { ...counts },
		}));
		const line = Uint8Array.from(this.#line);
		return { state: this.#state, rules, passing: this.#passing, line };
	}

	/** To be called beside the restoring of the machine. null: there are no triggers. */
	restore(saved: TriggersState | null): void {
		if (saved === null) {
			this.load([]);
			return;
		}
		this.#state = saved.state;
		this.#passing = saved.passing;
		this.#watch(saved.rules.map(({ rule, counts }) => [rule, counts]));
		this.#line = [...saved.line];
		for (const { pattern } of this.#rules.values()) {
			for (const byte of this.#line) pattern?.put(byte);
		}
		this.#arm();
	}

	isOpen(rule: FaultRule): boolean {
		const watched = this.#rules.get(rule.id);
		return watched === undefined || this.#isOpen(watched);
	}

	activated({ nextState }: FaultRule): void {
		if (nextState === undefined || nextState === this.#state) return;
		this.#state = nextState;
		this.#arm();
		this.opened(false);
	}

	get waitsForEvents(): boolean {
		return this.#waiting.event.length > 0;
	}

	/** The state of the plan. */
	get state(): PlanStateName {
		return this.#state;
	}

	/** The kernel has logged an event. */
	event(fn: string, message: string): void {
		this.#count("event", true, ({ rule }) => {
			const name = rule.when!.event!.uvmhist;
			return name === fn || name === `${fn}: ${message}`;
		});
	}

	/** The console has printed a byte. */
	printed(byte: number): void {
		if (this.#rules.size === 0) return;
		if (byte === 10) this.#line = [];
		else if (this.#line.length < LINE_MAX) this.#line.push(byte);
		const matching = new Set<Watched>();
		for (const watched of this.#rules.values()) {
			if (watched.pattern?.put(byte)) matching.add(watched);
		}
		if (matching.size > 0) this.#count("milestone", true, (watched) => matching.has(watched));
	}

	reaches(pc: number): boolean {
		if (!this.#addresses.includes(pc)) return false;
		const { steps } = this.#machine.hart;
		if (steps === this.#passing) return false;
		if (!this.#count("pc", false, (watched) => watched.pc === pc)) return false;
		this.#passing = steps;
		return true;
	}

	fetches(pc: number, bytes: 2 | 4): boolean {
		let n = 0;
		const waiting = this.#waitingForFetch;
		for (let i = 0; i < waiting.length; i++) {
			const { va, pa } = waiting[i]!.rule.when!.access!;
			if (overlaps(va, pc, bytes) && this.#isAt(pa, pc, bytes)) this.#fetching[n++] = waiting[i]!;
		}
		this.#fetchings = n;
		return n > 0;
	}

	fetched(): boolean {
		return this.#count("access", false, this.#isFetching);
	}

	accesses(va: number, bytes: number, kind: number): void {
		this.#va = va >>> 0;
		this.#bytes = bytes;
		this.#kind = kind;
	}

	accessed(): boolean {
		if (this.#bytes === 0) return false;
		const bytes = this.#bytes;
		this.#bytes = 0;
		return this.#count("access", false, ({ rule }) => {
			const access = rule.when!.access!;
			const { va, pa } = access;
			const isMeant = matches(access, this.#kind) && overlaps(va, this.#va, bytes);
			return isMeant && this.#isAt(pa, this.#va, bytes);
		});
	}

	refused(): void {
		this.#bytes = 0;
	}

	/** Do the bytes at `va` lie in the range of physical addresses, some of them? */
	#isAt(range: readonly [number, number] | undefined, va: number, bytes: number): boolean {
		if (range === undefined) return true;
		const first = Math.min(bytes, PAGE_SIZE - (va & PAGE_MASK));
		const { hart } = this.#machine;
		const pa = translateNow(hart, va);
		if (pa >= 0 && overlaps(range, pa, first)) return true;
		if (first === bytes) return false;
		const second = translateNow(hart, (va + first) >>> 0);
		return second >= 0 && overlaps(range, second, bytes - first);
	}

	/** A trigger of this kind has come, for those who want it. => whether rules have opened */
	#count(name: TriggerName, now: boolean, wants: (watched: Watched) => boolean): boolean {
		let met = false;
		for (const watched of this.#waiting[name]) {
			if (!this.#isTime(watched) || !wants(watched)) continue;
			watched.counts[name]++;
			if (isMet(watched, name)) met = true;
		}
		if (!met) return false;
		this.#arm();
		this.opened(now);
		return true;
	}

	#isOpen(watched: Watched): boolean {
		return this.#isState(watched) && TRIGGERS.every((name) => isMet(watched, name));
	}

	#isState({ rule: { state } }: Watched): boolean {
		return state === undefined || state === this.#state;
	}

	/** Are `atNs` and `atInsn` reached? It may be in the middle of a slice. */
	#isTime({ rule }: Watched): boolean {
		const { atNs, atInsn } = rule.when ?? {};
		if (atNs === undefined && atInsn === undefined) return true;
		const { memory, clock, hart } = this.#machine;
		const ns = clock.cycles + memory.i32[H_BUDGET]! - memory.i32[H_LEFT]!;
		return (atNs === undefined || ns >= atNs) && hart.steps - hart.traps.taken >= (atInsn ?? 0);
	}

	#watch(rules: readonly (readonly [FaultRule, TriggerCounts | undefined])[]): void {
		this.#line = [];
		this.#rules = new Map(
			rules.map(([rule, counts]) => {
				const { pc, milestone } = rule.when ?? {};
				const watched: Watched = {
					rule,
					counts: { pc: 0, access: 0, event: 0, milestone: 0, ...counts },
					pc: pc === undefined ? -1 : (pc.addr ?? this.#symbols(pc.symbol!) ?? -1),
					pattern: milestone === undefined ? null : new LinePattern(milestone.console),
				};
				return [rule.id, watched];
			}),
		);
	}

	/** Watch what somebody waits for, and nothing else. */
	#arm(): void {
		const all = [...this.#rules.values()].filter((watched) => this.#isState(watched));
		const waiting = (name: TriggerName): readonly Watched[] =>
			all.filter(
				(watched) => !isMet(watched, name) && (name === "milestone" || isMet(watched, "milestone")),
			);
		this.#waiting = {
			pc: waiting("pc"),
			access: waiting("access"),
			event: waiting("event"),
			milestone: waiting("milestone"),
		};
		this.#addresses = this.#waiting.pc.map(({ pc }) => pc);
		this.#waitingForFetch = this.#waiting.access.filter(
			({ rule }) => rule.when!.access!.kind === "x",
		);
		if (this.#waiting.event.length > 0) this.wantsEvents();
		this.#connect();
	}

	#connect(): void {
		const { hart, memory } = this.#machine;
		const accesses = this.#waiting.access.map(({ rule }) => rule.when!.access!);
		const fetches = accesses.filter(({ kind }) => kind === "x");
		const data = accesses.filter(({ kind }) => kind !== "x");
		const offsets = new Set(this.#waiting.pc.map(({ pc }) => pc & PAGE_MASK & ~1));
		for (const { va, pa } of fetches) {
			for (const [from, to] of [va, pa].filter((range) => range !== undefined)) {
				// An instruction may begin in front of it.
				const end = Math.min(to, from + PAGE_SIZE);
				for (let at = from - (from % 2) - 2; at < end; at += 2) offsets.add(at & PAGE_MASK);
			}
		}
		hart.code.setAlone(offsets, ALONE_TRIGGER);
		hart.triggers = offsets.size === 0 ? null : this;
		const pages = new Set<number>();
		const hosts: number[] = [];
		for (const { va, pa } of data) {
			if (va !== undefined) {
				const last = (va[1] - 1) >>> PAGE_SHIFT;
				for (let vpn = va[0] >>> PAGE_SHIFT; vpn <= last; vpn++) pages.add(vpn);
			} else if (pa !== undefined) {
				for (let at = pa[0] - (pa[0] & PAGE_MASK); at < pa[1]; at += PAGE_SIZE) {
					const host = memory.offsetOf(at, PAGE_SIZE);
					if (host >= 0) hosts.push(host);
				}
			}
		}
		hart.mirror.guard(pages, GUARD_TRIGGERS);
		hart.mirror.observe(hosts);
		hart.watchAccesses(data.length === 0 ? null : this);
		// Forget the access of an instruction that nobody waits for any more.
		if (data.length === 0) this.#bytes = 0;
	}
}
