/**
 * struct uvm (uvm.h): the state of the VM system that is not in an object, map or page.
 */

import type { buf } from "../dev/buf.ts";
import type { vnode } from "../fs/vnode.ts";
import { simple_lock_init, type simplelock } from "../kern/core/kern_lock.ts";
import type { lwp } from "../kern/core/kern_lwp.ts";
import type { pools } from "../kern/core/pools.ts";
import type { pool } from "../kern/core/subr_pool.ts";
import type { vm_amap } from "./uvm_amap.ts";
import type { vm_amap_chunk } from "./uvm_amap_chunks.ts";
import type { vm_anon } from "./uvm_anon.ts";
import type { uvm_aobj } from "./uvm_aobj_slots.ts";
import type { uvm_device } from "./uvm_device.ts";
import type { uvm_faultinfo } from "./uvm_fault.ts";
import type { uvm_hold } from "./uvm_hold.ts";
import type { uvm_map_args, vmspace } from "./uvm_map.ts";
import type { vm_map, vm_map_entry } from "./uvm_map_entry.ts";
import type { uvm_pagerops } from "./uvm_object.ts";
import { type pglist, pglist_init, type vm_page } from "./uvm_page.ts";
import { type uvm_pdpolicy, type uvm_pdstate, uvm_pdstate_init } from "./uvm_pdpolicy.ts";
import { uvm_pdpolicy_clock } from "./uvm_pdpolicy_clock.ts";
import { UVM_POLICY, type uvm_policy } from "./uvm_policy.ts";
import { SWCLPAGES, type swapdev } from "./uvm_swap.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";

/** Pages whose memory was broken: read again from disk; and lost. */
export interface memstats {
	repaired: number;
	lost: number;
}

/** What errors of swap have cost; each is a count. */
export interface swapstats {
	/** Clusters that could not be written, and were written page by page. */
	splits: number;
	/** Pages that were read and had another checksum than when they were written. */
	sumErrors: number;
	/** Pages that could be written to one of two disks only. */
	degraded: number;
	/** Devices whose disk died, and which are no longer used. */
	dead: number;
	/** Pages that were read from the second disk, and copies on the other that were put right. */
	mirrorReads: number;
	repairs: number;
}

export interface Uvm {
	/** Pages by physical address, from physmem_start on; those behind them were never used. */
	readonly vm_pages: vm_page[];
	physmem_start: number;
	/** Pages of memory from there to avail_end. */
	physmem_pages: number;
	avail_start: number;
	avail_end: number;

	page_hash: (vm_page | null)[];
	page_hashmask: number;
	readonly page_free: pglist;
	/** Free pages that are zeroed already (PGFL_ZEROS). */
	readonly page_zeros: pglist;
	/** Since when, in cycles, no thread could run; -1: one can. */
	idlesince: number;
	readonly page_active: pglist;
	readonly page_inactive: pglist;
	readonly pageqlock: simplelock;
	/** What an experiment has chosen; and how pages are replaced. */
	policy: uvm_policy;
	pdpolicy: uvm_pdpolicy;
	readonly pdstate: uvm_pdstate;
	/** Pages that are not used any more, because their memory is broken. */
	readonly page_retired: vm_page[];
	readonly memstats: memstats;

	/** Wait channels: for free pages; of the page daemon; of the aiodone daemon. */
	readonly free_wchan: object;
	readonly pagedaemon_wchan: object;
	readonly aiodoned_wchan: object;
	pagedaemon: lwp | null;
	aiodoned: lwp | null;
	/** Consecutive scans of the page daemon that found memory short and freed none. */
	pdfruitless: number;
	/**
	 * Pages that pools had when draining them was progress last; what they took again since, and gave
	 * back, is none. 0 after other progress: then any is.
	 */
	pdpoolpages: number;
	/** Transfers that are complete and wait for uvm_aio_aiodone. */
	readonly aio_done: buf[];

	/** Pagers by number (uvm_object.pgops). */
	readonly pagerops: uvm_pagerops[];
	next_object_id: number;

	/** null until uvm_km_init. */
	kernel_map: vm_map | null;
	kernel_object: uvm_aobj | null;

	pager_map: vm_map | null;
	/** What uvm_map_enter is called with for it; null until that has happened. */
	pager_args: uvm_map_args | null;
	pager_map_wanted: boolean;
	readonly pager_map_wanted_lock: simplelock;
	/** KVA of one cluster for the page daemon alone, so that it never waits for pager_map (P7). */
	emergva: number;
	emergpages: number;
	emerginuse: boolean;

	/** Every aobj except those that are being freed. */
	readonly uao_list: uvm_aobj[];
	readonly uao_list_lock: simplelock;
	readonly uvm_aobj_pool: pool;
	readonly uao_swhash_elt_pool: pool;
	readonly anon_pool: pool;
	/** Anons that are not in use, so that no new ones have to be made. */
	readonly anon_free: vm_anon[];
	readonly amap_pool: pool;
	/** Amaps that are not in use, likewise. */
	readonly amap_free: vm_amap[];
	/** Chunks of amaps, likewise. */
	readonly amap_chunk_free: vm_amap_chunk[];
	readonly map_entry_pool: pool;
	readonly kmap_entry_pool: pool;
	/** Map entries that are not in use, so that no new ones have to be made. */
	readonly mapent_free: vm_map_entry[];
	/** Address spaces, likewise. */
	readonly vmspace_free: vmspace[];
	readonly vmspace_pool: pool;

	/** Every file's object, and every device's. */
	readonly uvn_list: uvm_vnode[];
	/** If few files may be cached: those that nobody maps, the longest unused first. */
	readonly uvn_cached: uvm_vnode[];
	readonly udv_list: uvm_device[];

	/** Swap devices in the order in which slots are taken: by priority, then rotating. */
	readonly swap_list: swapdev[];
	readonly swap_data_lock: simplelock;
	/** Files that are swap devices, or about to become one. */
	readonly swap_files: vnode[];
	/** How many slots the latest uvm_swap_alloc took. */
	swap_alloc_nslots: number;
	readonly swapstats: swapstats;
	/** The thread in swapoff; one at a time. */
	swapoff_lwp: lwp | null;

	/** What is held by nobody who needs it, the oldest first. */
	readonly holds: uvm_hold[];

	/** What is on loan to the kernel: the results of uvm_loan. */
	readonly loans: vm_page[][];
	/** What devices read or write in user memory: the results of uvm_vslock. */
	readonly vslocks: vm_page[][];

	/** Scratch of the fault path that does not sleep. */
	fault: uvm_faultinfo | null;
	/** Every amap, linked by am_list, so that swapoff finds the anons on a device. */
	amap_list: vm_amap | null;
	/** Slots that the chunks of all amaps have room for. */
	amap_slots: number;
}

export function uvm_state(pools: pools): Uvm {
	return {
		vm_pages: [],
		physmem_start: 0,
		physmem_pages: 0,
		avail_start: 0,
		avail_end: 0,
		page_hash: [],
		page_hashmask: 0,
		page_free: pglist_init(),
		page_zeros: pglist_init(),
		idlesince: -1,
		page_active: pglist_init(),
		page_inactive: pglist_init(),
		pageqlock: simple_lock_init(),
		policy: UVM_POLICY,
		pdpolicy: uvm_pdpolicy_clock,
		pdstate: uvm_pdstate_init(),
		page_retired: [],
		memstats: { repaired: 0, lost: 0 },
		free_wchan: {},
		pagedaemon_wchan: {},
		aiodoned_wchan: {},
		pagedaemon: null,
		aiodoned: null,
		pdfruitless: 0,
		pdpoolpages: 0,
		aio_done: [],
		pagerops: [],
		next_object_id: 1,
		kernel_map: null,
		kernel_object: null,
		pager_map: null,
		pager_args: null,
		pager_map_wanted: false,
		pager_map_wanted_lock: simple_lock_init(),
		emergva: 0,
		emergpages: SWCLPAGES,
		emerginuse: false,
		uao_list: [],
		uao_list_lock: simple_lock_init(),
		uvm_aobj_pool: pools.aobjpl,
		uao_swhash_elt_pool: pools.uaoeltpl,
		anon_pool: pools.anonpl,
		anon_free: [],
		amap_pool: pools.amappl,
		amap_free: [],
		amap_chunk_free: [],
		map_entry_pool: pools.vmmpepl,
		mapent_free: [],
		vmspace_free: [],
		kmap_entry_pool: pools.vmmpekpl,
		vmspace_pool: pools.vmsppl,
		uvn_list: [],
		uvn_cached: [],
		udv_list: [],
		swap_list: [],
		swap_data_lock: simple_lock_init(),
		swap_files: [],
		swap_alloc_nslots: 0,
		swapstats: { splits: 0, sumErrors: 0, degraded: 0, dead: 0, mirrorReads: 0, repairs: 0 },
		swapoff_lwp: null,
		holds: [],
		loans: [],
		vslocks: [],
		fault: null,
		amap_list: null,
		amap_slots: 0,
	};
}
