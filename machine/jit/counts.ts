/** What was compiled, and executed so; nothing but reports depends on it. */
export interface JitCounts {
	readonly modules: number;
	readonly functions: number;
	/** Of the modules. */
	readonly bytes: number;
	/** Functions that can be entered now. */
	readonly kept: number;
	/** Instructions executed in compiled code. */
	readonly instructions: number;
}

/** What reports and tests may know of, and have done by, an engine that compiles. */
export interface Compiled {
	readonly counts: JitCounts;
	/**
	 * Compile what was executed at the hart's pc, however seldom; it is entered from now on.
	 * => false: nothing was, or it is compiled, or cannot be
	 */
	compileHere(): boolean;
}
