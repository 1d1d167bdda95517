/** What a rule for MMU and TLB does: fault models, and their parameters. */

/** Which translations are candidates. */
export interface TranslationTarget {
	/** An address in the page. Default: any page. */
	readonly va?: number | undefined;
	/** Default: any address space. */
	readonly asid?: number | undefined;
}

/** Fields of a page table entry. */
export type PteField = "V" | "R" | "W" | "X" | "U" | "G" | "A" | "D" | "RSW" | "PPN";

export interface PteBit {
	/** A bit of this field; of RSW and PPN the seed chooses which. */
	readonly field?: PteField | undefined;
	/** This bit, 0 to 31. Default, without a field: the seed chooses one of all. */
	readonly bit?: number | undefined;
}

/** Which fences are candidates. */
export interface FenceScope {
	/**
	 * All fences; those that name an address; those that name an address space; or those that name
	 * neither. A fence with both is in "va" and in "asid". Default: "all".
	 */
	readonly scope?: "all" | "va" | "asid" | "full" | undefined;
}

/** sfence.vma, of an instruction or of the kernel, has no effect. A candidate is such a fence. */
export type LostFence = FenceScope;

/** A fence leaves some of the entries that it should remove. A candidate is a fence. */
export interface PartialFence extends FenceScope {
	/**
	 * What it leaves: the entries in every second set of the TLB; those of 4 MiB pages; global ones;
	 * or those of address spaces that do not run. Default: "half".
	 */
	readonly keeps?: "half" | "superpages" | "global" | "others" | undefined;
}

/** A fence takes effect later. A candidate is a fence. */
export interface DelayedFence extends FenceScope {
	/** When so many more instructions have retired. Default: 100. */
	readonly delayInsns?: number | undefined;
}

/** A TLB entry outlives a fence. A candidate is a fence that should remove an entry of the page. */
export interface StaleEntry {
	readonly va: number;
	/** Default: any address space. */
	readonly asid?: number | undefined;
}

/**
 * At an instant a bit of a valid TLB entry is inverted, until the entry is read again. An entry
 * that loses V is no longer there. Without such an entry nothing happens.
 */
export interface TlbFlip extends PteBit {
	/** An address in the page of the entry. Default: the seed chooses an entry. */
	readonly va?: number | undefined;
	/** Its address space. Default: that which runs, if `va` is given; else any. */
	readonly asid?: number | undefined;
}

/**
 * A store is done, and D stays clear in the page table. A candidate is a store that would set D;
 * or where software sets it, one that would fault for D alone.
 */
export interface MissedD extends TranslationTarget {
	/**
	 * What the TLB holds then. "clean": D is clear there, too, so the next store to the page is
	 * another candidate. "dirty": the TLB believes that D is set, and stores go on unseen until the
	 * entry is replaced or fenced. Default: "clean".
	 */
	readonly entry?: "clean" | "dirty" | undefined;
}

/**
 * An access is done, and A stays clear. A candidate is a walk that would set A; or where software
 * sets it, one that would fault for A. The entry stays in the TLB, where A has no effect.
 */
export type MissedA = TranslationTarget;

/** D is set, and nothing was stored. A candidate is a walk that succeeds and leaves D clear. */
export type FalseD = TranslationTarget;

/**
 * A is set in the entry of a page that nobody has accessed. A candidate is a walk that succeeds
 * while A is clear in the valid entry of `va`, in the same address space; without `va`, in that of
 * the page behind the one that is accessed.
 */
export type FalseA = TranslationTarget;

/** A page fault although the page table permits the access. A candidate is a walk that succeeds. */
export interface SpuriousFault extends TranslationTarget {
	/** Default: any. */
	readonly access?: "load" | "store" | "fetch" | undefined;
}

/**
 * At an instant a bit of a page table entry in RAM is inverted; nothing fences the TLB. Without a
 * page table entry for `va` that is valid nothing happens.
 */
export interface PteFlip extends PteBit {
	readonly va: number;
	/**
	 * Default: the address space that runs at the instant. Another one is hit as soon as the hart
	 * executes in it.
	 */
	readonly asid?: number | undefined;
	/** The entry in the directory, 1, or in the table below it, 0. Default: the leaf. */
	readonly level?: 0 | 1 | undefined;
}

/**
 * A walk reads a page table entry with a bit inverted; RAM keeps the right one. A candidate is a
 * walk that reads an entry of the level.
 */
export interface WalkFlip extends TranslationTarget, PteBit {
	/** The entry in the directory, 1, or in the table below it, 0. Default: 0. */
	readonly level?: 0 | 1 | undefined;
}

/** A walk takes an entry for one of another level. */
export interface WrongLevel extends TranslationTarget {
	/**
	 * "pointer": a leaf in the directory is followed, as if it were a pointer to a table. "leaf": a
	 * pointer is taken for a leaf, which permits nothing: a page fault. "superpage": the TLB holds a
	 * leaf of a table as one of 4 MiB. Candidates are walks that read such an entry.
	 * Default: "superpage".
	 */
	readonly as?: "pointer" | "leaf" | "superpage" | undefined;
}

export interface MmuModels {
	readonly "mmu.lost-fence": LostFence;
	readonly "mmu.partial-fence": PartialFence;
	readonly "mmu.delayed-fence": DelayedFence;
	readonly "mmu.stale-entry": StaleEntry;
	readonly "mmu.tlb-flip": TlbFlip;
	readonly "mmu.missed-d": MissedD;
	readonly "mmu.missed-a": MissedA;
	readonly "mmu.false-d": FalseD;
	readonly "mmu.false-a": FalseA;
	readonly "mmu.spurious-fault": SpuriousFault;
	readonly "mmu.pte-flip": PteFlip;
	readonly "mmu.walk-flip": WalkFlip;
	readonly "mmu.wrong-level": WrongLevel;
}
