/**
 * pmap(9), the kernel's own unmanaged mappings. They are wired, never on a PV list, invisible to
 * page_protect and to the modified bit, and only pmap_kremove removes them.
 */

import { KASSERT } from "../sys/panic.ts";
import {
	PAGE_SIZE,
	type paddr_t,
	VM_MAX_KERNEL_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	type vaddr_t,
	type vm_prot_t,
} from "../sys/vmparam.ts";
import type { PmapHost } from "./host.ts";
import { pmap_pte_index } from "./pmap_ptp.ts";
import { pmap_leaf_remove } from "./pmap_pv.ts";
import { pmap_tlb_defer } from "./pmap_tlb.ts";
import {
	PA_TO_PTE,
	PROT_TO_PTE,
	PTE_A,
	PTE_D,
	PTE_G,
	PTE_MANAGED,
	PTE_R,
	PTE_V,
	PTE_WIRED,
} from "./pte.ts";

const KENTER_BITS = PTE_V | PTE_R | PTE_G | PTE_A | PTE_D | PTE_WIRED;

/**
 * Map `pa` at kernel address `va`.
 *
 * => `va` has no managed mapping; one made by this function is replaced.
 * => may be called anywhere, an interrupt handler included; never sleeps, never fails.
 * => takes effect at pmap_update.
 */
export function pmap_kenter_pa(k: PmapHost, va: vaddr_t, pa: paddr_t, prot: vm_prot_t): void {
	KASSERT(
		va >= VM_MIN_KERNEL_ADDRESS && va < VM_MAX_KERNEL_ADDRESS,
		"pmap_kenter_pa: not a kernel address",
	);
	const pm = k.pmap.pm_kernel;
	const ram32 = k.port.ram32;
	const index = pmap_pte_index(k, pm, va);
	const old = ram32[index]!;
	if ((old & PTE_V) !== 0) {
		KASSERT((old & PTE_MANAGED) === 0, "pmap_kenter_pa: over a managed mapping");
		pmap_tlb_defer(k, pm, va);
	} else {
		k.pmap.pm_ptcount[index >>> 10]!++;
		pm.pm_resident++;
		pm.pm_wired++;
	}
	k.port.storeWord(index, PA_TO_PTE(pa) | PROT_TO_PTE(prot) | KENTER_BITS);
}

/**
 * Remove the mappings that pmap_kenter_pa made in [va, va + len).
 *
 * => skips holes; a managed mapping in the range is a panic.
 * => takes effect at pmap_update. Never sleeps.
 */
export function pmap_kremove(k: PmapHost, va: vaddr_t, len: number): void {
	const end = va + len;
	KASSERT(
		va >= VM_MIN_KERNEL_ADDRESS && end <= VM_MAX_KERNEL_ADDRESS,
		"pmap_kremove: not a kernel address",
	);
	const pm = k.pmap.pm_kernel;
	for (let at = va; at < end; at += PAGE_SIZE) {
		const index = pmap_pte_index(k, pm, at);
		const pte = k.port.ram32[index]!;
		if ((pte & PTE_V) === 0) continue;
		KASSERT((pte & PTE_MANAGED) === 0, "pmap_kremove: managed mapping");
		pmap_leaf_remove(k, pm, at, index);
		pmap_tlb_defer(k, pm, at);
	}
}
