/**
 * Page replacement at random: each page that can be paged is the next victim with the same
 * probability, whether it is in use or not. To compare others with: what is not better than this is
 * not worth its cost.
 */
import { arc4random } from "../kern/core/kern_rndq.ts";
import type { Kernel } from "../kernel.ts";
import { PQ_ACTIVE, PQ_INACTIVE, type vm_page } from "./uvm_page.ts";
import { SCAN_CYCLES, type uvm_pdpolicy, uvmpd_may_write } from "./uvm_pdpolicy.ts";
import { uvmpd_dropswap_queue } from "./uvm_pdswap.ts";

export interface uvm_randomscan {
	/** State of the sequence (xorshift32 by George Marsaglia, 2003); never 0. */
	seed: number;
	/** Victims that this search may still name: some of them cannot be given up. */
	left: number;
}

/** The next of a sequence of its own: what programs get does not depend on the policy. */
function random_next(scan: uvm_randomscan): number {
	let x = scan.seed;
	x ^= x << 13;
	x ^= x >>> 17;
	x ^= x << 5;
	scan.seed = x;
	return x >>> 0;
}

function random_scaninit(k: Kernel): void {
	k.uvm.pdstate.random.left = 2 * (k.uvmexp.active + k.uvmexp.inactive);
}

function random_selectvictim(k: Kernel, dirty: boolean): vm_page | null {
	const { pdstate, vm_pages } = k.uvm;
	const scan = pdstate.random;
	while (scan.left > 0 && k.uvmexp.active + k.uvmexp.inactive > 0) {
		const pg = vm_pages[random_next(scan) % vm_pages.length]!;
		k.port.charge(SCAN_CYCLES);
		if ((pg.pqflags & (PQ_ACTIVE | PQ_INACTIVE)) === 0) continue;
		scan.left--;
		k.uvmexp.pdscans++;
		if (!dirty || uvmpd_may_write(k, pg)) return pg;
	}
	return null;
}

export const uvm_pdpolicy_random: uvm_pdpolicy = {
	name: "random",
	init: (k) => {
		k.uvm.pdstate.random.seed = arc4random(k) | 1;
	},
	tune: (k) => {
		k.uvmexp.inactarg = 0;
	},
	scaninit: random_scaninit,
	scanfini: () => {},
	selectvictim: random_selectvictim,
	balancequeue: (k, swap_shortage) => {
		uvmpd_dropswap_queue(k, k.uvm.page_active, swap_shortage);
	},
	queues: null,
};
