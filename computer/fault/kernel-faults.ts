/** Faults of the kernel's allocations: those that may fail do. */
import { Arming, type ArmingState, type Gates } from "../../devices/fault/arming.ts";
import type { FaultPlace } from "../../devices/fault/fault-place.ts";
import { Ledger, type LedgerState } from "../../devices/fault/ledger.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import { POOL_SIZES } from "../../kernel/kern/core/pools.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** What can be refused, by the kernel's names: pages and the like, and items of pools. */
export const ALLOCATIONS: readonly string[] = [
	"page",
	"pager_map",
	"swslot",
	"loan",
	"buf",
	...Object.keys(POOL_SIZES),
];

/** A request for memory, which may fail, does. A candidate is such a request. */
export interface AllocFail {
	/** One of ALLOCATIONS. Default: all of them. */
	readonly of?: string | undefined;
}

/** The models of the kernel, with their parameters. */
export interface KernelModels {
	readonly "alloc.fail": AllocFail;
}

export type KernelRule = FaultRule & {
	readonly model: "alloc.fail";
	readonly params: AllocFail;
};

export const isKernelRule = (rule: FaultRule): rule is KernelRule => rule.model === "alloc.fail";

export interface KernelFaultsState {
	readonly seed: number;
	readonly rules: readonly { readonly rule: KernelRule; readonly state: ArmingState }[];
	readonly ledger: LedgerState;
}

export class KernelFaults {
	readonly ledger = new Ledger();
	readonly #kernel: Kernel;
	readonly #place: () => FaultPlace;
	#seed = 1;
	#armings: Arming[] = [];

	readonly #gates: Gates;

	/** `place` says where the computer is, and `gates` which rules are open. */
	constructor(kernel: Kernel, place: () => FaultPlace, gates: Gates) {
		this.#gates = gates;
		this.#kernel = kernel;
		this.#place = place;
	}

	/** The rules in force, in their order. */
	get armings(): readonly Readonly<Arming>[] {
		return this.#armings;
	}

	/**
	 * Replace all rules, and forget what the old ones have done. `candidates` says how many each has
	 * had.
	 */
	load(
		rules: readonly KernelRule[],
		seed = 1,
		candidates: ReadonlyMap<string, number> = new Map(),
	): void {
		this.#seed = seed;
		this.ledger.clear();
		this.#armings = rules.map((rule) => new Arming(seed, rule, this.#gates));
		for (const arming of this.#armings) arming.candidates = candidates.get(arming.rule.id) ?? 0;
		this.#connect();
	}

	save(): KernelFaultsState {
		return {
			seed: this.#seed,
			rules: this.#armings.map((a) => ({ rule: a.rule as KernelRule, state: a.save() })),
			ledger: this.ledger.save(),
		};
	}

	restore(state: KernelFaultsState): void {
		this.#seed = state.seed;
		this.#armings = state.rules.map(({ rule, state: progress }) => {
			const arming = new Arming(this.#seed, rule, this.#gates);
			arming.restore(progress);
			return arming;
		});
		this.ledger.restore(state.ledger);
		this.#connect();
	}

	/** Without rules the kernel does not ask. */
	#connect(): void {
		this.#kernel.failinject = this.#armings.length === 0 ? null : (what) => this.#refuses(what);
	}

	#refuses(what: string): boolean {
		const place = this.#place();
		// A kernel that cannot start has nobody to tell.
		if (place.instructions === 0) return false;
		let refused = false;
		for (const arming of this.#armings) {
			const { id, params } = arming.rule as KernelRule;
			if (params.of !== undefined && params.of !== what) continue;
			const ordinal = arming.decide(place.ns);
			if (ordinal < 0) continue;
			refused = true;
			const target = `${what} for ${this.#kernel.curlwp.l_name}`;
			this.ledger.add({ rule: id, ordinal, ...place, target, effect: "refused" });
		}
		return refused;
	}
}
