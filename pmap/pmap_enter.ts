/**
 * pmap(9): pmap_enter. It is on the path of every page fault, so the common case, a fresh mapping,
 * allocates nothing.
 */
import { ENOMEM, type Errno } from "../sys/errno.ts";
import { KASSERT, panic } from "../sys/panic.ts";
import {
	type paddr_t,
	VM_PROT_ALL,
	VM_PROT_NONE,
	VM_PROT_WRITE,
	type vaddr_t,
	type vm_prot_t,
} from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import { pmap_pte_index, pmap_ptp_alloc } from "./pmap_ptp.ts";
import {
	pmap_pte_page,
	pmap_pv_alloc,
	pmap_pv_free,
	pmap_pv_link,
	pmap_pv_unlink,
	pmap_sync_attrs,
} from "./pmap_pv.ts";
import { pmap_tlb_defer } from "./pmap_tlb.ts";
import { PMAP_ATTR_MOD, PMAP_ATTR_REF, PMAP_CANFAIL, PMAP_WIRED, type pmap } from "./pmap_var.ts";
import {
	PA_TO_PTE,
	PROT_TO_PTE,
	PTE_A,
	PTE_D,
	PTE_MANAGED,
	PTE_V,
	PTE_W,
	PTE_WIRED,
} from "./pte.ts";

/** A leaf for pmap_enter; its access type is noted in the page's attributes. */
function make_leaf(
	pm: pmap,
	pg: PmapPage | null,
	pa: paddr_t,
	prot: vm_prot_t,
	flags: number,
): number {
	let pte = PA_TO_PTE(pa) | PROT_TO_PTE(prot) | pm.pm_ptebits | PTE_V;
	if ((flags & PMAP_WIRED) !== 0) pte |= PTE_WIRED;
	if (pg === null) return pte | PTE_A | PTE_D;
	let attrs = pg.md_attrs;
	if ((flags & VM_PROT_WRITE) !== 0) attrs |= PMAP_ATTR_MOD | PMAP_ATTR_REF;
	else if ((flags & VM_PROT_ALL) !== 0) attrs |= PMAP_ATTR_REF;
	pg.md_attrs = attrs;
	// Set A and D if the page has them already, to save a walk or a trap.
	if ((attrs & PMAP_ATTR_REF) !== 0) pte |= PTE_A;
	if ((attrs & PMAP_ATTR_MOD) !== 0 && (pte & PTE_W) !== 0) pte |= PTE_D;
	return pte | PTE_MANAGED;
}

function no_memory(flags: number): Errno {
	if ((flags & PMAP_CANFAIL) === 0) panic("pmap_enter: out of memory");
	return ENOMEM;
}

/**
 * Map `pa` at `va` with protection `prot`.
 *
 * => `flags`: the access that causes this, within `prot`, which marks the page referenced and
 *    modified; PMAP_WIRED; PMAP_CANFAIL.
 * => the mapping is managed if `pa` has a page. In the kernel pmap it must have one.
 * => a mapping that is there already is replaced: another page, protection or wiring.
 * => 0; ENOMEM, with nothing changed, if there is no memory for a page table or a PV entry; without
 *    PMAP_CANFAIL that is a panic.
 * => a change of a valid mapping takes effect at pmap_update.
 */
export function pmap_enter(
	k: PmapHost,
	pm: pmap,
	va: vaddr_t,
	pa: paddr_t,
	prot: vm_prot_t,
	flags: number,
): Errno {
	KASSERT(va >= pm.pm_min && va < pm.pm_max, "pmap_enter: address outside of the pmap");
	KASSERT(prot !== VM_PROT_NONE, "pmap_enter: no protection");
	KASSERT((flags & VM_PROT_ALL & ~prot) === 0, "pmap_enter: access exceeds the protection");
	const st = k.pmap;
	const pg = k.PHYS_TO_VM_PAGE(pa);
	let how = flags;
	// A wired mapping must never trap: where traps set A and D, set them now.
	if (st.pm_adtrap && (flags & PMAP_WIRED) !== 0) how |= prot;
	let index = pmap_pte_index(k, pm, va);
	// One that has lost V alone, by a fault of memory, still counts as a mapping.
	if (index >= 0 && k.port.ram32[index] !== 0) {
		return enter_over(k, pm, va, index, pg, pa, prot, how);
	}

	if (pg !== null) {
		if (!pmap_pv_alloc(k, flags)) return no_memory(flags);
	} else if (pm === st.pm_kernel) {
		panic("pmap_enter: unmanaged kernel mapping, use pmap_kenter_pa");
	}
	if (index < 0) {
		index = pmap_ptp_alloc(k, pm, va);
		if (index < 0) {
			if (pg !== null) pmap_pv_free(k);
			return no_memory(flags);
		}
	}
	if (pg !== null) pmap_pv_link(k, pg, pm, va);
	k.port.storeWord(index, make_leaf(pm, pg, pa, prot, how));
	st.pm_ptcount[index >>> 10]!++;
	pm.pm_resident++;
	if ((flags & PMAP_WIRED) !== 0) pm.pm_wired++;
	return 0;
}

/** pmap_enter over the valid leaf at `index`. */
function enter_over(
	k: PmapHost,
	pm: pmap,
	va: vaddr_t,
	index: number,
	pg: PmapPage | null,
	pa: paddr_t,
	prot: vm_prot_t,
	flags: number,
): Errno {
	const old = k.port.ram32[index]!;
	const oldpg = (old & PTE_MANAGED) !== 0 ? pmap_pte_page(k, old) : null;
	if (oldpg === null && pm === k.pmap.pm_kernel) panic("pmap_enter: over a kenter'd mapping");
	if (oldpg !== null) pmap_sync_attrs(oldpg, old);
	if (oldpg !== pg) {
		if (oldpg !== null) pmap_pv_unlink(k, oldpg, pm, va);
		else if (!pmap_pv_alloc(k, flags)) return no_memory(flags);
		if (pg !== null) pmap_pv_link(k, pg, pm, va);
		else pmap_pv_free(k);
	}
	k.port.storeWord(index, make_leaf(pm, pg, pa, prot, flags));
	if ((old & PTE_WIRED) !== 0) pm.pm_wired--;
	if ((flags & PMAP_WIRED) !== 0) pm.pm_wired++;
	// Even if nothing has changed: then a stale translation may have caused the fault.
	if ((old & PTE_A) !== 0) pmap_tlb_defer(k, pm, va);
	return 0;
}
