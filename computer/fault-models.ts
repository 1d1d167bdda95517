/**
 * The catalogue of fault models, for plans: which parameters each takes, in the words of
 * docs/fault-plan.schema.json and docs/faults.md. devices/fault/ does what they say.
 */
import * as v from "valibot";
import type { DiskModels } from "../devices/fault/disk-rule.ts";
import type { MachineModels } from "../devices/fault/machine-rule.ts";
import {
	type Condition,
	type Field,
	type Fields,
	may,
	needs,
	notBoth,
	where,
	whole,
} from "./fault-fields.ts";

export interface FaultModel {
	/** What it does, in a sentence or two. */
	readonly does: string;
	/** Its candidates; null: it has none, but acts at an instant. */
	readonly candidates: string | null;
	readonly params: Fields;
	readonly conditions?: readonly Condition[];
}

/** A model for each of M, with a field for each of its parameters. */
type Catalogue<M> = {
	readonly [K in keyof M]: FaultModel & {
		readonly params: { readonly [P in keyof M[K]]-?: Field<M[K][P]> };
	};
};

/** More than a sector has. */
const BITS_MAX = 4096;
/** No disk has more sectors. */
const OFFSET_MAX = 2 ** 40;
const ADDRESS_MAX = 2 ** 32 - 1;
const ASID_MAX = 511;

const REQUESTS = "requests of its sectors and direction";
const READS = "reads of its sectors";
const WRITES = "writes of its sectors";

const disk = {
	disk: needs(
		v.pipe(v.string(), v.regex(/^(ld|disk)\d+$/, "expected a disk, such as ld0")),
		"The disk: ld0, ld1, ... of boot, as the kernel counts them; disk0, disk1, ... of run.",
	),
	sector: may(whole(0), "The first sector of 512 bytes. Default: all of the disk."),
	count: may(whole(1), "Sectors from there on. Default: 1."),
};

const diskConditions = [
	where("count", (p) => p.count === undefined || p.sector !== undefined, "needs sector"),
];

const DISK_MODELS: Catalogue<DiskModels> = {
	"disk.bad-sector": {
		does: "Requests fail as a whole. Lasts unless `life` says otherwise.",
		candidates: REQUESTS,
		params: {
			...disk,
			direction: may(v.picklist(["read", "write", "both"]), "Default: read."),
		},
		conditions: diskConditions,
	},
	"disk.transient": {
		does: "Requests fail; asked again, they succeed.",
		candidates: REQUESTS,
		params: {
			...disk,
			direction: may(v.picklist(["read", "write", "both"]), "Default: both."),
		},
		conditions: diskConditions,
	},
	"disk.latent": {
		does: "Reads fail until the sectors are written again. Lasts unless `life` says otherwise.",
		candidates: READS,
		params: disk,
		conditions: diskConditions,
	},
	"disk.corrupt": {
		does: "Bits of a transfer are inverted, and nobody says so.",
		candidates: REQUESTS,
		params: {
			...disk,
			direction: may(
				v.picklist(["read", "write"]),
				"Of a write, the disk keeps the wrong data. Default: read.",
			),
			bits: may(whole(1, BITS_MAX), "How many; the seed chooses which. Default: 1."),
			sticky: may(
				v.boolean(),
				"Of a read: the disk returns the wrong data until they are overwritten. Default: false.",
			),
		},
		conditions: [
			...diskConditions,
			where("sticky", (p) => p.sticky !== true || p.direction !== "write", "is for reads only"),
		],
	},
	"disk.torn-write": {
		does: "Only a part of a write arrives.",
		candidates: WRITES,
		params: {
			...disk,
			unit: may(v.picklist([512, 4096]), "Bytes that arrive whole or not at all. Default: 512."),
			keep: may(
				v.picklist(["prefix", "suffix", "interleaved"]),
				"Which units arrive: the first, the last, or every second one. Default: prefix.",
			),
			units: may(whole(0), "How many, of a prefix or suffix. Default: as the seed chooses."),
			rest: may(
				v.picklist(["old", "zero", "garbage"]),
				"What is in the others then: what was there, zeros, or random bytes. Default: old.",
			),
			report: may(v.picklist(["ok", "error"]), "What the guest is told. Default: ok."),
		},
		conditions: [
			...diskConditions,
			where(
				"units",
				(p) => p.units === undefined || p.keep !== "interleaved",
				"is for a prefix or suffix",
			),
		],
	},
	"disk.misdirected-write": {
		does: "A write goes to other sectors and replaces their contents; its own keep theirs.",
		candidates: WRITES,
		params: {
			...disk,
			offset: may(
				v.pipe(
					whole(-OFFSET_MAX, OFFSET_MAX),
					v.check((n) => n !== 0, "expected another number than 0"),
				),
				"Sectors further on, or back if negative; what leaves the disk is lost. Default: 8.",
			),
		},
		conditions: diskConditions,
	},
	"disk.lost-write": {
		does: "A write is acknowledged, and never arrives.",
		candidates: WRITES,
		params: disk,
		conditions: diskConditions,
	},
	"disk.latency": {
		does: "A request takes longer.",
		candidates: "requests of its sectors that move data",
		params: {
			...disk,
			addNs: may(
				whole(1),
				"By so many ns. Default: lognormal, with a median of 50 ms and one in 100 above 2 s.",
			),
		},
		conditions: diskConditions,
	},
	"disk.hang": {
		does: "The controller stops completing requests. Lasts unless `life` says otherwise.",
		candidates: "requests",
		params: { disk: disk.disk },
	},
};

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

const MACHINE_MODELS: Catalogue<MachineModels> = {
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

/** By name, in the order of the documentation. */
export const FAULT_MODELS: ReadonlyMap<string, FaultModel> = new Map(
	Object.entries<FaultModel>({ ...DISK_MODELS, ...MACHINE_MODELS }),
);
