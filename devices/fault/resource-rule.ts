/**
 * Rules about resources of a kernel: from an instant on they are taken out of use. What the rules
 * say is done by whoever knows the kernel; here are their parameters.
 */

/** Pages of memory. One of the parameters is given. */
export interface HoldPages {
	/** So many are taken; those that are not free at once when they become free. */
	readonly pages?: number | undefined;
	/** All are taken that are free, but so many. */
	readonly leave?: number | undefined;
}

/** Slots of swap that are free then. One of the parameters is given. */
export interface HoldSlots {
	/** All but so many. */
	readonly leave?: number | undefined;
	/** Each of which the number on its disk is a multiple of this. */
	readonly every?: number | undefined;
}

/** No more pages than these may be wired. */
export interface WireLimit {
	readonly pages: number;
}

/** No more transfers than these may have kernel addresses at a time. */
export interface PagerWindows {
	readonly leave: number;
}

/** The models, with their parameters. */
export interface ResourceModels {
	readonly "alloc.hold-pages": HoldPages;
	readonly "alloc.hold-slots": HoldSlots;
	readonly "alloc.wire-limit": WireLimit;
	readonly "alloc.pager-windows": PagerWindows;
}
