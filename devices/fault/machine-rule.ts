/**
 * What a rule for memory, hart or MMU does: fault models, and their parameters. Rules of some
 * models act at an instant, `when.atNs` or `when.atInsn`; the others have candidates.
 */
import type { FaultRule } from "./rule.ts";

/** Which translations are candidates. */
interface TranslationTarget {
	/** An address in the page. Default: any page. */
	readonly va?: number | undefined;
	/** Default: any address space. */
	readonly asid?: number | undefined;
}

/** Fields of a page table entry. */
export type PteField = "V" | "R" | "W" | "X" | "U" | "G" | "A" | "D" | "RSW" | "PPN";

interface PteBit {
	/** A bit of this field; of RSW and PPN the seed chooses which. */
	readonly field?: PteField | undefined;
	/** This bit, 0 to 31. Default, without a field: the seed chooses one of all. */
	readonly bit?: number | undefined;
}

/** sfence.vma, of an instruction or of the kernel, has no effect. A candidate is such a fence. */
export interface LostFence {
	/**
	 * All fences; those that name an address; those that name an address space; or those that name
	 * neither. A fence with both is in "va" and in "asid". Default: "all".
	 */
	readonly scope?: "all" | "va" | "asid" | "full" | undefined;
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

/** At an instant bits of RAM are inverted. */
export interface MemoryFlip {
	/** Physical address of a byte of RAM. Default: the seed chooses one. */
	readonly pa?: number | undefined;
	/** Bits of the byte and of the three after it, its own the lowest; all of them in RAM. */
	readonly mask?: number | undefined;
	/** How many bits of the byte, without a mask, 1 to 8; the seed chooses which. Default: 1. */
	readonly bits?: number | undefined;
}

/** At an instant bits of a register are inverted, between two instructions. */
export interface RegisterFlip {
	/** 1 to 31, of x1 to x31. Default: the seed chooses one. */
	readonly register?: number | undefined;
	/** Default: one bit, which the seed chooses. */
	readonly mask?: number | undefined;
}

/** At an instant bits of pc are inverted, between two instructions. */
export interface PcFlip {
	/** Without bit 0, which pc does not have. Default: one of bits 1 to 20, as the seed chooses. */
	readonly mask?: number | undefined;
}

/** The models of memory, hart and MMU, with their parameters. */
export interface MachineModels {
	readonly "mmu.lost-fence": LostFence;
	readonly "mmu.tlb-flip": TlbFlip;
	readonly "mmu.missed-d": MissedD;
	readonly "mmu.missed-a": MissedA;
	readonly "mmu.spurious-fault": SpuriousFault;
	readonly "mmu.pte-flip": PteFlip;
	readonly "memory.flip": MemoryFlip;
	readonly "cpu.register": RegisterFlip;
	readonly "cpu.pc": PcFlip;
}

export type MachineRule = {
	readonly [M in keyof MachineModels]: FaultRule & {
		readonly model: M;
		readonly params: MachineModels[M];
	};
}[keyof MachineModels];

/** Does the rule act at an instant, and not on candidates? */
export function hasInstant({ model }: MachineRule): boolean {
	switch (model) {
		case "mmu.tlb-flip":
		case "mmu.pte-flip":
		case "memory.flip":
		case "cpu.register":
		case "cpu.pc":
			return true;
		default:
			return false;
	}
}
