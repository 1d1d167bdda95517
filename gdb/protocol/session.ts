/** What the handlers of the various packets share. */
import type { GdbTarget } from "./target.ts";

/** errno: no such process, bad address, invalid argument. */
export const E_SRCH = "E03";
export const E_FAULT = "E0e";
export const E_INVAL = "E16";

/** A debugger's connection. */
export interface GdbSession {
	readonly target: GdbTarget;
	/** The thread selected with `Hg`; 0 for the one that ran last. */
	generalThread: number;
	noAck: boolean;
	/** The thread that requests without a thread id refer to. */
	readonly thread: number;
}
