/** A plan of faults for a computer that was restored. */
import type { FaultPlan } from "../../devices/fault/rule.ts";
import type { BaseComputer } from "../base-computer.ts";
import { SnapshotError } from "./container.ts";

/**
 * Let a restored computer follow a plan from now on, if there is one.
 * => SnapshotError if it has one already; FaultPlanError for one that is wrong
 */
export function beginFaults(
	computer: BaseComputer<unknown> & {
		readonly options: { readonly faults?: FaultPlan | undefined };
	},
	plan: FaultPlan | undefined,
): void {
	if (plan === undefined) return;
	if (computer.options.faults !== undefined) {
		throw new SnapshotError("it has a plan of faults, and takes no other");
	}
	computer.beginFaults(plan);
}
