/**
 * The end of a transfer (sys/kern/vfs_bio.c): biodone, biowait; transfers in parts (nestiobuf,
 * 2006).
 */
import type { Errno } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { type Sleeps, sleep_enter, wakeup } from "../kern/core/kern_synch.ts";
import { pool_getitem, pool_prime, pool_put, pool_setlowat } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { type buf, buf_init, NO_PAGES } from "./buf.ts";
import type { dev_t } from "./conf.ts";

/** End a transfer whose b_error the driver has set. => interrupt context, never sleeps. */
export function biodone(k: Kernel, bp: buf): void {
	KASSERT(!bp.b_done, "biodone: transfer is already done");
	bp.b_done = true;
	if (bp.b_master !== null) {
		nestiobuf_iodone(k, bp.b_master, bp);
	} else if (bp.b_iodone === "wakeup") {
		wakeup(k, bp);
	} else {
		k.uvm.aio_done.push(bp);
		wakeup(k, k.uvm.aiodoned_wchan);
	}
}

/**
 * A buf for a part of the transfer `mbp`, which is done when all its parts are (nestiobuf_setup).
 * => it needs no memory of its own; mbp.b_pending counts the parts, before any is started.
 */
export function nestiobuf_setup(
	mbp: buf,
	part: number,
	dev: dev_t,
	blkno: number,
	offset: number,
	size: number,
): buf {
	const bp = buf_init(dev, mbp.b_read, blkno, size, mbp.b_data + offset);
	bp.b_master = mbp;
	bp.b_part = part;
	return bp;
}

function nestiobuf_iodone(k: Kernel, mbp: buf, bp: buf): void {
	if (bp.b_error !== 0) {
		mbp.b_error = bp.b_error;
		mbp.b_failed.push(bp.b_part);
	}
	if (--mbp.b_pending === 0) biodone(k, mbp);
}

/** Transfers that can be under way whatever memory is left (nswbuf): what fits in a page. */
const NSWBUF = 36;

/** Provide the bufs that transfers of the pagers always find. => at boot. */
export function bufinit(k: Kernel): void {
	pool_setlowat(k.pools.bufpl, NSWBUF);
	if (!pool_prime(k, k.pools.bufpl, NSWBUF)) panic("bufinit: no memory");
}

/** Bufs that are kept when they are not in use. */
const BSWLIST_MAX = 2 * NSWBUF;

/**
 * A buf, for buf_setup. => never sleeps; null if memory is short, or a test wants it to be.
 */
export function getiobuf(k: Kernel): buf | null {
	if (k.failinject?.("buf") || !pool_getitem(k, k.pools.bufpl)) return null;
	return k.bswlist.pop() ?? buf_init(0, false, 0, 0, 0);
}

/** => nobody refers to the buf, which is used again. */
export function putiobuf(k: Kernel, bp: buf): void {
	pool_put(k.pools.bufpl);
	if (k.bswlist.length >= BSWLIST_MAX) return;
	bp.b_pages = NO_PAGES;
	bp.b_slot = 0;
	if (bp.b_failed.length > 0) bp.b_failed = [];
	k.bswlist.push(bp);
}

/** Sleep until the transfer is done. => its error. */
export function* biowait(k: Kernel, bp: buf): Sleeps<Errno> {
	while (!bp.b_done) {
		sleep_enter(k, bp, "biowait", 0);
		yield bp;
	}
	return bp.b_error;
}
