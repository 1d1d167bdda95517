/** The fault models of memory, as plans name them. */
import * as v from "valibot";
import type { MemoryModels } from "../../devices/fault/memory-rule.ts";
import { ADDRESS_MAX, may, needs, notBoth, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

const cell = {
	pa: needs(whole(0, ADDRESS_MAX), "The physical address of a byte of RAM."),
	bit: needs(whole(0, 7), "Of this byte."),
};

export const MEMORY_MODELS: Catalogue<MemoryModels> = {
	"memory.flip": {
		does: "Bits of RAM are inverted. With a rule memory.ecc, they are errors for it to find.",
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
	"memory.stuck": {
		does:
			"A cell of RAM reads as one value; what was written is kept underneath. Lasts unless " +
			"`life` says otherwise.",
		candidates: "reads of the cell while it holds the other value",
		params: {
			...cell,
			value: may(v.picklist([0, 1]), "Default: 0."),
		},
	},
	"memory.row": {
		does:
			"A row, column or bank of cells fails. Rows are dealt out to the banks in turn. Lasts " +
			"unless `life` says otherwise.",
		candidates: "reads of a failed word of 8 bytes that holds something else",
		params: {
			pa: needs(whole(0, ADDRESS_MAX), "The physical address of any byte of it."),
			kind: may(
				v.picklist(["row", "column", "bank"]),
				"A column is 8 bytes at the same place of each row of a bank. Default: row.",
			),
			value: may(
				v.picklist(["stuck0", "stuck1", "random", "dead"]),
				"What is read: zeros, ones, random bits, the same in each read, or an error that " +
					"cannot be corrected. Default: stuck0.",
			),
			rowBytes: may(
				v.pipe(
					whole(64, 2 ** 20),
					v.check((n) => n % 8 === 0, "expected a multiple of 8"),
				),
				"A multiple of 8. Default: 8192.",
			),
			banks: may(whole(1, 64), "Default: 8."),
		},
	},
	"memory.cell": {
		does:
			"A cell of RAM fails when it is accessed in a certain way. Lasts unless `life` says " +
			"otherwise.",
		candidates: "such accesses",
		params: {
			...cell,
			mode: may(
				v.picklist(["tf0", "tf1", "wdf", "rdf", "drdf", "irf", "cf"]),
				"It cannot become 0 (tf0) or 1 (tf1); is inverted by a write of what it holds (wdf), " +
					"by a read that returns the new value (rdf) or the old one (drdf); a read returns " +
					"the wrong value (irf); a write that changes another cell inverts it (cf). " +
					"Default: tf1.",
			),
			aggressorPa: may(
				whole(0, ADDRESS_MAX),
				"Of cf: the byte of the other cell. Default: the next byte.",
			),
			aggressorBit: may(whole(0, 7), "Default: the same bit."),
		},
	},
	"memory.ecc": {
		does:
			"RAM has error correction, 8 check bits for 8 bytes: one wrong bit is corrected, two are " +
			"an error that cannot be corrected, more are that or go wrong. Lasts unless `life` says " +
			"otherwise.",
		candidates: "reads of words with errors",
		params: {
			miscorrect: may(
				v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
				"The probability that three wrong bits or more are taken for one. Default: 0.5.",
			),
			scrubNs: may(
				whole(1000),
				"All of RAM is read, and single errors removed, once in so many ns. Default: never.",
			),
		},
	},
};
