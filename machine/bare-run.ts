/** A bare machine runs: why that ends, and who looks on. */

/** Why `runBare` has returned. */
export const RUN_LIMIT = 0; // the cycles are used up
export const RUN_HALTED = 1; // `halt` was called
export const RUN_IDLE = 2; // wfi waits for an interrupt
export const RUN_STUCK = 3; // the first instruction of the trap handler traps, again and again
export const RUN_STOPPED = 4; // a debugger has stopped the hart
export type RunResult =
	| typeof RUN_LIMIT
	| typeof RUN_HALTED
	| typeof RUN_IDLE
	| typeof RUN_STUCK
	| typeof RUN_STOPPED;

/** Observes a bare machine; called at the current cycle, and must not change anything. */
export interface HartObserver {
	/** The instruction at `pc` has met an exception. */
	exception(cause: number, tval: number, pc: number): void;
	/** Interrupt `irq` is taken before the instruction at `pc`. */
	interrupt(irq: number, pc: number): void;
	/** wfi begins or ends to wait. */
	waits(waiting: boolean): void;
}

/** M-mode software outside the machine's memory. */
export interface Firmware {
	/** Bits of the exceptions that it may handle; for others `trap` need not be asked. */
	readonly causes: number;
	/**
	 * Asked before the exception that HartState notes enters its handler.
	 * => true: it is handled, and execution goes on at pc.
	 */
	trap(): boolean;
}
