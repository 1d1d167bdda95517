/**
 * A pager for tests: an object whose contents live in a map of the host, written in clusters
 * through uvm_pager_put, as a file system's would be. It stands for the users of the 1998 cluster
 * path that do not exist yet.
 */

import { simple_lock, simple_lock_init, simple_unlock } from "../../kernel/kern/core/kern_lock.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { uvm_object, uvm_pagerops } from "../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	uvm_pagealloc,
	uvm_pagelookup,
	type vm_page,
} from "../../kernel/uvm/uvm_page.ts";
import { uvm_mk_pcluster } from "../../kernel/uvm/uvm_pager.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import type { TestKernel } from "./kernel.ts";

/** Pages of the window that the pager gathers clusters in. */
export const WINDOW = 8;

export interface TestObject extends uvm_object {
	/** What was written, by page index. */
	readonly store: Map<number, Uint8Array>;
	/** Page indices of each write, in order. */
	readonly writes: number[][];
	/** Results of the next writes; 0 once this is empty. */
	readonly results: number[];
	/** Called at the start of a write, while the object is unlocked. */
	during: (() => void) | null;
}

/** Register the pager, once for a kernel, and make an object of it. */
export function testObject(t: TestKernel): TestObject {
	const { k } = t;
	let tag = k.uvm.pagerops.findIndex((ops) => ops.pgo_name === "test");
	if (tag < 0) tag = k.uvm.pagerops.push(testPager(t)) - 1;
	return {
		vmobjlock: simple_lock_init(),
		pgops: tag,
		memq_first: null,
		memq_last: null,
		uo_npages: 0,
		uo_refs: 1,
		uo_id: k.uvm.next_object_id++,
		store: new Map(),
		writes: [],
		results: [],
		during: null,
	};
}

function testPager(t: TestKernel): uvm_pagerops {
	return {
		pgo_name: "test",
		pgo_reference: (_k, uobj) => {
			uobj.uo_refs++;
		},
		pgo_detach: function* (_k, uobj) {
			uobj.uo_refs--;
		},
		pgo_get_locked: () => 16,
		pgo_get: function* (k, uobj, offset, pps): Sleeps<number> {
			const { store } = uobj as TestObject;
			let pg = uvm_pagelookup(k, uobj, offset);
			if (pg === null) {
				pg = uvm_pagealloc(k, uobj, offset, null, 0)!;
				pg.flags &= ~PG_FAKE;
				t.bytes(pg).set(store.get(offset / PAGE_SIZE) ?? new Uint8Array(PAGE_SIZE));
			}
			pg.flags |= PG_BUSY;
			pps[0] = pg;
			simple_unlock(k, uobj.vmobjlock);
			return 0;
		},
		pgo_put: function* (k, uobj) {
			simple_unlock(k, uobj.vmobjlock);
			return 0;
		},
		pgo_cluster: (_k, _uobj, offset) => {
			const lo = offset - (offset % (WINDOW * PAGE_SIZE));
			return { lo, hi: lo + WINDOW * PAGE_SIZE };
		},
		pgo_mk_pcluster: uvm_mk_pcluster,
		pgo_put_pages: function* (k, uobj, pps, npages): Sleeps<number> {
			const obj = uobj as TestObject;
			simple_unlock(k, uobj.vmobjlock);
			obj.during?.();
			const pages = pps.slice(0, npages);
			obj.writes.push(pages.map((pg) => pg.offset / PAGE_SIZE));
			const result = obj.results.shift() ?? 0;
			if (result !== 0) return result;
			for (const pg of pages) obj.store.set(pg.offset / PAGE_SIZE, t.bytes(pg).slice());
			return 0;
		},
	};
}

/** Make a page resident, dirty, not busy, with every byte `fill`; its queue is the caller's. */
export function makeDirty(t: TestKernel, obj: TestObject, pageidx: number, fill: number): vm_page {
	const { k } = t;
	simple_lock(k, obj.vmobjlock);
	const pg = uvm_pagealloc(k, obj, pageidx * PAGE_SIZE, null, 0)!;
	pg.flags = pg.flags & ~(PG_BUSY | PG_FAKE | PG_CLEAN);
	t.bytes(pg).fill(fill);
	simple_unlock(k, obj.vmobjlock);
	return pg;
}

/** The kernel's pages that are busy now. */
export const busyPages = (k: Kernel): vm_page[] =>
	k.uvm.vm_pages.filter((pg) => (pg.flags & PG_BUSY) !== 0);
