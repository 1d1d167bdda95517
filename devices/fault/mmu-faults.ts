/**
 * Faults of the MMU: walks that read the wrong entry or set the wrong bits, faults without reason,
 * errors of the TLB, and what becomes of fences (mmu-fences.ts).
 */

import {
	D_IN_TLB,
	D_MISSED,
	D_SET,
	type DirtyFate,
	LEVEL_LEAF,
	LEVEL_POINTER,
	LEVEL_RIGHT,
	LEVEL_SUPERPAGE,
	type LevelFate,
	type MmuFaults,
} from "../../machine/fault-hooks.ts";
import type { WordHash } from "../../machine/hash.ts";
import { type Access, PAGE_SHIFT, PAGE_SIZE, SATP_ASID_MAX } from "../../machine/port.ts";
import { PTE_A, PTE_V } from "../../machine/pte.ts";
import { walk } from "../../machine/walk.ts";
import {
	type Armed,
	change,
	type Family,
	type FaultHost,
	firstOf,
	hex,
	notBoth,
	range,
	WORD_MAX,
} from "./fault-host.ts";
import { hasInstant, type MachineRule } from "./machine-rule.ts";
import { FenceFaults, type LateFence } from "./mmu-fences.ts";
import { flipPte, flipTlb, pteMask, runningAsid, runningRoot } from "./mmu-flips.ts";
import type { PteBit, TranslationTarget } from "./mmu-rule.ts";

const ACCESS_NAMES = ["fetch", "load", "store"] as const;
const DELAY_MAX = 2 ** 32;

/** Which way the walk goes wrong, for each value of `as`. */
const LEVELS = {
	pointer: LEVEL_POINTER,
	leaf: LEVEL_LEAF,
	superpage: LEVEL_SUPERPAGE,
} as const;

interface MmuRulesState {
	readonly late: readonly LateFence[];
}

function translates(
	{ va: page, asid: space }: TranslationTarget,
	va: number,
	asid: number,
): boolean {
	return (
		(page === undefined || page >>> PAGE_SHIFT === va >>> PAGE_SHIFT) &&
		(space === undefined || space === asid)
	);
}

const checkBit = ({ field, bit }: PteBit): string =>
	firstOf(notBoth("field", field, "bit", bit), range("bit", bit, 0, 31));

export class MmuRules implements Family, MmuFaults {
	readonly #host: FaultHost;
	readonly #fences: FenceFaults;
	#rules: readonly Armed[] = [];

	constructor(host: FaultHost) {
		this.#host = host;
		this.#fences = new FenceFaults(host);
	}

	check(rule: MachineRule): string {
		const { va, asid } = rule.params as TranslationTarget;
		const wrong = firstOf(range("va", va, 0, WORD_MAX), range("asid", asid, 0, SATP_ASID_MAX));
		if (wrong !== "") return wrong;
		switch (rule.model) {
			case "mmu.tlb-flip":
			case "mmu.pte-flip":
			case "mmu.walk-flip":
				return checkBit(rule.params);
			case "mmu.delayed-fence":
				return range("delayInsns", rule.params.delayInsns, 1, DELAY_MAX);
			default:
				return "";
		}
	}

	connect(rules: readonly Armed[]): void {
		this.#rules = rules.filter(({ rule }) => !hasInstant(rule));
		this.#fences.connect(this.#rules);
		this.#host.machine.hart.mmu.faults = this.#rules.length === 0 ? null : this;
	}

	strike(armed: Armed): boolean {
		const { rule, arming } = armed;
		const { machine } = this.#host;
		const ordinal = arming.candidates;
		const choose = (field: string, n: number) => this.#host.draw(armed, ordinal, field, n);
		if (rule.model === "mmu.pte-flip") {
			const { asid } = rule.params;
			if (asid !== undefined && asid !== runningAsid(machine)) return false;
			const flip = flipPte(machine, rule.params, choose);
			if (flip !== null && this.#host.acts(armed, flip.target, flip.effect)) flip.apply();
		} else if (rule.model === "mmu.tlb-flip") {
			const flip = flipTlb(machine, rule.params, choose);
			if (flip !== null && this.#host.acts(armed, flip.target, flip.effect)) flip.apply();
		}
		return true;
	}

	get waits(): boolean {
		return this.#fences.late.length > 0;
	}

	between(): number {
		return this.#fences.between();
	}

	save(): MmuRulesState {
		return { late: this.#fences.late.slice() };
	}

	restore(state: unknown): void {
		this.#fences.late = (state as MmuRulesState | undefined)?.late ?? [];
	}

	hashInto(hash: WordHash): void {
		for (const { va, asid, at } of this.#fences.late) hash.number(va).number(asid).number(at);
	}

	fences(va: number, asid: number): boolean {
		return this.#fences.fences(va, asid);
	}

	reads(va: number, asid: number, level: 0 | 1, pte: number): number {
		let read = pte;
		for (const armed of this.#rules) {
			const { rule, arming } = armed;
			if (rule.model !== "mmu.walk-flip" || !translates(rule.params, va, asid)) continue;
			if ((rule.params.level ?? 0) !== level) continue;
			const ordinal = arming.candidates;
			const mask = pteMask(rule.params, (field, n) => this.#host.draw(armed, ordinal, field, n));
			const target = `level ${level} entry of ${hex(va)} asid ${asid}, mask ${hex(mask)}`;
			if (this.#host.acts(armed, target, change(read, read ^ mask))) read ^= mask;
		}
		return read;
	}

	misreads(va: number, asid: number, level: 0 | 1, isLeaf: boolean): LevelFate {
		let fate: LevelFate = LEVEL_RIGHT;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.wrong-level" || !translates(rule.params, va, asid)) continue;
			const { as = "superpage" } = rule.params;
			if ((as === "superpage") !== (level === 0)) continue;
			if (level === 1 && (as === "pointer") !== isLeaf) continue;
			const target = `level ${level} entry of ${hex(va)} asid ${asid}`;
			if (this.#host.acts(armed, target, `taken for a ${as}`)) fate = LEVELS[as];
		}
		return fate;
	}

	refuses(va: number, asid: number, access: Access): boolean {
		let refused = false;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.spurious-fault" || !translates(rule.params, va, asid)) continue;
			const { access: only } = rule.params;
			if (only !== undefined && only !== ACCESS_NAMES[access]) continue;
			const target = `${ACCESS_NAMES[access]} at ${hex(va)} asid ${asid}`;
			if (this.#host.acts(armed, target, "page fault")) refused = true;
		}
		return refused;
	}

	missesA(va: number, asid: number): boolean {
		let missed = false;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.missed-a" || !translates(rule.params, va, asid)) continue;
			if (this.#host.acts(armed, `access to ${hex(va)} asid ${asid}`, "A stayed clear")) {
				missed = true;
			}
		}
		return missed;
	}

	missesD(va: number, asid: number): DirtyFate {
		let fate: DirtyFate = D_SET;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.missed-d" || !translates(rule.params, va, asid)) continue;
			const stays = rule.params.entry === "dirty" ? D_IN_TLB : D_MISSED;
			const effect = stays === D_IN_TLB ? "D stayed clear in RAM" : "D stayed clear";
			const target = `store to ${hex(va)} asid ${asid}`;
			if (this.#host.acts(armed, target, effect) && fate !== D_IN_TLB) fate = stays;
		}
		return fate;
	}

	setsD(va: number, asid: number): boolean {
		let set = false;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.false-d" || !translates(rule.params, va, asid)) continue;
			if (this.#host.acts(armed, `walk for ${hex(va)} asid ${asid}`, "D set")) set = true;
		}
		return set;
	}

	walked(va: number, asid: number): void {
		const { machine } = this.#host;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "mmu.false-a") continue;
			if (rule.params.asid !== undefined && rule.params.asid !== asid) continue;
			const page = rule.params.va ?? (va + PAGE_SIZE) % 2 ** 32;
			if (page >>> PAGE_SHIFT === va >>> PAGE_SHIFT) continue;
			const leaf = walk(machine.memory, runningRoot(machine), page);
			if (leaf === null || (leaf.pte & (PTE_V | PTE_A)) !== PTE_V) continue;
			if (!this.#host.acts(armed, `pte of ${hex(page)} asid ${asid}`, "A set")) continue;
			machine.dma.store32(leaf.at, (leaf.pte | PTE_A) >>> 0);
			machine.hart.state.leave = 1;
		}
	}
}
