/**
 * Checksums of what is in swap.
 *
 * DEVIATION (D51): an option (autoconf.swapChecksum) that NetBSD does not have. A disk
 * may return something else than what was written and say that all is well; with a checksum for
 * each slot, in wired memory, that is an error like others.
 */
import { pmap_extract, pmap_kernel } from "../../pmap/pmap.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import type { vm_page } from "./uvm_page.ts";
import type { SwapSlot, swapdev } from "./uvm_swap.ts";

/** Bytes of a checksum; cost of computing one, in cycles: one for each word. */
const SUM_SIZE = 4;
const SUM_CYCLES = PAGE_SIZE / 4;

/** Bytes of the checksums of a device of so many slots. */
export const uvm_swap_cksum_size = (slots: number): number => slots * SUM_SIZE;

/** Index in ram32 of the checksum of a slot. */
function sum_index(k: Kernel, sdp: swapdev, slot: SwapSlot): number {
	const va = sdp.swd_sums + (slot - sdp.swd_drumoffset) * SUM_SIZE;
	return (pmap_extract(k, pmap_kernel(k), va) - k.port.ramBase) >>> 2;
}

/** A hash of a page. Any change of one word changes it. */
export function uvm_page_sum(k: Kernel, pg: vm_page): number {
	const { ram32, ramBase } = k.port;
	const first = (pg.phys_addr - ramBase) >>> 2;
	let sum = 0;
	for (let i = first; i < first + PAGE_SIZE / 4; i++) sum = Math.imul(sum, 0x0100_0193) ^ ram32[i]!;
	return sum;
}

/** Keep the checksums of pages that are about to be written. => they are busy and not mapped. */
export function uvm_swap_cksum_set(
	k: Kernel,
	sdp: swapdev,
	slot: SwapSlot,
	pps: readonly vm_page[],
	npages: number,
): void {
	if (sdp.swd_sums === 0) return;
	for (let i = 0; i < npages; i++) {
		k.port.storeWord(sum_index(k, sdp, slot + i), uvm_page_sum(k, pps[i]!));
		k.port.charge(SUM_CYCLES);
	}
}

/** Whether a page that was read is what was written to its slot. => true without checksums. */
export function uvm_swap_cksum_right(
	k: Kernel,
	sdp: swapdev,
	slot: SwapSlot,
	pg: vm_page,
): boolean {
	if (sdp.swd_sums === 0) return true;
	k.port.charge(SUM_CYCLES);
	return k.port.ram32[sum_index(k, sdp, slot)] === uvm_page_sum(k, pg);
}
