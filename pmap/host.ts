/**
 * What pmap needs from above: pages for page tables and the page of a physical address.
 * The kernel context satisfies this interface, so pmap never imports the kernel.
 */
import type { MachinePort } from "../machine/port.ts";
import type { PmapState, PvEntry } from "./pmap_var.ts";

/** The part of a vm_page that belongs to pmap (NetBSD's mdpage, VM_MDPAGE_MEMBERS). */
export interface PmapPage {
	readonly phys_addr: number;
	/** Head of the list of managed mappings. */
	md_pvlist: PvEntry | null;
	/** PMAP_ATTR_MOD | PMAP_ATTR_REF: what mappings that are gone have left behind. */
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
	/** Give a page table page back. => no mapping of it is left, its TLB entries are fenced. */
	pmap_ptpage_free(page: PmapPage): void;
	/** The managed page at `pa`, or null for a device or for memory the page layer does not own. */
	PHYS_TO_VM_PAGE(pa: number): PmapPage | null;
	/** Tests: whether this allocation is to fail. Asked for "pv" where PMAP_CANFAIL is given. */
	failinject?: ((what: string) => boolean) | null;
}
