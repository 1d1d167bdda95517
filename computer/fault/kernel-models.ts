/** The fault models of the kernel's allocations, as plans name them. */
import * as v from "valibot";
import { may } from "./fields.ts";
import { ALLOCATIONS, type KernelModels } from "./kernel-faults.ts";
import type { Catalogue } from "./model.ts";

export const KERNEL_MODELS: Catalogue<KernelModels> = {
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
};
