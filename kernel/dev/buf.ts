/**
 * struct buf (sys/buf.h): one transfer between memory and a block device.
 */
import type { Errno } from "../../sys/errno.ts";
import type { vm_page } from "../uvm/uvm_page.ts";
import type { dev_t } from "./conf.ts";

export interface buf {
	b_dev: dev_t;
	b_read: boolean;
	/** No transfer: the writes that are done have to survive a loss of power. */
	b_flush: boolean;
	/** First 512-byte sector on the device, and length in bytes, a multiple of 512. */
	b_blkno: number;
	b_bcount: number;
	/** Kernel virtual address of the data: wired, mapped page by page. */
	b_data: number;
	/** Set by the driver when the transfer is done. */
	b_error: Errno;
	b_done: boolean;
	/** What biodone does, in interrupt context: wake the sleeper, or queue the buf for aiodoned. */
	b_iodone: bufdone;
	/** For uvm_aio_aiodone: the pages, and their first swap slot or 0. */
	b_pages: readonly vm_page[];
	/** Those of its latest cluster: what they are kept in is used again. */
	b_cluster: vm_page[];
	b_slot: number;
	/** A part of the transfer of another buf, or null; and which part, for its owner. */
	b_master: buf | null;
	b_part: number;
	/** Parts of this buf's transfer that are not done; parts that have failed. */
	b_pending: number;
	b_failed: number[];
}

/** b_pages of a transfer that is not of pages. */
export const NO_PAGES: readonly vm_page[] = [];

/** Names of completion routines: a buf is plain data. */
export type bufdone = "wakeup" | "uvm_aio_biodone";

/**
 * A buf for one transfer.
 * => biodone wakes the thread in biowait, unless the caller sets b_iodone.
 */
export const buf_init = (
	dev: dev_t,
	read: boolean,
	blkno: number,
	bcount: number,
	data: number,
): buf => ({
	b_dev: dev,
	b_read: read,
	b_flush: false,
	b_blkno: blkno,
	b_bcount: bcount,
	b_data: data,
	b_error: 0,
	b_done: false,
	b_iodone: "wakeup",
	b_pages: NO_PAGES,
	b_cluster: [],
	b_slot: 0,
	b_master: null,
	b_part: 0,
	b_pending: 0,
	b_failed: [],
});

/** Make a buf one for a transfer. => as buf_init; it is not in use. */
export function buf_setup(
	bp: buf,
	dev: dev_t,
	read: boolean,
	blkno: number,
	bcount: number,
	data: number,
): void {
	bp.b_dev = dev;
	bp.b_read = read;
	bp.b_blkno = blkno;
	bp.b_bcount = bcount;
	bp.b_data = data;
	bp.b_error = 0;
	bp.b_done = false;
	bp.b_iodone = "wakeup";
}
