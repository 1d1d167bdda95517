/**
 * Faults of the kernel's resources: from an instant on, for ever or for a time, some are held.
 *
 * The kernel must not be in the middle of something then. So they are taken and given back before
 * the next slice of user code, or while the processor has nothing to do; an event of the clock
 * looks for that again and again.
 */
import {
	type Armed,
	type Family,
	type FaultHost,
	firstOf,
	range,
} from "../../devices/fault/fault-host.ts";
import type { MachineRule } from "../../devices/fault/machine-rule.ts";
import { timer_arm_by } from "../../kernel/kern/proc/timer.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
	type uvm_hold,
	uvm_hold_init,
	uvm_hold_pages,
	uvm_hold_release,
	uvm_hold_slots,
	uvm_hold_windows,
	uvm_hold_wired,
} from "../../kernel/uvm/uvm_hold.ts";

/** Until the next attempt to act, and to take pages that were not free, in ns. */
const AGAIN = 10_000;
const MORE_PAGES = 1_000_000;

const COUNT_MAX = 2 ** 31;

/** What a rule holds. Plain data. */
interface Held {
	readonly rule: number;
	/** In ns. Infinity: for ever. */
	readonly until: number;
	/** Pages that it still wants, and when it asks for them. */
	readonly wanted: number;
	readonly asks: number;
}

interface KernelHoldsState {
	readonly held: readonly Held[];
	readonly asked: boolean;
}

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

/** => what is wrong with two parameters of which one must be given, or "" */
const either = (one: string, a: unknown, other: string, b: unknown): string =>
	(a === undefined) === (b === undefined) ? `expected either ${one} or ${other}` : "";

export class KernelHolds implements Family {
	readonly #host: FaultHost;
	readonly #attached: () => Kernel | null;
	readonly #event: number;
	#rules: readonly Armed[] = [];
	#held: readonly Held[] = [];
	/** Something is to be done before the next slice. */
	#asked = false;

	/** `attached`: the kernel; null before it runs. */
	constructor(host: FaultHost, attached: () => Kernel | null) {
		this.#host = host;
		this.#attached = attached;
		this.#event = host.machine.clock.register(() => this.#look());
	}

	check(rule: MachineRule): string {
		switch (rule.model) {
			case "alloc.hold-pages": {
				const { pages, leave } = rule.params;
				const numbers = [range("pages", pages, 1, COUNT_MAX), range("leave", leave, 0, COUNT_MAX)];
				return firstOf(either("pages", pages, "leave", leave), ...numbers);
			}
			case "alloc.hold-slots": {
				const { leave, every } = rule.params;
				const numbers = [range("leave", leave, 0, COUNT_MAX), range("every", every, 2, COUNT_MAX)];
				return firstOf(either("leave", leave, "every", every), ...numbers);
			}
			case "alloc.wire-limit":
				return range("pages", rule.params.pages, 0, COUNT_MAX);
			case "alloc.pager-windows":
				return range("leave", rule.params.leave, 0, COUNT_MAX);
			default:
				return "";
		}
	}

	connect(rules: readonly Armed[], isRestored: boolean): void {
		this.#rules = rules;
		if (isRestored) return;
		const gone = this.#held.filter(({ rule }) => !rules.some(({ number }) => number === rule));
		for (const held of gone) this.#release(held);
		if (rules.length === 0) this.#host.machine.clock.cancel(this.#event);
	}

	strike(): boolean {
		this.#look();
		return false;
	}

	get waits(): boolean {
		return this.#asked;
	}

	/** Before a slice: user code is about to run, so the kernel is in the middle of nothing. */
	between(): number {
		this.#act();
		return Number.POSITIVE_INFINITY;
	}

	save(): KernelHoldsState {
		return { held: this.#held, asked: this.#asked };
	}

	/** => what is held, and the clock's events, are in the state that was restored beside this. */
	restore(state: unknown): void {
		const { held, asked } = (state as KernelHoldsState | undefined) ?? { held: [], asked: false };
		this.#held = held;
		this.#asked = asked;
	}

	hashInto(): void {}

	/** Something may be due: now or as soon as possible. */
	#look(): void {
		if (!this.#isDue()) {
			this.#schedule();
			return;
		}
		if (this.#isIdle()) {
			this.#act();
			return;
		}
		this.#asked = true;
		this.#host.connect();
		const { clock } = this.#host.machine;
		clock.cancel(this.#event);
		clock.schedule(this.#host.now + AGAIN, this.#event);
	}

	#isDue(): boolean {
		const { now } = this.#host;
		return (
			this.#rules.some(({ stage }) => stage === "due") ||
			this.#held.some(({ until, wanted, asks }) => until <= now || (wanted > 0 && asks <= now))
		);
	}

	/** Has the kernel booted, and nothing to do? */
	#isIdle(): boolean {
		const k = this.#attached();
		if (k === null || k.uvm.pagedaemon === null) return false;
		return k.curlwp === k.lwp0 && k.simplelocks === 0;
	}

	/** Do all that is due. => the kernel is in the middle of nothing. */
	#act(): void {
		const k = this.#attached();
		if (k === null) return;
		const { now } = this.#host;
		let done = false;
		this.#asked = false;
		for (const armed of this.#rules) {
			if (armed.stage !== "due" || armed.arming.isClosed) continue;
			armed.stage = "done";
			this.#begin(k, armed);
			done = true;
		}
		for (const held of this.#held) {
			if (held.until <= now) this.#release(held);
			else if (held.wanted > 0 && held.asks <= now) this.#more(k, held);
			else continue;
			done = true;
		}
		this.#schedule();
		if (!done || (k.runkernel.head === null && k.runuser.head === null)) return;
		// Threads that were woken run, even if nothing else would happen.
		timer_arm_by(k, k.port.cycles);
		this.#host.interrupted();
	}

	#begin(k: Kernel, armed: Armed): void {
		const ordinal = this.#host.decides(armed);
		if (ordinal < 0) return;
		const { rule, number } = armed;
		const { now } = this.#host;
		const hold = uvm_hold_init(k, number);
		const [effect, wanted] = this.#take(k, hold, rule);
		this.#host.note(armed, ordinal, "the kernel", effect);
		const { life } = rule;
		const lasts = typeof life === "object" && "forNs" in life ? life.forNs : undefined;
		const until = now + (lasts ?? Number.POSITIVE_INFINITY);
		this.#held = [...this.#held, { rule: number, until, wanted, asks: now + MORE_PAGES }];
	}

	/** => what was done, in words; and how many pages are still wanted */
	#take(k: Kernel, hold: uvm_hold, rule: MachineRule): [string, number] {
		switch (rule.model) {
			case "alloc.hold-pages": {
				const { pages, leave = 0 } = rule.params;
				const wanted = pages ?? Math.max(0, k.uvmexp.free - leave);
				const held = uvm_hold_pages(k, hold, wanted);
				const later = pages === undefined ? 0 : wanted - held;
				const more = later === 0 ? "" : `, ${later} more when they are free`;
				return [`${plural(held, "page")} held${more}`, later];
			}
			case "alloc.hold-slots": {
				const { leave = 0, every = null } = rule.params;
				return [`${plural(uvm_hold_slots(k, hold, leave, every), "slot")} held`, 0];
			}
			case "alloc.wire-limit":
				uvm_hold_wired(k, hold, rule.params.pages);
				return [`wiredmax is ${rule.params.pages}`, 0];
			case "alloc.pager-windows":
				uvm_hold_windows(hold, rule.params.leave);
				return [`${plural(rule.params.leave, "window")} of pager_map left`, 0];
			default:
				return ["nothing", 0];
		}
	}

	#more(k: Kernel, held: Held): void {
		const hold = k.uvm.holds.find(({ h_owner }) => h_owner === held.rule)!;
		const wanted = held.wanted - uvm_hold_pages(k, hold, held.wanted);
		const after: Held = { ...held, wanted, asks: this.#host.now + MORE_PAGES };
		this.#held = this.#held.map((other) => (other === held ? after : other));
	}

	#release(held: Held): void {
		const k = this.#attached();
		const hold = k?.uvm.holds.find(({ h_owner }) => h_owner === held.rule);
		if (hold !== undefined) uvm_hold_release(k!, hold);
		this.#held = this.#held.filter((other) => other !== held);
	}

	/** Have the clock look when something is due next. */
	#schedule(): void {
		const { clock } = this.#host.machine;
		clock.cancel(this.#event);
		const times = this.#held.flatMap(({ until, wanted, asks }) => [
			until,
			wanted > 0 ? asks : Number.POSITIVE_INFINITY,
		]);
		const next = Math.min(Number.POSITIVE_INFINITY, ...times);
		if (next < Number.POSITIVE_INFINITY) clock.schedule(next, this.#event);
	}
}
