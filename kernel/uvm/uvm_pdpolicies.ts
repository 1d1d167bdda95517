/** The page-replacement policies, and what is set up for an experiment's choice. */
import type { Kernel } from "../kernel.ts";
import type { uvm_pdpolicy } from "./uvm_pdpolicy.ts";
import { uvm_pdpolicy_aging } from "./uvm_pdpolicy_aging.ts";
import { uvm_pdpolicy_clock } from "./uvm_pdpolicy_clock.ts";
import { uvm_pdpolicy_clockpro } from "./uvm_pdpolicy_clockpro.ts";
import { uvm_pdpolicy_random } from "./uvm_pdpolicy_random.ts";
import type { uvm_policy, uvm_replacement } from "./uvm_policy.ts";

const PDPOLICIES: Readonly<Record<uvm_replacement, uvm_pdpolicy>> = {
	clock: uvm_pdpolicy_clock,
	clockpro: uvm_pdpolicy_clockpro,
	aging: uvm_pdpolicy_aging,
	random: uvm_pdpolicy_random,
};

/**
 * Follow `policy` from now on. DEVIATION (D74): NetBSD decides most of it when it is compiled.
 * => after uvm_page_init, before a page is on a queue.
 */
export function uvm_policy_init(k: Kernel, policy: uvm_policy): void {
	k.uvm.policy = policy;
	k.uvm.pdpolicy = PDPOLICIES[policy.replacement];
	k.uvm.emergpages = Math.max(k.uvm.emergpages, policy.cluster);
	k.uvm.pdpolicy.init(k);
}
