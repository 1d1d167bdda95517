/** Fences of the TLB that are lost, do less than they should, or come late. */
import type { Machine } from "../../machine/machine.ts";
import { FENCE_ALL, PAGE_SHIFT } from "../../machine/port.ts";
import type { TlbEntry } from "../../machine/tlb.ts";
import { type Armed, type FaultHost, hex } from "./fault-host.ts";
import type { RuleOf } from "./machine-rule.ts";
import { runningAsid } from "./mmu-flips.ts";
import type { FenceScope } from "./mmu-rule.ts";

const DELAY_INSNS = 100;

/** A fence that is yet to take effect, before the instruction after `at` retired ones. */
export interface LateFence {
	readonly va: number;
	readonly asid: number;
	readonly at: number;
}

/** Is a fence with these operands in the rule's scope? */
function inScope({ scope = "all" }: FenceScope, va: number, asid: number): boolean {
	if (scope === "va") return va !== FENCE_ALL;
	if (scope === "asid") return asid !== FENCE_ALL;
	return scope === "all" || (va === FENCE_ALL && asid === FENCE_ALL);
}

/** Does `entry` translate `va`? */
const isOfPage = ({ vpn, superpage }: TlbEntry, va: number): boolean =>
	superpage ? vpn >>> 10 === va >>> 22 : vpn === va >>> PAGE_SHIFT;

/** Should a fence with these operands remove `entry`? */
const removes = (entry: TlbEntry, va: number, asid: number): boolean =>
	(va === FENCE_ALL || isOfPage(entry, va)) &&
	(asid === FENCE_ALL || (!entry.global && entry.asid === asid));

/** Does a fence leave `entry`, by a rule in force? */
function keeps(
	{ params: { keeps: what = "half" } }: RuleOf<"mmu.partial-fence">,
	{ hart }: Machine,
	entry: TlbEntry,
	running: number,
): boolean {
	if (what === "half") return (Math.floor(entry.index / hart.tlb.ways) & 1) === 1;
	if (what === "superpages") return entry.superpage;
	if (what === "global") return entry.global;
	return !entry.global && entry.asid !== running;
}

export class FenceFaults {
	readonly #host: FaultHost;
	#rules: readonly Armed[] = [];
	#late: LateFence[] = [];

	constructor(host: FaultHost) {
		this.#host = host;
	}

	connect(rules: readonly Armed[]): void {
		this.#rules = rules;
	}

	get late(): readonly LateFence[] {
		return this.#late;
	}

	set late(late: readonly LateFence[]) {
		this.#late = [...late];
	}

	/** A fence. => true: what there is to do is done here */
	fences(va: number, asid: number): boolean {
		const { machine } = this.#host;
		const name = `sfence.vma va ${va === FENCE_ALL ? "all" : hex(va)} asid ${
			asid === FENCE_ALL ? "all" : asid
		}`;
		let lost = false;
		let delay = -1;
		const spared = new Set<number>();
		for (const armed of this.#rules) {
			const { rule } = armed;
			switch (rule.model) {
				case "mmu.lost-fence":
					if (inScope(rule.params, va, asid) && this.#host.acts(armed, name, "lost")) lost = true;
					break;
				case "mmu.delayed-fence": {
					if (!inScope(rule.params, va, asid)) break;
					const { delayInsns = DELAY_INSNS } = rule.params;
					const effect = `${delayInsns} instructions late`;
					if (this.#host.acts(armed, name, effect)) delay = Math.max(delay, delayInsns);
					break;
				}
				case "mmu.partial-fence":
					if (inScope(rule.params, va, asid)) this.#part(armed, rule, { va, asid, name }, spared);
					break;
				case "mmu.stale-entry":
					this.#stale(armed, rule, { va, asid, name }, spared);
					break;
			}
		}
		if (lost) return true;
		if (delay >= 0) {
			// An instruction that fences has not retired yet.
			this.#late.push({ va, asid, at: this.#host.instructions + delay });
			this.#host.connect();
			return true;
		}
		if (spared.size === 0) return false;
		machine.hart.mmu.flush(va, asid, (index) => spared.has(index));
		return true;
	}

	/** Before a slice. => instructions until the next late fence */
	between(): number {
		const { hart } = this.#host.machine;
		const { instret } = hart.counters;
		for (const { va, asid } of this.#late.filter(({ at }) => at <= instret)) {
			hart.mmu.flush(va, asid);
		}
		this.#late = this.#late.filter(({ at }) => at > instret);
		return this.#late.reduce((next, { at }) => Math.min(next, at - instret), Infinity);
	}

	#part(
		armed: Armed,
		rule: RuleOf<"mmu.partial-fence">,
		{ va, asid, name }: { va: number; asid: number; name: string },
		spared: Set<number>,
	): void {
		const { machine } = this.#host;
		const running = runningAsid(machine);
		const left = machine.hart.tlb
			.list()
			.filter((entry) => removes(entry, va, asid) && keeps(rule, machine, entry, running));
		if (!this.#host.acts(armed, name, `left ${left.length} entries`)) return;
		for (const { index } of left) spared.add(index);
	}

	#stale(
		armed: Armed,
		{ params }: RuleOf<"mmu.stale-entry">,
		{ va, asid, name }: { va: number; asid: number; name: string },
		spared: Set<number>,
	): void {
		const left = this.#host.machine.hart.tlb
			.list()
			.filter(
				(entry) =>
					removes(entry, va, asid) &&
					isOfPage(entry, params.va) &&
					(params.asid === undefined || entry.global || entry.asid === params.asid),
			);
		if (left.length === 0) return;
		if (!this.#host.acts(armed, name, `left the entry of ${hex(params.va)}`)) return;
		for (const { index } of left) spared.add(index);
	}
}
