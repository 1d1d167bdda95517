/** What an experiment may choose about paging: the option, its check, and what the kernel gets. */
import * as v from "valibot";
import { UVM_ADV_NORMAL, UVM_ADV_SEQUENTIAL } from "../kernel/uvm/uvm_extern.ts";
import {
	UVM_CLUSTER_MAX,
	UVM_MAXRANGE,
	UVM_POLICY,
	type uvm_policy,
} from "../kernel/uvm/uvm_policy.ts";
import { UserError } from "../machine/user-error.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";

/** Each choice that is missing is NetBSD's. */
export interface PagingPolicy {
	/**
	 * Which pages are given up when memory is short: "clock", second chance in the order in which
	 * pages became active, with inactive pages between the hands; "clockpro", CLOCK-Pro; "aging", an
	 * approximation of LRU with eight reference bits for each page; "random". Default: "clock".
	 */
	readonly replacement?: "clock" | "clockpro" | "aging" | "random" | undefined;
	/** Pages of one request to swap, 1 to 32. Default: 16. */
	readonly clusterPages?: number | undefined;
	/** A dirty page gets a new slot; if not, it is written where it was read. Default: true. */
	readonly reassignSlots?: boolean | undefined;
	/** Where no run of free slots is long enough: a single one, or the longest. Default: "single". */
	readonly slotAllocation?: "single" | "stepwise" | undefined;
	/** Pages that are read from swap with one request, if their slots are adjacent. Default: 1. */
	readonly swapinPages?: number | undefined;
	/** Pages that a fault maps, too, if they are in memory; 15 in all at most. Defaults: 3 and 4. */
	readonly normalBehind?: number | undefined;
	readonly normalAhead?: number | undefined;
	/** The same where a program has announced sequential access. Defaults: 8 and 7. */
	readonly sequentialBehind?: number | undefined;
	readonly sequentialAhead?: number | undefined;
	/** Free pages below which the page daemon runs. Default: 5 % of memory, 4 to 64. */
	readonly freeMin?: number | undefined;
	/** Free pages that it wants, more than that. Default: 4/3 of it. */
	readonly freeTarget?: number | undefined;
	/** Percent of the pages in use that "clock" keeps inactive, 1 to 99. Default: a third. */
	readonly inactivePercent?: number | undefined;
	/** Keep minima and maxima for kinds of pages: see vm.anonmin. Default: true. */
	readonly balance?: boolean | undefined;
	/** Make one map entry of mappings side by side that are alike. Default: true. */
	readonly mergeEntries?: boolean | undefined;
	/** How many files that nobody maps keep their pages in memory. Default: all of them. */
	readonly cachedFiles?: number | undefined;
}

const count = (min: number, max: number) =>
	v.optional(v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max)));
const many = count(1, 1_000_000);
const neighbours = count(0, UVM_MAXRANGE - 1);

export const PAGING_POLICY = v.strictObject({
	replacement: v.optional(v.picklist(["clock", "clockpro", "aging", "random"])),
	clusterPages: count(1, UVM_CLUSTER_MAX),
	reassignSlots: v.optional(v.boolean()),
	slotAllocation: v.optional(v.picklist(["single", "stepwise"])),
	swapinPages: count(1, UVM_MAXRANGE),
	normalBehind: neighbours,
	normalAhead: neighbours,
	sequentialBehind: neighbours,
	sequentialAhead: neighbours,
	freeMin: many,
	freeTarget: many,
	inactivePercent: count(1, 99),
	balance: v.optional(v.boolean()),
	mergeEntries: v.optional(v.boolean()),
	cachedFiles: many,
});

/** => UserError for choices that do not go together, or not with this much RAM. */
export function checkPolicy(policy: PagingPolicy = {}, ram: number): void {
	const { nback, nforw, freemin, freetarg } = kernelPolicy(policy);
	checkWindow("normal", nback[UVM_ADV_NORMAL]!, nforw[UVM_ADV_NORMAL]!);
	checkWindow("sequential", nback[UVM_ADV_SEQUENTIAL]!, nforw[UVM_ADV_SEQUENTIAL]!);
	if (freetarg > 0 && freetarg <= freemin) {
		throw new UserError(`policy: freeTarget ${freetarg} is not above freeMin ${freemin}`);
	}
	const most = Math.floor(ram / PAGE_SIZE / 2);
	if (Math.max(freemin, freetarg) <= most) return;
	throw new UserError(`policy: freeMin and freeTarget: at most half of RAM, ${most} pages`);
}

/** => checkPolicy has been called. */
export function kernelPolicy(policy: PagingPolicy): uvm_policy {
	const [back0, back1, back2] = UVM_POLICY.nback as [number, number, number];
	const [forw0, forw1, forw2] = UVM_POLICY.nforw as [number, number, number];
	const { normalBehind = back0, normalAhead = forw0 } = policy;
	const { sequentialBehind = back2, sequentialAhead = forw2 } = policy;
	return {
		replacement: policy.replacement ?? UVM_POLICY.replacement,
		cluster: policy.clusterPages ?? UVM_POLICY.cluster,
		reassign: policy.reassignSlots ?? UVM_POLICY.reassign,
		slotalloc: policy.slotAllocation ?? UVM_POLICY.slotalloc,
		swapin: policy.swapinPages ?? UVM_POLICY.swapin,
		nback: [normalBehind, back1, sequentialBehind],
		nforw: [normalAhead, forw1, sequentialAhead],
		freemin: policy.freeMin ?? UVM_POLICY.freemin,
		freetarg: policy.freeTarget ?? UVM_POLICY.freetarg,
		inactivepct: policy.inactivePercent ?? UVM_POLICY.inactivepct,
		balance: policy.balance ?? UVM_POLICY.balance,
		mapmerge: policy.mergeEntries ?? UVM_POLICY.mapmerge,
		objectcache: policy.cachedFiles ?? UVM_POLICY.objectcache,
	};
}

function checkWindow(advice: string, behind: number, ahead: number): void {
	if (behind + ahead < UVM_MAXRANGE) return;
	const window = `${advice}Behind ${behind} and ${advice}Ahead ${ahead}`;
	throw new UserError(`policy: ${window}: at most ${UVM_MAXRANGE - 1} in all`);
}
