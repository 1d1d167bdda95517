/**
 * Campaigns in which all faults end, and everything must be as if there had been none: the second
 * phase of TigerBeetle's VOPR, in which the system is healed and has to converge.
 */
import { type DiskRule, withLife as lifeOfDisk } from "../../devices/fault/disk-rule.ts";
import { withLife as lifeOfMachine, type MachineRule } from "../../devices/fault/machine-rule.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import type { Evidence } from "../run/evidence.ts";
import { hasRightOutput } from "./classify.ts";

/** The rule with the life that its model has by default. */
function withLife(rule: FaultRule): FaultRule {
	if (rule.model.startsWith("disk.")) return lifeOfDisk(rule as DiskRule);
	return lifeOfMachine(rule as MachineRule);
}

/** => why the rule may act for ever, or "" */
export function endless(rule: FaultRule): string {
	const { life = "once", when = {}, budget = {} } = withLife(rule);
	if (life === "permanent" || (typeof life === "object" && "onNs" in life)) {
		return "life: does not end; recover needs once, {count} or {forNs}";
	}
	const repeats = when.every !== undefined || when.chance !== undefined;
	const { times = repeats ? -1 : 1 } = budget;
	if (times > 0 || when.window !== undefined) return "";
	return "when: does not end; recover needs a window, or budget.times";
}

/**
 * Has the run ended as the golden one, with the same output, and with pages and books that are
 * right?
 */
export const hasRecovered = (run: Evidence, golden: Evidence): boolean =>
	run.error === null &&
	run.stop === "ended" &&
	hasRightOutput(run, golden) &&
	run.shadow.length === 0 &&
	run.invariants.length === 0;
