/** The fault models of memory, as plans name them. */
import type { MemoryModels } from "../../devices/fault/memory-rule.ts";
import { ADDRESS_MAX, may, notBoth, whole } from "./fields.ts";
import type { Catalogue } from "./model.ts";

export const MEMORY_MODELS: Catalogue<MemoryModels> = {
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
};
