/** What a rule for the hart does: fault models, and their parameters. */

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

export interface CpuModels {
	readonly "cpu.register": RegisterFlip;
	readonly "cpu.pc": PcFlip;
}
