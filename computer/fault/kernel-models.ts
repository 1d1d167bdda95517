/** The fault models of the kernel's allocations and resources, as plans name them. */
import * as v from "valibot";
import type { ResourceModels } from "../../devices/fault/resource-rule.ts";
import { may, needs, where, whole } from "./fields.ts";
import { ALLOCATIONS, type KernelModels } from "./kernel-faults.ts";
import type { Catalogue } from "./model.ts";

/** More than any computer has. */
const PAGES_MAX = 2 ** 20;
const SLOTS_MAX = 2 ** 31;

const UNTIL = "Lasts unless `life` says otherwise. For `boot` only.";

/** That one of two parameters is there, and the other is not. */
const oneOf = (one: string, other: string) =>
	where(
		one,
		(p) => (p[one] === undefined) !== (p[other] === undefined),
		`expected either ${one} or ${other}`,
	);

export const KERNEL_MODELS: Catalogue<KernelModels & ResourceModels> = {
	"alloc.fail": {
		does: "The kernel asks for memory and gets none, once a program runs. For `boot` only.",
		candidates: "requests of its kind",
		params: {
			of: may(
				v.picklist(ALLOCATIONS),
				"Only these, by the kernel's name for what it asks for. Default: all.",
			),
		},
	},
	"alloc.hold-pages": {
		does:
			"Pages are held, so that nobody else can have them; the kernel's reserve stays free. " +
			UNTIL,
		candidates: null,
		lasts: true,
		params: {
			pages: may(
				whole(1, PAGES_MAX),
				"How many; those that are not free at once are taken when they become free.",
			),
			leave: may(whole(0, PAGES_MAX), "All are held that are free then, but so many."),
		},
		conditions: [oneOf("pages", "leave")],
	},
	"alloc.hold-slots": {
		does: `Slots of swap that are free are held. ${UNTIL}`,
		candidates: null,
		lasts: true,
		params: {
			leave: may(whole(0, SLOTS_MAX), "All but so many."),
			every: may(
				whole(2, SLOTS_MAX),
				"Those whose number on the disk is a multiple of this: no longer runs are left.",
			),
		},
		conditions: [oneOf("leave", "every")],
	},
	"alloc.wire-limit": {
		does: `No more pages than these may be wired (wiredmax). ${UNTIL}`,
		candidates: null,
		lasts: true,
		params: { pages: needs(whole(0, PAGES_MAX), "How many.") },
	},
	"alloc.pager-windows": {
		does:
			"No more transfers than these have kernel addresses at a time (pager_map). Others wait; " +
			`the page daemon has its own window. ${UNTIL}`,
		candidates: null,
		lasts: true,
		params: {
			leave: needs(
				whole(0, PAGES_MAX),
				"How many. With 0 nothing is read from disk while it lasts.",
			),
		},
	},
};
