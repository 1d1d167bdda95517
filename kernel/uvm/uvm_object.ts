/**
 * Memory objects and the interface of their pagers (uvm_object.h, uvm_pager.h), in the shape of
 * 2002 with the optional members that file-like pagers add for the cluster path of 1998.
 */
import type { Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import type { vm_prot_t } from "../../sys/vmparam.ts";
import type { simplelock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { uvm_faultinfo } from "./uvm_fault.ts";
import type { vm_page } from "./uvm_page.ts";

/** Byte offset in an object, page aligned where it names a page. Below 2^53. */
export type voff_t = number;

export interface uvm_object {
	readonly vmobjlock: simplelock;
	/** Index of its pager in k.uvm.pagerops. */
	readonly pgops: number;
	/** Resident pages, new ones at the tail. o: object lock. */
	memq_first: vm_page | null;
	memq_last: vm_page | null;
	uo_npages: number;
	/** Number of references, or UVM_OBJ_KERN. */
	uo_refs: number;
	/** Distinguishes objects in the page hash. */
	readonly uo_id: number;
}

/** uo_refs of the kernel object, which never dies. */
export const UVM_OBJ_KERN = -2;
export const UVM_OBJ_IS_KERN_OBJECT = (uobj: uvm_object): boolean => uobj.uo_refs === UVM_OBJ_KERN;

/** Pagers, by number (uvm_object.pgops). Tests add their own behind these. */
export const PAGER_AOBJ = 0;
export const PAGER_VNODE = 1;
export const PAGER_DEVICE = 2;

/** Flags of get and put. */
export const PGO_CLEANIT = 0x001;
export const PGO_SYNCIO = 0x002;
export const PGO_DEACTIVATE = 0x004;
export const PGO_FREE = 0x008;
export const PGO_ALLPAGES = 0x010;
/** Consider active pages for a cluster too. */
export const PGO_DOACTCLUST = 0x020;
export const PGO_LOCKED = 0x040;
/** Drop the cluster after a successful pageout. */
export const PGO_PDFREECLUST = 0x080;
/** Give up the swap slots of the cluster. */
export const PGO_REALLOCSWAP = 0x100;
/** DEVIATION (D27): with PGO_FREE, also pages that others refer to (a hole in a file in memory). */
export const PGO_DISCARD = 0x400;

/** What pgo_put_pages and uvm_swap_put return for a transfer that is still in flight. */
export const PGO_PENDING = -100;

export interface uvm_pagerops {
	readonly pgo_name: string;
	/** Called once, by uvm_pager_init. */
	pgo_init?(k: Kernel): void;
	/** => object unlocked. */
	pgo_reference(k: Kernel, uobj: uvm_object): void;
	/** Drop a reference; the last one frees the object. => object unlocked; may sleep. */
	pgo_detach(k: Kernel, uobj: uvm_object): Sleeps<void>;
	/**
	 * Resolve a fault instead of the generic code (devices).
	 * => object locked; returns with everything unlocked. 0, an errno, or ERESTART.
	 */
	pgo_fault?(
		k: Kernel,
		ufi: uvm_faultinfo,
		va: number,
		pps: (vm_page | null)[],
		npages: number,
		centeridx: number,
		access: vm_prot_t,
		flags: number,
	): Errno;
	/**
	 * get with PGO_LOCKED: only what is resident or can be made without sleeping.
	 * => object locked, and still locked on return.
	 * => pages returned in `pps` are PG_BUSY; entries that are PGO_DONTCARE are left alone.
	 * => 0, or EBUSY if the centre (with PGO_ALLPAGES: any page) needs the sleeping form.
	 */
	pgo_get_locked(
		k: Kernel,
		uobj: uvm_object,
		offset: voff_t,
		pps: (vm_page | null)[],
		npages: number,
		centeridx: number,
		access: vm_prot_t,
		flags: number,
	): Errno;
	/**
	 * get without PGO_LOCKED: the centre page (PGO_ALLPAGES: all pages), with I/O if needed.
	 * => object locked; returns with it unlocked in every case. Sleeps.
	 * => 0 and the pages PG_BUSY in `pps`; on an error no page is left busy and `pps` is cleared.
	 */
	pgo_get(
		k: Kernel,
		uobj: uvm_object,
		offset: voff_t,
		pps: (vm_page | null)[],
		npages: number,
		centeridx: number,
		access: vm_prot_t,
		flags: number,
	): Sleeps<Errno>;
	/**
	 * Flush the pages in [start, stop): clean, deactivate or free them, as the flags say.
	 * => object locked; returns with it unlocked. May sleep.
	 */
	pgo_put(k: Kernel, uobj: uvm_object, start: voff_t, stop: voff_t, flags: number): Sleeps<Errno>;

	/** The legal I/O window round `offset`: [lo, hi). => object locked. */
	pgo_cluster?(k: Kernel, uobj: uvm_object, offset: voff_t): { lo: voff_t; hi: voff_t };
	/** Gather neighbours of a page for one write; uvm_mk_pcluster or null for none. */
	pgo_mk_pcluster?: typeof import("./uvm_pager.ts").uvm_mk_pcluster;
	/**
	 * Write `npages` busy pages.
	 * => object locked; returns with it unlocked. 0, PGO_PENDING, or an errno.
	 */
	pgo_put_pages?(
		k: Kernel,
		uobj: uvm_object,
		pps: vm_page[],
		npages: number,
		flags: number,
	): Sleeps<Errno>;
	/**
	 * Finish an asynchronous pgo_put_pages of `npages` pages, which are un-busied already.
	 * => nothing locked. Never sleeps.
	 */
	pgo_aiodone?(k: Kernel, uobj: uvm_object, npages: number, error: Errno): void;
}

export const pagerops = (k: Kernel, uobj: uvm_object): uvm_pagerops => k.uvm.pagerops[uobj.pgops]!;

/**
 * Drop a reference that is not the last one, nor the last but one of a file if few files may be
 * cached. => false: it is, or the kernel object's; pgo_detach drops it. Object unlocked.
 */
export function uvm_obj_unref(k: Kernel, uobj: uvm_object): boolean {
	if (uobj.uo_refs <= 1) return false;
	if (uobj.pgops === PAGER_VNODE && k.uvm.policy.objectcache > 0) return false;
	KASSERT(!uobj.vmobjlock.locked, "uvm_obj_unref: locked");
	uobj.uo_refs--;
	return true;
}
