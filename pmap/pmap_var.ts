/**
 * The data of pmap(9): address spaces, PV entries, and what a C kernel would keep in globals.
 * All of it is plain data, so that a machine's state can be cloned.
 */

import {
	type paddr_t,
	VM_MAX_KERNEL_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	type vaddr_t,
} from "../sys/vmparam.ts";
import type { PmapPage } from "./host.ts";
import { PTE_G } from "./pte.ts";

/** Flags of pmap_enter, beside the VM_PROT_* bits of the access that causes it. */
export const PMAP_WIRED = 0x10; // the mapping may not be forgotten
export const PMAP_CANFAIL = 0x20; // return ENOMEM instead of panicking

/** PmapPage.md_attrs. */
export const PMAP_ATTR_MOD = 0x1;
export const PMAP_ATTR_REF = 0x2;

/** Translations that can wait for a fence; beyond that a whole address space is flushed. */
export const PMAP_FENCES = 16;
/** In place of an address: the whole address space. */
export const PMAP_FENCE_SPACE = -1;

/** An address space. */
export interface pmap {
	/** Physical address of the root table, and its index in ram32. */
	pm_root: paddr_t;
	pm_rootidx: number;
	/** The page of the root table; null for the kernel's, which is stolen at boot. */
	pm_rootpage: PmapPage | null;
	/** Addresses that may be entered. */
	readonly pm_min: vaddr_t;
	readonly pm_max: vaddr_t;
	/** PTE_U or PTE_G: in every leaf of this pmap. */
	readonly pm_ptebits: number;
	/** 0 for the kernel, and for a user pmap that has no entries in the TLB. */
	pm_asid: number;
	pm_refs: number;
	/** Valid leaves, and those with PTE_WIRED. */
	pm_resident: number;
	pm_wired: number;
}

/** One managed mapping of a page. */
export interface PvEntry {
	/** null while on no list, as the rest. */
	pv_pmap: pmap | null;
	/** The address by pages: a small integer, which the host keeps in the object itself. */
	pv_vpn: number;
	pv_page: PmapPage | null;
	/** The list of the page's mappings. */
	pv_next: PvEntry | null;
	pv_prev: PvEntry | null;
	/** Next entry of the same bucket of pv_hash. */
	pv_hash: PvEntry | null;
}

export interface PmapState {
	/**
	 * True: the hart traps when A is clear, or D on a store, and pmap_fault sets the bits. False: the
	 * hart sets them. Set before the first mapping is made.
	 */
	pm_adtrap: boolean;
	readonly pm_kernel: pmap;
	/** Live user pmaps, oldest first. */
	readonly pm_list: pmap[];
	/** Records of user pmaps that are gone: they are used again. */
	readonly pm_free: pmap[];

	/** Physical address of ram32[0], in words. */
	pm_basewords: number;
	/** Valid entries of each level-0 table, by page frame of RAM, as far as there are tables. */
	pm_ptcount: Uint16Array;
	/** Tables that no root entry points to, to be freed after a fence. */
	readonly pm_deadtables: PmapPage[];

	readonly pv_free: PvEntry[];
	/** PV entries in use, those of pages too. */
	pv_count: number;
	/** Those on lists that are no pages, by address space and address: a power of 2 of buckets. */
	pv_hash: (PvEntry | null)[];
	/** Entries that searches have looked at, to show that they do not grow. */
	pv_probes: number;

	/** Owner of each ASID; 0 is the kernel's. */
	readonly asid_owner: (pmap | null)[];
	/** Next ASID to be handed out or stolen. */
	asid_hand: number;

	/** Deferred fences: fence_n pairs of ASID (0: global) and address or PMAP_FENCE_SPACE. */
	readonly fence_asid: Int32Array;
	readonly fence_va: Float64Array;
	fence_n: number;
}

/** State of a kernel that has not called pmap_bootstrap yet. */
export function pmap_state(): PmapState {
	return {
		pm_adtrap: false,
		pm_kernel: {
			pm_root: 0,
			pm_rootidx: 0,
			pm_rootpage: null,
			pm_min: VM_MIN_KERNEL_ADDRESS,
			pm_max: VM_MAX_KERNEL_ADDRESS,
			pm_ptebits: PTE_G,
			pm_asid: 0,
			pm_refs: 1,
			pm_resident: 0,
			pm_wired: 0,
		},
		pm_list: [],
		pm_free: [],
		pm_basewords: 0,
		pm_ptcount: new Uint16Array(0),
		pm_deadtables: [],
		pv_free: [],
		pv_count: 0,
		pv_hash: [null],
		pv_probes: 0,
		asid_owner: [],
		asid_hand: 1,
		fence_asid: new Int32Array(PMAP_FENCES),
		fence_va: new Float64Array(PMAP_FENCES),
		fence_n: 0,
	};
}
