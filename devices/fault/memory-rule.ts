/** What a rule for memory does: fault models, and their parameters. */

/** At an instant bits of RAM are inverted. */
export interface MemoryFlip {
	/** Physical address of a byte of RAM. Default: the seed chooses one. */
	readonly pa?: number | undefined;
	/** Bits of the byte and of the three after it, its own the lowest; all of them in RAM. */
	readonly mask?: number | undefined;
	/** How many bits of the byte, without a mask, 1 to 8; the seed chooses which. Default: 1. */
	readonly bits?: number | undefined;
}

export interface MemoryModels {
	readonly "memory.flip": MemoryFlip;
}
