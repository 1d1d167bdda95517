/** What compute-guest.ts tells of a run. */
import type { JitCounts } from "../machine/jit/counts.ts";

export interface GuestProcess {
	readonly console: string;
	readonly instructions: number;
	/** From the first instruction to the last, by the host's clock. */
	readonly wallMs: number;
	/** The same of all threads. */
	readonly cpuMs: number;
	/** What the compiler took, in the thread that runs the guest. */
	readonly compileMs: number;
	readonly compiled: JitCounts | null;
	/** Million instructions a second about each of CURVE_MS, if they were asked for. */
	readonly curve: readonly number[];
}

/**
 * Milliseconds of all threads after the first instruction; the speed is that from half to one and
 * a half of them.
 */
export const CURVE_MS = [10, 100, 1000] as const;
