/**
 * What an experiment may choose about paging. The default is what NetBSD does; each other choice is
 * one whose effect can be compared with that.
 */

/** How the page daemon chooses the pages that it gives up: uvm_pdpolicy_*.ts. */
export type uvm_replacement = "clock" | "clockpro" | "aging" | "random";
/** What uvm_swap_alloc takes where no run is long enough: a single slot, or the longest run. */
export type uvm_slotalloc = "single" | "stepwise";

export interface uvm_policy {
	readonly replacement: uvm_replacement;
	/** Most pages of one pageout request: 1 to UVM_CLUSTER_MAX. */
	readonly cluster: number;
	/** A dirty page gets a new slot in its cluster; if not, one that has a slot is written there. */
	readonly reassign: boolean;
	readonly slotalloc: uvm_slotalloc;
	/** Pages that are read from adjacent slots with one request, at most: 1 to UVM_MAXRANGE. */
	readonly swapin: number;
	/** Pages that a fault looks at behind and ahead, by advice: together less than UVM_MAXRANGE. */
	readonly nback: readonly number[];
	readonly nforw: readonly number[];
	/** Pages: the daemon runs below freemin, and goes on to freetarg. 0: by the amount of memory. */
	readonly freemin: number;
	readonly freetarg: number;
	/** Percent of the pageable pages that "clock" keeps inactive; 0: a third. */
	readonly inactivepct: number;
	/** Keep the shares of anonymous memory, files and programs (uvmpd_balance). */
	readonly balance: boolean;
	/** A mapping becomes part of the entry beside it where they are alike. */
	readonly mapmerge: boolean;
	/** Files that nobody maps and that keep their pages in memory, at most; 0: any number. */
	readonly objectcache: number;
}

/** Pages that a fault looks at, at most. */
export const UVM_MAXRANGE = 16;

/** Pages of one pageout request at most: the disk's ring has room for two such requests. */
export const UVM_CLUSTER_MAX = 32;

export const UVM_POLICY: uvm_policy = {
	replacement: "clock",
	cluster: 16,
	reassign: true,
	slotalloc: "single",
	swapin: 1,
	nback: [3, 0, 8],
	nforw: [4, 0, 7],
	freemin: 0,
	freetarg: 0,
	inactivepct: 0,
	balance: true,
	mapmerge: true,
	objectcache: 0,
};
