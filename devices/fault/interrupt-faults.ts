/** Faults of interrupts, between the devices and the hart: at the PLIC. */
import type { WordHash } from "../../machine/hash.ts";
import type { Board } from "../board.ts";
import { MEMORY_MAP } from "../memory-map.ts";
import {
	PLIC_CONTEXT_S,
	PLIC_NUM_SOURCES,
	type PlicFaults,
	REQUEST_DROPPED,
	REQUEST_PASSES,
	REQUEST_UNSEEN,
	type RequestFate,
} from "../plic.ts";
import { type Armed, change, type Family, type FaultHost, firstOf, range } from "./fault-host.ts";
import type { InterruptTarget } from "./interrupt-rule.ts";
import { hasInstant, type MachineRule, type RuleOf } from "./machine-rule.ts";

const RATE_HZ = 100_000;
const RATE_MAX = 1e8;
const STORM_NS = 10_000_000;
const NS_MAX = 2 ** 50;
const SECOND = 1e9;

/** A storm that goes on. */
interface Storm {
	readonly rule: number;
	readonly source: number;
	readonly every: number;
	readonly until: number;
}

interface InterruptFaultsState {
	readonly held: readonly number[];
	readonly again: readonly number[];
	readonly storms: readonly Storm[];
}

const DISK = /^(?:ld|disk)(\d)$/;

/** The source that a rule is about. => what is wrong with it, as a text; 0: it names none */
function sourceOf({ source, device }: InterruptTarget, board: Board): number | string {
	if (source !== undefined && device !== undefined) {
		return "source and device: only one can be given";
	}
	if (source !== undefined) {
		return range("source", source, 1, PLIC_NUM_SOURCES - 1) || source;
	}
	if (device === undefined) return 0;
	if (device === "uart") return MEMORY_MAP.uart.irq;
	if (device === "rtc") return MEMORY_MAP.rtc.irq;
	const slot = Number(DISK.exec(device)?.[1] ?? -1);
	if (slot < 0) return `device ${device}: must be a disk, uart or rtc`;
	const { length } = board.disks;
	return slot < length
		? MEMORY_MAP.virtio[slot]!.irq
		: `device ${device}: there are ${length} disks`;
}

/** May a rule leave out which source it is about? */
function needsNone({ model, params }: MachineRule): boolean {
	if (model === "irq.reordered") return true;
	if (model === "irq.flip") return params.register === "threshold";
	return model === "irq.spurious" && params.claim !== "id";
}

export class InterruptFaults implements Family, PlicFaults {
	readonly waits = false;
	readonly #host: FaultHost;
	readonly #delivery: number;
	readonly #gust: number;
	#rules: readonly Armed[] = [];
	/** Sources whose requests are under way. */
	#held = new Set<number>();
	/** Sources that have come again, and were not completed since then: that is no candidate. */
	#again = new Set<number>();
	#storms: Storm[] = [];

	constructor(host: FaultHost) {
		this.#host = host;
		this.#delivery = host.machine.clock.register((source) => this.#deliver(source));
		this.#gust = host.machine.clock.register((rule) => this.#blow(rule));
	}

	check(rule: MachineRule): string {
		const { board } = this.#host;
		if (board === null) return `${rule.model}: this machine has no interrupt controller`;
		const source = sourceOf(rule.params as InterruptTarget, board);
		if (typeof source === "string") return source;
		if (source === 0 && !needsNone(rule)) return "source: a source or device is needed";
		switch (rule.model) {
			case "irq.delayed":
				return range("addNs", rule.params.addNs, 1, NS_MAX);
			case "irq.storm":
				return firstOf(
					range("rateHz", rule.params.rateHz, 1, RATE_MAX),
					range("durNs", rule.params.durNs, 1, NS_MAX),
				);
			case "irq.flip": {
				const { register = "priority", bit } = rule.params;
				const hasBits = register === "priority" || register === "threshold";
				if (!hasBits && bit !== undefined) return `bit: ${register} has one for each source`;
				return range("bit", bit, 0, 2);
			}
			default:
				return "";
		}
	}

	connect(rules: readonly Armed[]): void {
		const { board, machine } = this.#host;
		this.#rules = rules.filter(({ rule }) => !hasInstant(rule));
		if (board !== null) board.plic.faults = this.#rules.length + this.#held.size > 0 ? this : null;
		for (const { rule } of this.#storms.filter((s) => !rules.some((r) => r.number === s.rule))) {
			machine.clock.cancel(this.#gust, rule);
		}
		this.#storms = this.#storms.filter((s) => rules.some((r) => r.number === s.rule));
	}

	strike(armed: Armed): boolean {
		const { rule } = armed;
		const board = this.#host.board!;
		const { plic } = board;
		const source = sourceOf(rule.params as InterruptTarget, board) as number;
		const name = `source ${source}`;
		if (rule.model === "irq.spurious") {
			const { claim = source === 0 ? "zero" : "id" } = rule.params;
			const target = claim === "zero" ? "S-mode" : name;
			if (!this.#host.acts(armed, target, `spurious, claim gives ${claim}`)) return true;
			if (claim === "zero") plic.phantom(PLIC_CONTEXT_S);
			else plic.inject(source);
		} else if (rule.model === "irq.flip") {
			this.#flip(armed, rule, source);
		} else if (rule.model === "irq.storm") {
			const { rateHz = RATE_HZ, durNs = STORM_NS } = rule.params;
			const every = Math.max(1, Math.round(SECOND / rateHz));
			if (!this.#host.acts(armed, name, `a request each ${every} ns for ${durNs} ns`)) return true;
			const { number } = armed;
			this.#storms.push({ rule: number, source, every, until: this.#host.now + durNs });
			this.#blow(number);
		}
		this.#host.interrupted();
		return true;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	save(): InterruptFaultsState {
		const sorted = (sources: Iterable<number>): number[] => [...sources].sort((a, b) => a - b);
		return {
			held: sorted(this.#held),
			again: sorted(this.#again),
			storms: this.#storms.slice(),
		};
	}

	restore(state: unknown): void {
		const saved = (state as InterruptFaultsState | undefined) ?? {};
		const { held = [], again = [], storms = [] } = saved as Partial<InterruptFaultsState>;
		this.#held = new Set(held);
		this.#again = new Set(again);
		this.#storms = [...storms];
		const { board } = this.#host;
		if (board !== null) board.plic.faults = this.#rules.length + held.length > 0 ? this : null;
	}

	hashInto(hash: WordHash): void {
		const { held, again } = this.save();
		for (const source of [...held, ...again]) hash.number(source);
	}

	requests(source: number): RequestFate {
		let fate: RequestFate = REQUEST_PASSES;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "irq.lost" && rule.model !== "irq.delayed") continue;
			if (sourceOf(rule.params, this.#host.board!) !== source) continue;
			if (rule.model === "irq.lost") {
				const { drop = "level" } = rule.params;
				if (!this.#host.acts(armed, `source ${source}`, `lost (${drop})`)) continue;
				fate = drop === "edge" ? REQUEST_UNSEEN : REQUEST_DROPPED;
				continue;
			}
			const { addNs } = rule.params;
			if (!this.#host.acts(armed, `source ${source}`, `${addNs} ns late`)) continue;
			if (fate === REQUEST_PASSES) fate = REQUEST_DROPPED;
			const { clock } = this.#host.machine;
			this.#held.add(source);
			clock.schedule(this.#host.now + addNs, this.#delivery, source);
		}
		return fate;
	}

	withdraws(source: number): void {
		if (!this.#held.delete(source)) return;
		this.#host.machine.clock.cancel(this.#delivery, source);
	}

	claims(best: number, open: readonly number[]): number {
		let source = best;
		if (open.length < 2) return source;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "irq.reordered") continue;
			const others = open.filter((other) => other !== best);
			const ordinal = this.#host.decides(armed);
			if (ordinal < 0) continue;
			const any = rule.params.pick === "any";
			const at = any ? this.#host.draw(armed, ordinal, "pick", others.length) : others.length - 1;
			source = others[at]!;
			this.#host.note(armed, ordinal, `claim of source ${best}`, `gave ${source}`);
		}
		return source;
	}

	completed(source: number): void {
		// A kernel that takes no time for it would be interrupted for ever.
		if (this.#again.delete(source)) return;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "irq.duplicated") continue;
			if (sourceOf(rule.params, this.#host.board!) !== source) continue;
			if (this.#host.acts(armed, `source ${source}`, "comes again")) {
				this.#again.add(source);
				this.#host.board!.plic.inject(source);
			}
		}
	}

	#flip(armed: Armed, { params }: RuleOf<"irq.flip">, source: number): void {
		const { register = "priority" } = params;
		const ordinal = armed.arming.candidates;
		const bit = params.bit ?? this.#host.draw(armed, ordinal, "bit", 3);
		if (this.#host.decides(armed) < 0) return;
		const [before, after] = this.#host.board!.plic.invert(register, source, 1 << bit);
		const target = register === "threshold" ? register : `${register} of source ${source}`;
		this.#host.note(armed, ordinal, target, change(before, after));
	}

	/** A request that was under way has arrived. */
	#deliver(source: number): void {
		if (!this.#held.delete(source)) return;
		this.#host.board!.plic.deliver(source);
	}

	/** The next request of a storm. */
	#blow(rule: number): void {
		const storm = this.#storms.find((other) => other.rule === rule);
		if (storm === undefined) return;
		const { clock } = this.#host.machine;
		const next = this.#host.now + storm.every;
		this.#host.board!.plic.inject(storm.source);
		if (next < storm.until) clock.schedule(next, this.#gust, rule);
		else this.#storms = this.#storms.filter((other) => other !== storm);
	}
}
