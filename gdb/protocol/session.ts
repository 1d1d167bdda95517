/** What the parts of the protocol share. */
import type { GdbTarget } from "./target.ts";

/** errno: no such process, bad address, invalid argument. */
export const E_SRCH = "E03";
export const E_FAULT = "E0e";
export const E_INVAL = "E16";

/** A debugger's connection. */
export interface GdbSession {
	readonly target: GdbTarget;
	/** The thread that `H g` has chosen; 0 for the one that ran last. */
	generalThread: number;
	noAck: boolean;
	/** The thread that a request without one is about. */
	readonly thread: number;
}
