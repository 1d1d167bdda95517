/** What the MMU counts. */

/** Events since reset. Hits are not counted; a walk that ends in a fault is. */
export interface TlbCounters {
	fetchMisses: number;
	loadMisses: number;
	storeMisses: number;
	/** Walks that set D for a store through an entry that had it clear. */
	dirtyUpgrades: number;
	/** sfence.vma by operands: neither, address only, address space only, both. */
	fencesAll: number;
	fencesVa: number;
	fencesAsid: number;
	fencesVaAsid: number;
}

export const newTlbCounters = (): TlbCounters => ({
	fetchMisses: 0,
	loadMisses: 0,
	storeMisses: 0,
	dirtyUpgrades: 0,
	fencesAll: 0,
	fencesVa: 0,
	fencesAsid: 0,
	fencesVaAsid: 0,
});
