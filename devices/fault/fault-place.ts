/** Where a computer is in its run, for triggers and the ledger. */
export interface FaultPlace {
	/** Virtual time. */
	readonly ns: number;
	/** Instructions retired since reset. */
	readonly instructions: number;
	/** The address of the next instruction. */
	readonly pc: number;
}

/** A part that belongs to no computer is nowhere. */
export const NOWHERE: FaultPlace = { ns: 0, instructions: 0, pc: 0 };
