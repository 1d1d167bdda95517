/** Whether the rules of a campaign fit the computer that it runs. */
import { FaultPlanError } from "../computer/fault/plan.ts";
import type { FaultRule } from "../devices/fault/rule.ts";
import { type Campaign, CampaignError, samplesOf } from "./campaign.ts";
import { createComputer, type Workload } from "./run/workload.ts";
import { parameterSets } from "./space.ts";

/**
 * => CampaignError for a rule about what is not there. All combinations of parameters are tried if
 *    they are not too many, and otherwise each value of each.
 */
export function checkFits({ rules, combine }: Campaign, workload: Workload): void {
	const computer = createComputer(workload);
	const follow = (...of: readonly (readonly [FaultRule, number])[]): void => {
		try {
			computer.inject({ rules: of.map(([rule]) => rule) });
		} catch (error) {
			if (!(error instanceof FaultPlanError)) throw error;
			const [, which, ...path] = error.path;
			const [, i] = of[Number(which)]!;
			const message = error.message.replace(/^rule \d+/, `rule ${i + 1}`);
			throw new CampaignError(message, ["rules", i, ...path]);
		}
	};
	const firsts = rules.map((template, i) => {
		const [first, ...others] = samplesOf(template);
		follow([first!, i]);
		for (const other of others) follow([other, i]);
		for (const params of parameterSets(template)) follow([{ ...first!, params }, i]);
		return [first!, i] as const;
	});
	if (combine === "single") return;
	for (const [i, one] of firsts.entries()) {
		for (const other of firsts.slice(i + 1)) follow(one, other);
	}
}
