/**
 * The catalogue of fault models, for plans: which parameters each takes, in the words of
 * docs/fault-plan.schema.json and docs/faults.md. devices/fault/ does what they say.
 */

import { CLOCK_MODELS } from "./clock-models.ts";
import { CPU_MODELS } from "./cpu-models.ts";
import { DISK_MODELS } from "./disk-models.ts";
import { INTERRUPT_MODELS } from "./interrupt-models.ts";
import { KERNEL_MODELS } from "./kernel-models.ts";
import { MEMORY_MODELS } from "./memory-models.ts";
import { MMU_MODELS } from "./mmu-models.ts";
import type { FaultModel } from "./model.ts";

/** By name, in the order of the documentation. */
export const FAULT_MODELS: ReadonlyMap<string, FaultModel> = new Map(
	Object.entries<FaultModel>({
		...DISK_MODELS,
		...MMU_MODELS,
		...MEMORY_MODELS,
		...CPU_MODELS,
		...INTERRUPT_MODELS,
		...CLOCK_MODELS,
		...KERNEL_MODELS,
	}),
);
