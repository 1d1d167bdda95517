/** The fault models of memory, hart and MMU, as plans name them. */
import * as v from "valibot";
import type { MachineModels } from "../../devices/fault/machine-rule.ts";
import { may, needs, notBoth, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

const ADDRESS_MAX = 2 ** 32 - 1;
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

export const MACHINE_MODELS: Catalogue<MachineModels> = {
	"mmu.lost-fence": {
		does: "A fence of the TLB (sfence.vma), of an instruction or of the kernel, has no effect.",
		candidates: "fences of its scope",
		params: {
			scope: may(
				v.picklist(["all", "va", "asid", "full"]),
				"All fences, those that name an address, an address space, or neither. Default: all.",
			),
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
	"memory.flip": {
		does: "Bits of RAM are inverted.",
		candidates: null,
		params: {
			pa: may(
				whole(0, ADDRESS_MAX),
				"The physical address of a byte of RAM. Default: the seed chooses one.",
			),
			mask: may(
				whole(1, ADDRESS_MAX),
				"Bits of the byte and of the three after it, its own the lowest.",
			),
			bits: may(
				whole(1, 8),
				"How many bits of the byte, without a mask; the seed chooses which. Default: 1.",
			),
		},
		conditions: [notBoth("mask", "bits")],
	},
	"cpu.register": {
		does: "Bits of a register are inverted, between two instructions.",
		candidates: null,
		params: {
			register: may(whole(1, 31), "Of x1 to x31. Default: the seed chooses one."),
			mask: may(whole(1, ADDRESS_MAX), "Default: one bit, which the seed chooses."),
		},
	},
	"cpu.pc": {
		does: "Bits of pc are inverted, between two instructions.",
		candidates: null,
		params: {
			mask: may(
				v.pipe(
					whole(2, ADDRESS_MAX),
					v.check((n) => n % 2 === 0, "expected no bit 0, which pc does not have"),
				),
				"Without bit 0. Default: one of bits 1 to 20, as the seed chooses.",
			),
		},
	},
};
