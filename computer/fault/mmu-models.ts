/** The fault models of MMU and TLB, as plans name them. */
import * as v from "valibot";
import type { MmuModels } from "../../devices/fault/mmu-rule.ts";
import { ADDRESS_MAX, may, needs, notBoth, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

const ASID_MAX = 511;

const page = {
	va: may(whole(0, ADDRESS_MAX), "A virtual address in the page. Default: any page."),
	asid: may(whole(0, ASID_MAX), "The address space. Default: any."),
};

const pteBit = {
	field: may(
		v.picklist(["V", "R", "W", "X", "U", "G", "A", "D", "RSW", "PPN"]),
		"A bit of this field; of RSW and PPN the seed chooses which.",
	),
	bit: may(whole(0, 31), "This bit. Default, without a field: the seed chooses one of all."),
};

const scope = may(
	v.picklist(["all", "va", "asid", "full"]),
	"All fences, those that name an address, an address space, or neither. Default: all.",
);

export const MMU_MODELS: Catalogue<MmuModels> = {
	"mmu.lost-fence": {
		does: "A fence of the TLB (sfence.vma), of an instruction or of the kernel, has no effect.",
		candidates: "fences of its scope",
		params: {
			scope,
		},
	},
	"mmu.partial-fence": {
		does: "A fence of the TLB leaves some of the entries that it should remove.",
		candidates: "fences of its scope",
		params: {
			scope,
			keeps: may(
				v.picklist(["half", "superpages", "global", "others"]),
				"Entries in every second set, of 4 MiB pages, global ones, or of address spaces that do " +
					"not run. Default: half.",
			),
		},
	},
	"mmu.delayed-fence": {
		does: "A fence of the TLB takes effect later.",
		candidates: "fences of its scope",
		params: {
			scope,
			delayInsns: may(
				whole(1, 2 ** 32),
				"When so many more instructions have retired. Default: 100.",
			),
		},
	},
	"mmu.stale-entry": {
		does: "A TLB entry outlives a fence.",
		candidates: "fences that should remove an entry of the page",
		params: {
			va: needs(whole(0, ADDRESS_MAX), "A virtual address in the page."),
			asid: page.asid,
		},
	},
	"mmu.tlb-flip": {
		does: "A bit of a valid TLB entry is inverted, until the entry is read again.",
		candidates: null,
		params: {
			va: may(
				whole(0, ADDRESS_MAX),
				"A virtual address in the page of the entry. Default: the seed chooses an entry.",
			),
			asid: may(
				whole(0, ASID_MAX),
				"Its address space. Default: with va, that which runs; else any.",
			),
			...pteBit,
		},
		conditions: [notBoth("field", "bit")],
	},
	"mmu.missed-d": {
		does: "A store is done, and D stays clear in the page table.",
		candidates: "stores that would set D, or fault for D alone where software sets it",
		params: {
			...page,
			entry: may(
				v.picklist(["clean", "dirty"]),
				"D in the TLB: if clean, the next store is another candidate. Default: clean.",
			),
		},
	},
	"mmu.missed-a": {
		does: "An access is done, and A stays clear in the page table.",
		candidates: "walks that would set A, or fault for A where software sets it",
		params: page,
	},
	"mmu.false-d": {
		does: "D is set in the page table, though nothing was stored.",
		candidates: "walks that succeed and leave D clear",
		params: page,
	},
	"mmu.false-a": {
		does: "A is set in the entry of a page that nobody has accessed.",
		candidates: "walks that succeed while A is clear in the valid entry of that page",
		params: {
			va: may(
				whole(0, ADDRESS_MAX),
				"A virtual address in the page. Default: the one behind that which is accessed.",
			),
			asid: page.asid,
		},
	},
	"mmu.spurious-fault": {
		does: "A page fault, although the page table permits the access.",
		candidates: "walks that succeed",
		params: {
			...page,
			access: may(v.picklist(["load", "store", "fetch"]), "Default: any."),
		},
	},
	"mmu.pte-flip": {
		does: "A bit of a page table entry in RAM is inverted; nothing fences the TLB.",
		candidates: null,
		params: {
			va: needs(whole(0, ADDRESS_MAX), "A virtual address in the page that the entry maps."),
			asid: may(
				whole(0, ASID_MAX),
				"Hit as soon as the hart executes in this address space. Default: that which runs.",
			),
			level: may(
				v.picklist([0, 1]),
				"The entry in the directory, 1, or in the table below it, 0. Default: the leaf.",
			),
			...pteBit,
		},
		conditions: [notBoth("field", "bit")],
	},
	"mmu.walk-flip": {
		does: "A walk reads a page table entry with a bit inverted; RAM keeps the right one.",
		candidates: "walks that read an entry of the level",
		params: {
			...page,
			level: may(
				v.picklist([0, 1]),
				"The entry in the directory, 1, or in the table below it, 0. Default: 0.",
			),
			...pteBit,
		},
		conditions: [notBoth("field", "bit")],
	},
	"mmu.wrong-level": {
		does: "A walk takes a page table entry for one of another level.",
		candidates: "walks that read an entry that can be taken so",
		params: {
			...page,
			as: may(
				v.picklist(["pointer", "leaf", "superpage"]),
				"A leaf in the directory for a pointer; a pointer for a leaf, which permits nothing; a " +
					"leaf below it for one of 4 MiB. Default: superpage.",
			),
		},
	},
};
