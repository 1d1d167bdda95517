/** What a rule for memory does: fault models, and their parameters. */

/**
 * At an instant bits of RAM are inverted. Where a rule "memory.ecc" is in the plan, they are errors
 * for it to find.
 */
export interface MemoryFlip {
	/** Physical address of a byte of RAM. Default: the seed chooses one. */
	readonly pa?: number | undefined;
	/** Bits of the byte and of the three after it, its own the lowest; all of them in RAM. */
	readonly mask?: number | undefined;
	/** How many bits of the byte, without a mask, 1 to 8; the seed chooses which. Default: 1. */
	readonly bits?: number | undefined;
}

/**
 * A cell of RAM reads as one value, whatever was written; what was written is kept underneath. A
 * candidate is a read of the cell while it holds the other value. Lasts unless `life` says
 * otherwise.
 */
export interface StuckCell {
	/** Physical address of a byte of RAM, and a bit of it, 0 to 7. */
	readonly pa: number;
	readonly bit: number;
	/** Default: 0. */
	readonly value?: 0 | 1 | undefined;
}

/**
 * Cells of a chip fail together. Each `rowBytes` bytes of RAM are a row; rows are dealt out to the
 * banks in turn. A candidate is a read of a word of 8 bytes that has failed, while it holds
 * something else. Lasts unless `life` says otherwise.
 */
export interface RowFailure {
	/** Physical address of any byte of the row, column or bank. */
	readonly pa: number;
	/** "column": 8 bytes at the same place of each row of a bank. Default: "row". */
	readonly kind?: "row" | "column" | "bank" | undefined;
	/**
	 * What is read: zeros, ones, random bits, the same in each read; "dead": an error that cannot be
	 * corrected. Default: "stuck0".
	 */
	readonly value?: "stuck0" | "stuck1" | "random" | "dead" | undefined;
	/** A multiple of 8 from 64 to 1 MiB. Default: 8192. */
	readonly rowBytes?: number | undefined;
	/** 1 to 64. Default: 8. */
	readonly banks?: number | undefined;
}

/** A cell of RAM fails when it is accessed in a certain way. Lasts unless `life` says otherwise. */
export interface CellFault {
	/** Physical address of a byte of RAM, and a bit of it, 0 to 7. */
	readonly pa: number;
	readonly bit: number;
	/**
	 * "tf0", "tf1": the cell cannot become 0, or 1. "wdf": a write of the value that it has inverts
	 * it. "rdf": a read inverts it, and returns that. "drdf": a read inverts it, and returns what was
	 * there. "irf": a read returns the wrong value, and the cell keeps the right one. "cf": a write
	 * that changes another cell inverts it. Candidates are these accesses. Default: "tf1".
	 */
	readonly mode?: "tf0" | "tf1" | "wdf" | "rdf" | "drdf" | "irf" | "cf" | undefined;
	/** Of "cf": the other cell. Default: the same bit of the byte behind it. */
	readonly aggressorPa?: number | undefined;
	readonly aggressorBit?: number | undefined;
}

/**
 * RAM has error correction: 8 check bits for each word of 8 bytes. A read of a word with one wrong
 * bit is corrected; one with two is an error that cannot be corrected. With more it is wrong, or
 * such an error. A write of the whole word removes its errors, that of a part only a single one.
 * A candidate is a read of a word with errors; where the rule does not act, they are not noticed.
 * Lasts unless `life` says otherwise.
 */
export interface Ecc {
	/** The probability that three wrong bits or more are taken for one. Default: 0.5. */
	readonly miscorrect?: number | undefined;
	/** All of RAM is read, and single errors are removed, once in so many ns. Default: never. */
	readonly scrubNs?: number | undefined;
}

export interface MemoryModels {
	readonly "memory.flip": MemoryFlip;
	readonly "memory.stuck": StuckCell;
	readonly "memory.ecc": Ecc;
	readonly "memory.row": RowFailure;
	readonly "memory.cell": CellFault;
}
