/**
 * The catalogue of fault models, for plans: which parameters each takes, in the words of
 * docs/fault-plan.schema.json and docs/faults.md. devices/fault/ does what they say.
 */
import { DISK_MODELS } from "./disk-models.ts";
import { MACHINE_MODELS } from "./machine-models.ts";
import type { FaultModel } from "./model.ts";

/** By name, in the order of the documentation. */
export const FAULT_MODELS: ReadonlyMap<string, FaultModel> = new Map(
	Object.entries<FaultModel>({ ...DISK_MODELS, ...MACHINE_MODELS }),
);
