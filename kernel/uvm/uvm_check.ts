/**
 * Checks the invariants of the VM system. Slow, off by default, and used by tests and by `--check`:
 * the numbers in the messages are those of docs/invariants.md.
 *
 * At a quiet point, where no thread is inside UVM and no transfer is in flight, all of them hold.
 * At any other return to user mode only those are checked that hold with busy pages.
 */

import { pmap_check } from "../../pmap/pmap_check.ts";
import { panic } from "../../sys/panic.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { minor } from "../dev/conf.ts";
import { sleepq_check } from "../kern/core/kern_sleepq.ts";
import type { Kernel } from "../kernel.ts";
import { check_anons, check_aobjs, check_swap } from "./uvm_check_anon.ts";
import { check_files } from "./uvm_check_file.ts";
import { check_maps, check_user_ptes, type tlb_translation } from "./uvm_check_map.ts";
import { check_pages } from "./uvm_check_page.ts";
import { check_pools } from "./uvm_check_pool.ts";
import type { vm_page } from "./uvm_page.ts";
import { swapdrum_getsdp, uvm_swap_disk, uvm_swap_iscurrent, uvm_swap_sector } from "./uvm_swap.ts";

/** Waits outside of UVM that no signal ends. */
const AT_REST: readonly string[] = ["vfork", "stop"];

/** No thread is inside UVM and no transfer is in flight. */
export function uvm_is_quiet(k: Kernel): boolean {
	if (k.uvmexp.paging > 0 || k.uvm.aio_done.length > 0) return false;
	if (k.uvm.uvn_list.some((uvn) => uvn.u_nio > 0)) return false;
	const daemons = [k.uvm.pagedaemon, k.uvm.aiodoned];
	const head = [k.uvm.pagedaemon_wchan, k.uvm.aiodoned_wchan];
	return k.lwps.every((l) => {
		// A thread that waits for a signal, another process or the console holds nothing of UVM.
		if (l.l_kernel === null || l.l_sinterruptible || AT_REST.includes(l.l_wmesg)) return true;
		const i = daemons.indexOf(l);
		// A new daemon has not run to the head of its loop yet.
		return i >= 0 && (l.l_wchan === head[i] || l.l_wchan === null);
	});
}

/**
 * Check all invariants.
 * => one sentence for each violation; empty if there is none.
 * => `tlb` is what the TLB holds, if the caller can see it (invariant 15).
 */
export function uvm_check(k: Kernel, tlb: readonly tlb_translation[] = []): string[] {
	const quiet = uvm_is_quiet(k);
	const wrong: string[] = [];
	check_pages(k, quiet, wrong);
	check_aobjs(k, quiet, wrong);
	check_files(k, quiet, wrong);
	check_anons(k, quiet, wrong);
	check_swap(k, quiet, wrong);
	check_maps(k, quiet, wrong);
	check_pools(k, quiet, wrong);
	// A lookup in a map with a broken list might not return.
	if (!wrong.some((what) => what.startsWith("12:"))) check_user_ptes(k, tlb, wrong);
	for (const problem of pmap_check(k, k.uvm.vm_pages)) wrong.push(`13: ${problem}`);
	const sleepers = k.lwps.filter((l) => l.l_wchan !== null);
	for (const problem of sleepq_check(k.sleepq, sleepers)) wrong.push(`18: ${problem}`);
	return wrong;
}

/** uvm_check that panics at the first violation. */
export function uvm_check_panic(k: Kernel, tlb: readonly tlb_translation[]): void {
	const wrong = uvm_check(k, tlb);
	if (wrong.length > 0) panic(`uvm_check: invariant ${wrong[0]}`);
}

/**
 * Check that a clean page equals its swap slot, before it is freed (invariant 7).
 * => `read` reads sectors of disk `unit` as they are on the medium; 0 for success.
 */
export function uvm_check_freeclean(
	k: Kernel,
	pg: vm_page,
	slot: number,
	read: (unit: number, sector: number, into: Uint8Array) => number,
): void {
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null) panic("uvm_check: invariant 5: a clean page's slot is on no device");
	const disk = new Uint8Array(PAGE_SIZE);
	const sector = uvm_swap_sector(sdp, slot);
	const copy = uvm_swap_iscurrent(sdp, slot, 0) ? 0 : 1;
	if (read(minor(uvm_swap_disk(sdp, copy)), sector, disk) !== 0) return;
	const ram = pg.phys_addr - k.port.ramBase;
	for (let i = 0; i < PAGE_SIZE; i++) {
		if (disk[i] !== k.port.ram8[ram + i]) {
			panic("uvm_check: invariant 7: a clean page differs from its swap slot");
		}
	}
}
