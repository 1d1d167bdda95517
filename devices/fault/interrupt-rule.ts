/** What a rule for interrupts does: fault models, and their parameters. */
import type { PlicRegister } from "../plic.ts";

/** Which interrupts are meant: one of the two must be given. */
export interface InterruptTarget {
	/** The number of a source of the PLIC, 1 to 96. */
	readonly source?: number | undefined;
	/** A device: "ld0" or "disk0" is the first disk; "uart"; "rtc". */
	readonly device?: string | undefined;
}

/** A device's request does not arrive. A candidate is such a request. */
export interface LostInterrupt extends InterruptTarget {
	/**
	 * "level": the PLIC sees the wire of the device low until the next request. "edge": it sees that
	 * it is high, but only when it looks the next time: at a request, or when a claim is completed.
	 * Default: "level".
	 */
	readonly drop?: "level" | "edge" | undefined;
}

/** A request arrives later, unless the device has withdrawn it. A candidate is a request. */
export interface DelayedInterrupt extends InterruptTarget {
	readonly addNs: number;
}

/** When an interrupt was completed, the same one comes again. A candidate is a completion. */
export type DuplicatedInterrupt = InterruptTarget;

/** At an instant an interrupt comes that nobody has asked for. */
export interface SpuriousInterrupt extends InterruptTarget {
	/**
	 * "id": the claim gives the source, which has done nothing. "zero": it gives none; that needs no
	 * source. Default: "id" with a source, else "zero".
	 */
	readonly claim?: "id" | "zero" | undefined;
}

/** At an instant a source begins to make requests without work. */
export interface InterruptStorm extends InterruptTarget {
	/** How many in a second, 1 to 10^8. Default: 100,000. */
	readonly rateHz?: number | undefined;
	/** For how long. Default: 10 ms. */
	readonly durNs?: number | undefined;
}

/**
 * A claim gives another source than the one of the highest priority. A candidate is a claim for
 * which there are several.
 */
export interface ReorderedInterrupts {
	/** The last one, or one that the seed chooses. Default: "last". */
	readonly pick?: "last" | "any" | undefined;
}

/** At an instant a bit of a register of the PLIC is inverted. */
export interface PlicFlip extends InterruptTarget {
	/** Those of thresholds and enables are of S-mode. Default: "priority". */
	readonly register?: PlicRegister | undefined;
	/** 0 to 2, of a priority or threshold. Default: the seed chooses one. */
	readonly bit?: number | undefined;
}

export interface InterruptModels {
	readonly "irq.lost": LostInterrupt;
	readonly "irq.delayed": DelayedInterrupt;
	readonly "irq.duplicated": DuplicatedInterrupt;
	readonly "irq.spurious": SpuriousInterrupt;
	readonly "irq.storm": InterruptStorm;
	readonly "irq.reordered": ReorderedInterrupts;
	readonly "irq.flip": PlicFlip;
}
