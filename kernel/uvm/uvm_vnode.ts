/**
 * Port of sys/uvm/uvm_vnode.c 1.30 (2000), with the pager interface of 2002: the pager of files.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1990 University of Utah.
 * All rights reserved. See NOTICE for the conditions.
 *
 * The pages of a file are its cache, shared by read, write and mappings. A page is clean (the disk
 * has the same bytes) or dirty; dirty pages are written in clusters of neighbours.
 *
 * DEVIATION (D38): an object exists as long as the file system is mounted, so its pages stay when
 * it is not mapped; in NetBSD they stay until the vnode is needed for another file.
 * DEVIATION (D39): a file is contiguous on its disk, as in an archive, so the object itself knows
 * where, and a transfer does not go through VOP_BMAP and VOP_STRATEGY.
 */

import {
	pmap_clear_modify,
	pmap_clear_reference,
	pmap_is_modified,
	pmap_page_protect,
} from "../../pmap/pmap.ts";
import { EAGAIN, EBUSY, EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import {
	PAGE_SIZE,
	ptoa,
	round_page,
	trunc_page,
	VM_PROT_NONE,
	VM_PROT_READ,
} from "../../sys/vmparam.ts";
import { buf_setup } from "../dev/buf.ts";
import { bdev_cachesync, bdev_name, bdev_strategy, type dev_t } from "../dev/conf.ts";
import { biowait, getiobuf, putiobuf } from "../dev/vfs_bio.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_lock_init, simple_unlock } from "../kern/core/kern_lock.ts";
import { type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	PAGER_VNODE,
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_DOACTCLUST,
	PGO_FREE,
	PGO_PDFREECLUST,
	PGO_PENDING,
	PGO_SYNCIO,
	type uvm_object,
	type uvm_pagerops,
	type voff_t,
} from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_CLEANCHK,
	PG_FAKE,
	PG_PAGEOUT,
	PG_RELEASED,
	PG_WANTED,
	PGO_DONTCARE,
	uvm_page_unbusy,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagedeactivate,
	uvm_pagefree,
	uvm_pagelookup,
	uvm_pagewait,
	type vm_page,
} from "./uvm_page.ts";
import { uvm_mk_pcluster, uvm_pager_pageout, uvm_pager_put } from "./uvm_pager.ts";
import { uvm_pagermapin, uvm_pagermapout } from "./uvm_pagermap.ts";
import { SWCLPAGES } from "./uvm_swap.ts";
import { uvm_pause, uvm_wait_locked } from "./uvm_wait.ts";

/** Pages that one transfer moves at most: 64 KiB. */
const UVN_CLUSTER = SWCLPAGES;
/** Pages that a read brings in at most, if they are absent and memory is plentiful. */
const UVN_READAHEAD = 8;
/**
 * Consecutive failed writes after which the page daemon leaves the object's dirty pages alone,
 * until the error has been reported.
 */
export const UVN_MAXFAILURES = 16;

export interface uvm_vnode extends uvm_object {
	/** The disk, and the sector with which the file begins. */
	readonly u_dev: dev_t;
	readonly u_blkno: number;
	/** Length of the file in bytes. */
	readonly u_size: number;
	/** Has been mapped as a program or library (VEXECMAP). */
	u_text: boolean;
	/** o: Transfers in flight. */
	u_nio: number;
	/** o: Error of an asynchronous write that has not been reported yet, or 0. */
	u_error: Errno;
	/** o: Asynchronous writes that have failed since the last successful one. */
	u_failures: number;
}

/** Register the pager. => at boot. */
export function uvn_init(k: Kernel): void {
	k.uvm.pagerops[PAGER_VNODE] = vnode_pager;
}

/** The object of a file of `size` bytes. => unlocked, with one reference: the file's. */
export function uvn_attach(k: Kernel, dev: dev_t, blkno: number, size: number): uvm_vnode {
	const uvn: uvm_vnode = {
		vmobjlock: simple_lock_init(),
		pgops: PAGER_VNODE,
		memq_first: null,
		memq_last: null,
		uo_npages: 0,
		uo_refs: 1,
		uo_id: k.uvm.next_object_id++,
		u_dev: dev,
		u_blkno: blkno,
		u_size: size,
		u_text: false,
		u_nio: 0,
		u_error: 0,
		u_failures: 0,
	};
	k.uvm.uvn_list.push(uvn);
	return uvn;
}

/** Add a reference. => unlocked. */
export function uvn_reference(k: Kernel, uobj: uvm_object): void {
	simple_lock(k, uobj.vmobjlock);
	uobj.uo_refs++;
	simple_unlock(k, uobj.vmobjlock);
}

/** Drop a reference; the last one, the file's, writes and frees the pages. => unlocked; sleeps. */
export function* uvn_detach(k: Kernel, uobj: uvm_object): Sleeps<void> {
	const uvn = uobj as uvm_vnode;
	simple_lock(k, uvn.vmobjlock);
	if (--uvn.uo_refs > 0) {
		simple_unlock(k, uvn.vmobjlock);
		if (uvn.uo_refs === 1 && k.uvm.policy.objectcache > 0) yield* uvn_cache(k, uvn);
		return;
	}
	uvn_uncache(k, uvn);
	// An earlier error does not matter if this write succeeds.
	uvn.u_error = 0;
	const flush = PGO_CLEANIT | PGO_FREE | PGO_SYNCIO | PGO_ALLPAGES;
	const error = yield* uvn_put(k, uvn, 0, 0, flush);
	if (error !== 0) {
		// No later call could try again.
		const where = `${bdev_name(k, uvn.u_dev)}: sector ${uvn.u_blkno}`;
		k.msgbuf.push(`${where}: data of a file could not be written`);
		simple_lock(k, uvn.vmobjlock);
		yield* uvn_put(k, uvn, 0, 0, PGO_FREE | PGO_ALLPAGES);
	}
	KASSERT(uvn.uo_npages === 0, "uvn_detach: pages left");
	k.uvm.uvn_list.splice(k.uvm.uvn_list.indexOf(uvn), 1);
}

/**
 * Keep the pages of a file that nobody maps any more, and write and free those of the files that
 * have been kept longest, if they are too many. DEVIATION (D76): by choice, as 4.4BSD's
 * vm_object_cache_trim; UVM keeps the pages of files until memory is short.
 * => unlocked; sleeps.
 */
function* uvn_cache(k: Kernel, uvn: uvm_vnode): Sleeps<void> {
	const { uvn_cached, policy } = k.uvm;
	uvn_uncache(k, uvn);
	uvn_cached.push(uvn);
	// Those that are mapped again stay until they are not.
	for (let i = uvn_cached.length; i-- > 0; ) {
		if (uvn_cached[i]!.uo_refs > 1) uvn_cached.splice(i, 1);
	}
	while (uvn_cached.length > policy.objectcache) {
		const oldest = uvn_cached.shift()!;
		simple_lock(k, oldest.vmobjlock);
		const flush = PGO_CLEANIT | PGO_FREE | PGO_SYNCIO | PGO_ALLPAGES;
		const error = yield* uvn_put(k, oldest, 0, 0, flush);
		// For whoever asks next whether all is on the disk.
		if (error !== 0) oldest.u_error = error;
	}
}

function uvn_uncache(k: Kernel, uvn: uvm_vnode): void {
	const { uvn_cached } = k.uvm;
	const i = uvn_cached.indexOf(uvn);
	if (i >= 0) uvn_cached.splice(i, 1);
}

/** Note that a file is mapped to be executed (vn_markexec). => other objects are passed over. */
export function uvn_markexec(k: Kernel, uobj: uvm_object): void {
	if (uobj.pgops !== PAGER_VNODE || (uobj as uvm_vnode).u_text) return;
	(uobj as uvm_vnode).u_text = true;
	k.uvmexp.filepages -= uobj.uo_npages;
	k.uvmexp.execpages += uobj.uo_npages;
}

/** The window round `offset` in which clusters are made. => object locked. */
function uvn_cluster(_k: Kernel, uobj: uvm_object, offset: voff_t): { lo: voff_t; hi: voff_t } {
	const uvn = uobj as uvm_vnode;
	// DEVIATION (D40): one page while writes fail, so that a bad sector holds up only its own page.
	if (uvn.u_failures > 0) return { lo: offset, hi: offset + PAGE_SIZE };
	// DEVIATION (D41): NetBSD's window begins at `offset`, so that pages before it never join.
	const lo = offset - (offset % ptoa(UVN_CLUSTER));
	return { lo, hi: Math.min(lo + ptoa(UVN_CLUSTER), round_page(uvn.u_size)) };
}

/**
 * Flush the pages in [start, stop); all of them with PGO_ALLPAGES.
 *
 * => object locked; unlocked on return. Sleeps.
 * => PGO_CLEANIT: dirty pages are written, with dirty neighbours in the range. PGO_SYNCIO: it waits
 *    for that, for writes already in flight, and until no loss of power can undo them.
 * => PGO_FREE: pages are freed then, except wired ones and, without PGO_SYNCIO, busy ones. Without
 *    PGO_CLEANIT dirty pages are discarded. PGO_DEACTIVATE: they are deactivated.
 * => an error of this call, or (PGO_CLEANIT|PGO_SYNCIO) of an earlier asynchronous write that has
 *    not been reported yet. Pages that could not be written stay in memory, dirty.
 */
export function* uvn_put(
	k: Kernel,
	uobj: uvm_object,
	start: voff_t,
	stop: voff_t,
	flags: number,
): Sleeps<Errno> {
	const uvn = uobj as uvm_vnode;
	const all = (flags & PGO_ALLPAGES) !== 0;
	const first = all ? 0 : Math.max(0, trunc_page(start));
	const last = all ? round_page(uvn.u_size) : Math.min(round_page(stop), round_page(uvn.u_size));
	let error: Errno = 0;
	const offsets = uvn_resident(k, uvn, first, last);
	if (uvn_put_pageout(flags)) uvn_unuse(k, uvn, offsets);
	for (const off of offsets) {
		// After each sleep the page may have changed, or be gone.
		for (;;) {
			const pg = uvm_pagelookup(k, uvn, off);
			if (pg === null) break;
			if ((pg.flags & PG_BUSY) !== 0) {
				if (!uvn_put_waits(flags)) break;
				yield* uvm_pagewait(k, pg, uvn.vmobjlock, "uvn_put");
				simple_lock(k, uvn.vmobjlock);
				continue;
			}
			if (!uvn_put_page(k, pg, flags)) break;
			const failed = yield* uvn_write(k, uvn, pg, flags, first, last);
			if (error === 0) error = failed;
			simple_lock(k, uvn.vmobjlock);
			break;
		}
	}
	if ((flags & (PGO_CLEANIT | PGO_SYNCIO)) === (PGO_CLEANIT | PGO_SYNCIO)) {
		if (error === 0) error = uvn.u_error;
		uvn.u_error = 0;
		uvn.u_failures = 0;
		// Pages that the page daemon could not write, or left alone, may be clean now.
		k.uvm.pdfruitless = 0;
	}
	simple_unlock(k, uvn.vmobjlock);
	const durable = (flags & (PGO_CLEANIT | PGO_SYNCIO)) === (PGO_CLEANIT | PGO_SYNCIO);
	// DEVIATION (D55): in NetBSD only fsync with FDISKSYNC does that; in Linux msync does it, too.
	return error === 0 && durable ? yield* bdev_cachesync(k, uvn.u_dev) : error;
}

/** Offsets of the resident pages in the range, in order, so that neighbours form clusters. */
function uvn_resident(k: Kernel, uvn: uvm_vnode, first: voff_t, last: voff_t): voff_t[] {
	if (last - first === PAGE_SIZE) {
		return uvm_pagelookup(k, uvn, first) === null ? [] : [first];
	}
	const offsets: voff_t[] = [];
	for (let pg = uvn.memq_first; pg !== null; pg = pg.listq_next) {
		pg.flags &= ~PG_CLEANCHK;
		if (pg.offset >= first && pg.offset < last) offsets.push(pg.offset);
	}
	return offsets.sort((a, b) => a - b);
}

/** Whether pages are freed by the end of a write that nobody waits for. */
const uvn_put_pageout = (flags: number): boolean =>
	(flags & (PGO_FREE | PGO_CLEANIT | PGO_SYNCIO)) === (PGO_FREE | PGO_CLEANIT);

/** Have the pages of a range look unused, so that a cluster is freed as a whole. => locked. */
function uvn_unuse(k: Kernel, uvn: uvm_vnode, offsets: readonly voff_t[]): void {
	simple_lock(k, k.uvm.pageqlock);
	for (const off of offsets) {
		const pg = uvm_pagelookup(k, uvn, off)!;
		if ((pg.flags & PG_BUSY) !== 0 || pg.wire_count > 0) continue;
		pmap_clear_reference(k, pg);
		uvm_pagedeactivate(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}

/** Whether a flush waits for busy pages. */
const uvn_put_waits = (flags: number): boolean =>
	(flags & PGO_SYNCIO) !== 0 || (flags & (PGO_FREE | PGO_CLEANIT)) === PGO_FREE;

/**
 * Flush a page that is not busy, as far as that needs no I/O. => object locked.
 * => true: it has to be written; it is busy and write-protected.
 */
function uvn_put_page(k: Kernel, pg: vm_page, flags: number): boolean {
	const free = (flags & PGO_FREE) !== 0 && pg.wire_count === 0 && pg.loan_count === 0;
	simple_lock(k, k.uvm.pageqlock);
	// Unmap before the test, or a store after it would be lost.
	if (free) pmap_page_protect(k, pg, VM_PROT_NONE);
	if (pmap_is_modified(k, pg)) pg.flags &= ~PG_CLEAN;
	const dirty = (pg.flags & PG_CLEAN) === 0;
	const write = dirty && (flags & PGO_CLEANIT) !== 0;
	if (write) {
		pg.flags |= PG_BUSY;
		pmap_page_protect(k, pg, VM_PROT_READ);
		if (free && uvn_put_pageout(flags)) uvm_pager_pageout(k, pg);
	} else if (free) {
		uvm_pagefree(k, pg);
	} else if ((flags & PGO_DEACTIVATE) !== 0 && pg.wire_count === 0) {
		pmap_clear_reference(k, pg);
		uvm_pagedeactivate(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	return write;
}

/**
 * Write a busy page with its dirty neighbours in [first, last), and un-busy them.
 * => object locked; unlocked on return. Errors of neighbours are found when uvn_put reaches them.
 */
function* uvn_write(
	k: Kernel,
	uvn: uvm_vnode,
	pg: vm_page,
	flags: number,
	first: voff_t,
	last: voff_t,
): Sleeps<Errno> {
	const cluster = uvn_put_pageout(flags) ? PGO_PDFREECLUST : PGO_DOACTCLUST;
	const how = (flags & PGO_SYNCIO) | cluster;
	simple_lock(k, k.uvm.pageqlock);
	const { error, pgs } = yield* uvm_pager_put(k, uvn, pg, [], how, first, last);
	if (error === PGO_PENDING) return 0;
	simple_lock(k, uvn.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	for (const page of pgs) uvn_written(k, page, error, flags, first, last);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, uvn.vmobjlock);
	// Lack of resources: the page is still dirty, and the next flush tries again.
	if (error === ENOMEM || error === EAGAIN) yield* uvm_pause(k, "uvn_write");
	return error;
}

/** Finish the write of a busy page. => object, queues locked. */
function uvn_written(
	k: Kernel,
	pg: vm_page,
	error: Errno,
	flags: number,
	first: voff_t,
	last: voff_t,
): void {
	if ((pg.flags & PG_PAGEOUT) !== 0) {
		pg.flags &= ~PG_PAGEOUT;
		k.uvmexp.paging--;
	}
	const inrange = pg.offset >= first && pg.offset < last && pg.wire_count === 0;
	if (error !== 0) {
		if ((pg.flags & PG_RELEASED) === 0) uvm_pageactivate(k, pg);
	} else {
		// It was write-protected throughout, so no store is lost.
		pmap_clear_modify(k, pg);
		pg.flags |= PG_CLEAN;
		if ((flags & PGO_FREE) !== 0 && inrange) pg.flags |= PG_RELEASED;
		else if ((flags & PGO_DEACTIVATE) !== 0 && inrange) {
			pmap_clear_reference(k, pg);
			uvm_pagedeactivate(k, pg);
		}
	}
	uvm_page_unbusy1(k, pg);
}

/**
 * Write busy pages: see uvm_pagerops.pgo_put_pages.
 * => EIO at once for the page daemon, after UVN_MAXFAILURES.
 */
function* uvn_put_pages(
	k: Kernel,
	uobj: uvm_object,
	pps: vm_page[],
	npages: number,
	flags: number,
): Sleeps<Errno> {
	const uvn = uobj as uvm_vnode;
	simple_unlock(k, uvn.vmobjlock);
	if (k.curlwp === k.uvm.pagedaemon && uvn.u_failures >= UVN_MAXFAILURES) return EIO;
	return yield* uvn_io(k, uvn, pps.slice(0, npages), false, flags);
}

/** Finish an asynchronous write: see uvm_pagerops.pgo_aiodone. */
function uvn_aiodone(_k: Kernel, uobj: uvm_object, _npages: number, error: Errno): void {
	const uvn = uobj as uvm_vnode;
	uvn.u_nio--;
	if (error === 0) {
		uvn.u_failures = 0;
	} else {
		uvn.u_error = error;
		uvn.u_failures++;
	}
}

/**
 * Move adjacent pages from or to the disk, in one request.
 *
 * => pages busy, inside the file; object unlocked. Sleeps, without PGO_SYNCIO only for pager_map.
 * => 0, EIO, EAGAIN, ENOMEM, or PGO_PENDING: uvm_aio_aiodone takes over the pages.
 * => the last page is zero behind the end of the file, in memory and on disk.
 */
function* uvn_io(
	k: Kernel,
	uvn: uvm_vnode,
	pgs: vm_page[],
	read: boolean,
	flags: number,
): Sleeps<Errno> {
	const offset = pgs[0]!.offset;
	const npages = pgs.length;
	if (offset >= uvn.u_size) return EIO;
	const sync = (flags & PGO_SYNCIO) !== 0;
	const bytes = Math.min(ptoa(npages), uvn.u_size - offset);
	k.pagingwork = true;
	uvn.u_nio++;
	const kva = yield* uvm_pagermapin(k, pgs, npages, { waitok: true, read });
	const bp = kva === 0 ? null : getiobuf(k);
	if (bp === null) {
		if (kva !== 0) uvm_pagermapout(k, kva, npages);
		uvn.u_nio--;
		return kva === 0 ? EAGAIN : ENOMEM;
	}
	if (!read) {
		uvn_zero_tail(k, pgs[npages - 1]!, uvn.u_size);
		k.watch.shadow?.fileio(k, uvn, pgs, false);
	}
	const sectors = Math.ceil(bytes / 512);
	buf_setup(bp, uvn.u_dev, read, uvn.u_blkno + offset / 512, sectors * 512, kva);
	bp.b_pages = pgs;
	if (!sync) bp.b_iodone = "uvm_aio_biodone";
	if (k.uvmhist !== null) {
		const what = read ? "read offset, npages" : "write offset, npages";
		UVMHIST_LOG(k, "uvn_io", what, offset, npages);
	}
	bdev_strategy(k, bp);
	if (!sync) return PGO_PENDING;
	const error = yield* biowait(k, bp);
	putiobuf(k, bp);
	uvm_pagermapout(k, kva, npages);
	if (read && error === 0) {
		uvn_zero_tail(k, pgs[npages - 1]!, uvn.u_size);
		k.watch.shadow?.fileio(k, uvn, pgs, true);
	}
	uvn.u_nio--;
	return error;
}

/** Zero what a page has behind the end of the file. => busy. */
function uvn_zero_tail(k: Kernel, pg: vm_page, size: number): void {
	const n = size - pg.offset;
	if (n < PAGE_SIZE) k.port.writeRam(pg.phys_addr + n, new Uint8Array(PAGE_SIZE - n));
}

/** uvn_get with PGO_LOCKED: see uvm_pagerops.pgo_get_locked. Never allocates. */
function uvn_get_locked(
	k: Kernel,
	uobj: uvm_object,
	offset: voff_t,
	pps: (vm_page | null)[],
	npages: number,
	centeridx: number,
	_access: number,
	flags: number,
): Errno {
	let done = true;
	for (let i = 0; i < npages; i++) {
		if (pps[i] === PGO_DONTCARE) continue;
		const pg = uvm_pagelookup(k, uobj, offset + ptoa(i));
		if (pg !== null && (pg.flags & PG_BUSY) === 0) {
			pg.flags |= PG_BUSY;
			pps[i] = pg;
		} else if (i === centeridx || (flags & PGO_ALLPAGES) !== 0) {
			done = false;
		}
	}
	return done ? 0 : EBUSY;
}

/**
 * uvn_get without PGO_LOCKED: see uvm_pagerops.pgo_get.
 * => EIO: not readable, or behind the end of the file. ENOMEM: nothing can become free.
 */
function* uvn_get(
	k: Kernel,
	uobj: uvm_object,
	offset: voff_t,
	pps: (vm_page | null)[],
	npages: number,
	centeridx: number,
	_access: number,
	flags: number,
): Sleeps<Errno> {
	const uvn = uobj as uvm_vnode;
	for (let i = 0; i < npages; i++) {
		if (pps[i] !== null || (i !== centeridx && (flags & PGO_ALLPAGES) === 0)) continue;
		const off = offset + ptoa(i);
		const pg = uvm_pagelookup(k, uvn, off);
		if (pg !== null && (pg.flags & PG_BUSY) === 0) {
			pg.flags |= PG_BUSY;
			pps[i] = pg;
			continue;
		}
		// Do not sleep with pages busy that others may wait for.
		uvn_get_release(k, pps, npages);
		const error = yield* uvn_get_wait(k, uvn, off);
		if (error !== 0) {
			simple_unlock(k, uvn.vmobjlock);
			return error;
		}
		// The pages are no longer busy: start again.
		i = -1;
	}
	simple_unlock(k, uvn.vmobjlock);
	return 0;
}

/** Un-busy what was collected so far. => object locked. */
function uvn_get_release(k: Kernel, pps: (vm_page | null)[], npages: number): void {
	simple_lock(k, k.uvm.pageqlock);
	uvm_page_unbusy(k, pps, npages);
	simple_unlock(k, k.uvm.pageqlock);
	for (let i = 0; i < npages; i++) if (pps[i] !== PGO_DONTCARE) pps[i] = null;
}

/**
 * Wait for a page that is busy, or read one that is absent and leave it resident.
 * => object locked, also on return, though it was not meanwhile. 0: look again.
 */
function* uvn_get_wait(k: Kernel, uvn: uvm_vnode, off: voff_t): Sleeps<Errno> {
	if (off >= uvn.u_size) return EIO;
	const busy = uvm_pagelookup(k, uvn, off);
	if (busy !== null) {
		if ((busy.flags & PG_BUSY) === 0) return 0;
		k.uvmexp.fltpgwait++;
		yield* uvm_pagewait(k, busy, uvn.vmobjlock, "uvn_get");
		simple_lock(k, uvn.vmobjlock);
		return 0;
	}
	const center = uvm_pagealloc(k, uvn, off, null, 0);
	if (center === null) return yield* uvm_wait_locked(k, uvn.vmobjlock, "uvn_getpage");
	return yield* uvn_pagein(k, uvn, center);
}

/**
 * Read a page that was just made, and absent ones behind it.
 * => object locked, as uvn_get_wait. After an error the page is gone again.
 */
function* uvn_pagein(k: Kernel, uvn: uvm_vnode, center: vm_page): Sleeps<Errno> {
	let pgs = uvn_readahead(k, uvn, center);
	k.uvmexp.pageins++;
	simple_unlock(k, uvn.vmobjlock);
	let error = yield* uvn_io(k, uvn, pgs, true, PGO_SYNCIO);
	if (error !== 0 && pgs.length > 1) {
		// A failed read-ahead must not fail the page that was asked for.
		simple_lock(k, uvn.vmobjlock);
		for (const pg of pgs.slice(1)) uvn_pagein_done(k, pg, error, false);
		simple_unlock(k, uvn.vmobjlock);
		pgs = [center];
		error = yield* uvn_io(k, uvn, pgs, true, PGO_SYNCIO);
	}
	simple_lock(k, uvn.vmobjlock);
	for (const pg of pgs) uvn_pagein_done(k, pg, error, pg === center);
	if (error !== ENOMEM && error !== EAGAIN) return error;
	// Lack of resources loses no data: try again.
	simple_unlock(k, uvn.vmobjlock);
	yield* uvm_pause(k, "uvn_pagein");
	simple_lock(k, uvn.vmobjlock);
	return 0;
}

/** Pages to read: `center`, and absent ones behind it if memory is plentiful. */
function uvn_readahead(k: Kernel, uvn: uvm_vnode, center: vm_page): vm_page[] {
	const pgs = [center];
	while (pgs.length < UVN_READAHEAD && k.uvmexp.free > k.uvmexp.freetarg + UVN_READAHEAD) {
		const off = center.offset + ptoa(pgs.length);
		if (off >= uvn.u_size || uvm_pagelookup(k, uvn, off) !== null) break;
		const pg = uvm_pagealloc(k, uvn, off, null, 0);
		if (pg === null) break;
		pgs.push(pg);
	}
	return pgs;
}

/** Finish the read of a busy page. => object locked. */
function uvn_pagein_done(k: Kernel, pg: vm_page, error: Errno, wanted: boolean): void {
	simple_lock(k, k.uvm.pageqlock);
	if (error === 0) {
		// The frame's previous use must not make the page look dirty.
		pmap_clear_modify(k, pg);
		pmap_clear_reference(k, pg);
		pg.flags = (pg.flags & ~PG_FAKE) | PG_CLEAN;
		if ((pg.flags & PG_RELEASED) === 0) {
			if (wanted) uvm_pageactivate(k, pg);
			else uvm_pagedeactivate(k, pg);
		}
		uvm_page_unbusy1(k, pg);
	} else {
		if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
		uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}

const vnode_pager: uvm_pagerops = {
	pgo_name: "vnode",
	pgo_reference: uvn_reference,
	pgo_detach: uvn_detach,
	pgo_get_locked: uvn_get_locked,
	pgo_get: uvn_get,
	pgo_put: uvn_put,
	pgo_cluster: uvn_cluster,
	pgo_mk_pcluster: uvm_mk_pcluster,
	pgo_put_pages: uvn_put_pages,
	pgo_aiodone: uvn_aiodone,
};
