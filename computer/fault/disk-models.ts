/** The fault models of disks, as plans name them. */
import * as v from "valibot";
import type { DiskModels } from "../../devices/fault/disk-rule.ts";
import { may, needs, where, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

/** More than a sector has. */
const BITS_MAX = 4096;
/** More than any disk has. */
const CACHE_MAX = 2 ** 30;
/** No disk has more sectors. */
const OFFSET_MAX = 2 ** 40;

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

export const DISK_MODELS: Catalogue<DiskModels> = {
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
	"disk.power-cut": {
		does:
			"The disk has a volatile write cache, and its power fails: what is pending may be lost. " +
			"A flush empties the cache.",
		candidates: "writes, which are pending then, or flushes, which have done nothing yet",
		params: {
			disk: disk.disk,
			on: may(v.picklist(["write", "flush"]), "Default: write."),
			scope: may(
				v.picklist(["machine", "disk"]),
				"The computer's power, which ends the run, or that of the disk alone. Default: machine.",
			),
			keep: may(
				v.picklist(["random", "prefix", "single-drop", "all", "none"]),
				"What survives of all that is pending: by the seed, three of eight parts are kept, three " +
					"lost, two become garbage; the first parts; all but one; all; none. Default: random.",
			),
			units: may(
				whole(0),
				"How many parts of a prefix, or which one is lost, from 1. Default: as the seed chooses.",
			),
			unit: may(
				v.picklist(["sector", "write"]),
				"A part, which survives whole or not at all. Default: sector.",
			),
			order: may(
				v.picklist(["fifo", "free"]),
				"The first parts of a prefix: the oldest, or as the seed chooses. Default: fifo.",
			),
			cache: may(
				v.pipe(
					whole(512, CACHE_MAX),
					v.check((n) => n % 512 === 0, "expected a multiple of 512"),
				),
				"Bytes of the cache. Default: 262,144.",
			),
			flush: may(v.boolean(), "Whether a flush does what it should. Default: true."),
		},
		conditions: [
			where(
				"units",
				({ units, keep }) => units === undefined || keep === "prefix" || keep === "single-drop",
				"is for prefix and single-drop",
			),
			where(
				"order",
				({ order, keep }) => order === undefined || keep === "prefix",
				"is for prefix",
			),
		],
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
	"disk.controller": {
		does: "The controller fails, and the requests that it has are lost.",
		candidates: "requests",
		params: {
			disk: disk.disk,
			mode: may(
				v.picklist(["drop-queue", "needs-reset"]),
				"It works on and completes later requests; or it says that it needs a reset, and does " +
					"nothing before the driver has reset it. Default: needs-reset.",
			),
			cache: may(
				v.pipe(
					whole(512, CACHE_MAX),
					v.check((n) => n % 512 === 0, "expected a multiple of 512"),
				),
				"The disk has a volatile write cache of so many bytes; what is pending there is lost, " +
					"too. A flush empties it. Default: it has none.",
			),
		},
	},
};
