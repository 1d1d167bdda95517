/**
 * What pmap needs from above: pages for page tables and the page of a physical address.
 * The kernel context satisfies this interface, so pmap never imports the kernel.
 */
import type { MachinePort } from "../machine/port.ts";
import type { PmapState, PvEntry } from "./pmap_var.ts";

/**
 * The part of a vm_page that belongs to pmap (NetBSD's mdpage, VM_MDPAGE_MEMBERS). It is a PV entry
 * itself, for one mapping of the page: most pages have no other (pp_pte of NetBSD 5).
 */
export interface PmapPage extends PvEntry {
	readonly phys_addr: number;
	/** Head of the list of managed mappings. */
	md_pvlist: PvEntry | null;
	/** PMAP_ATTR_MOD | PMAP_ATTR_REF: saved from mappings that were removed. */
	md_attrs: number;
}

export interface PmapHost {
	readonly port: MachinePort;
	readonly pmap: PmapState;

	/**
	 * A zeroed page for a page table, owned by pmap, never queued.
	 * => never sleeps; null when memory is short.
	 * => PHYS_TO_VM_PAGE of its address is this page.
	 */
	pmap_ptpage_alloc(): PmapPage | null;
	/** Free a page table page. => nothing maps it, and its TLB entries are fenced. */
	pmap_ptpage_free(page: PmapPage): void;
	/** Memory for a PV entry. => never sleeps; false when memory is short. */
	pmap_pv_get(): boolean;
	pmap_pv_put(): void;
	/** The managed page at `pa`, or null for a device or for memory the page layer does not own. */
	PHYS_TO_VM_PAGE(pa: number): PmapPage | null;
	/** The same by the number of the page: PHYS_TO_VM_PAGE(ptoa(pfn)). */
	PFN_TO_VM_PAGE(pfn: number): PmapPage | null;
	/** Tests: true makes this allocation fail. Called for "pv", with PMAP_CANFAIL only. */
	failinject?: ((what: string) => boolean) | null;
}
