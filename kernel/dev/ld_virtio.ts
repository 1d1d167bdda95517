/**
 * Driver for virtio block devices behind virtio-mmio, version 2 (sys/dev/ld.c, ld_virtio.c).
 * Requests: VIRTIO 1.2, section 5.2. Registers and rings are in virtio.ts.
 *
 * One page holds the rings, another the request headers and status bytes. A transfer becomes one
 * chain: header, data (adjacent pages as one segment), status.
 *
 * Errors are handled as by NetBSD's wd(4): a transfer that fails is tried again after a while, a
 * number of times. A device that does not answer in time, or says that it needs a reset, is reset,
 * and each transfer that it had is given to it again.
 */
import { PORT_CYCLES } from "../../machine/port.ts";
import { pmap_extract, pmap_kernel } from "../../pmap/pmap.ts";
import { EIO, ENOMEM, ENXIO, EROFS, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { type callout, callout_init, callout_schedule } from "../kern/core/kern_timeout.ts";
import type { Kernel } from "../kernel.ts";
import { type buf, buf_setup } from "./buf.ts";
import { BDEV_LD, type bdevsw, FWRITE, makedev, minor } from "./conf.ts";
import { intr_establish } from "./plic.ts";
import { biodone, biowait, getiobuf, putiobuf } from "./vfs_bio.ts";
import {
	AVAIL_OFFSET,
	DEVICE_NEEDS_RESET,
	put_desc,
	put16,
	put32,
	QUEUE_SIZE,
	USED_OFFSET,
	VIRTIO_BLK_F_FLUSH,
	VIRTIO_BLK_F_RO,
	VIRTIO_DEVICE_ID_BLOCK,
	VIRTIO_MAGIC,
	VIRTIO_MMIO_CONFIG,
	VIRTIO_MMIO_DEVICE_ID,
	VIRTIO_MMIO_INTERRUPT_ACK,
	VIRTIO_MMIO_INTERRUPT_STATUS,
	VIRTIO_MMIO_MAGIC_VALUE,
	VIRTIO_MMIO_QUEUE_NOTIFY,
	VIRTIO_MMIO_STATUS,
	VIRTIO_MMIO_VERSION,
	VRING_DESC_F_WRITE,
	virtio_setup,
} from "./virtio.ts";

const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_T_FLUSH = 4;
const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;

/** Header (16 bytes) and status byte of a request, by its head descriptor. */
const REQUEST_STRIDE = 32;
const STATUS_OFFSET = 16;

/** Wired kernel memory that a disk needs, in bytes: a page for the rings, one for requests. */
export const LD_MEMORY = 2 * PAGE_SIZE;

/** Cycles after which a transfer that has failed is tried again: half a second. */
const RECOVERYTIME = 500_000_000;

/** Resets, one after the other without any transfer done, after which a disk is given up. */
const LD_RESETS_MAX = 6;

/** How the driver treats errors. */
export interface ld_recovery {
	/** How often a transfer that has failed is tried again, at most. */
	readonly retries: number;
	/** Cycles after which a device that does not answer is reset. Infinity: never. */
	readonly timeout: number;
}

/** What errors have cost; each is a count. */
export interface ld_errors {
	/** Transfers that were tried again: after an error, and after a reset. */
	retries: number;
	/** Times that a transfer was not done in time. */
	timeouts: number;
	resets: number;
	/** Times that transfers were done and the interrupt did not come. */
	lostIntrs: number;
	/** Transfers that failed in the end. */
	failed: number;
}

/** A transfer, from ld_strategy to biodone. It is in one of the lists of ld_softc. */
interface ld_xfer {
	x_bp: buf | null;
	/** Attempts that failed. */
	x_errors: number;
	/** In sc_issued: the cycle since which it is with the device. In sc_delayed: when it is due. */
	x_time: number;
	/** While it is with the device: its first descriptor, and how many sc_next links. */
	x_head: number;
	x_ndesc: number;
}

export interface ld_softc {
	readonly sc_unit: number;
	/** Size in 512-byte sectors. */
	readonly sc_capacity: number;
	readonly sc_readonly: boolean;
	/** It may lose writes until it is told to flush its cache. */
	readonly sc_volatile: boolean;
	/** Writes that are done; of these, how many no loss of power can undo. */
	sc_written: number;
	sc_flushed: number;
	/** The device has been given up: every transfer fails. */
	sc_dead: boolean;
	readonly sc_base: number;
	/** Where the rings and the requests are, and the same as indices of ram32. */
	readonly sc_ring: number;
	readonly sc_requests: number;
	readonly sc_ringidx: number;
	readonly sc_requestidx: number;
	/** Descriptors that are free, as a stack; and behind each of a chain, the next one. */
	readonly sc_free: number[];
	readonly sc_next: Uint8Array;
	/** The physical ranges of the transfer that is looked at. */
	readonly sc_segpa: Float64Array;
	readonly sc_seglen: Uint32Array;
	/** Transfers that are not in use, to be used again. */
	readonly sc_xfers: ld_xfer[];
	/** Transfers that wait for descriptors. */
	readonly sc_queue: ld_xfer[];
	/** Transfers with the device, in the order in which it got them. */
	readonly sc_issued: ld_xfer[];
	/** Transfers that have failed and will be tried again, in the order in which they are due. */
	readonly sc_delayed: ld_xfer[];
	sc_avail: number;
	sc_used: number;
	/** Due when the oldest transfer with the device is late, or a delayed one is due. */
	readonly sc_callout: callout;
	/** Resets since a transfer was last done. */
	sc_resets: number;
	readonly sc_errors: ld_errors;
}

const ld_bdevsw: bdevsw = {
	d_name: "ld",
	d_open: ld_open,
	d_strategy: ld_strategy,
	d_psize: (k, unit) => k.lds[unit]?.sc_capacity ?? -1,
	d_cachesync: ld_cachesync,
	d_isdead: (k, unit) => k.lds[unit]?.sc_dead === true,
};

function ld_open(k: Kernel, unit: number, flag: number): Errno {
	const sc = k.lds[unit];
	if (sc === undefined) return ENXIO;
	return sc.sc_readonly && (flag & FWRITE) !== 0 ? EROFS : 0;
}

/** Register the driver. => at boot. */
export function ld_init(k: Kernel): void {
	k.bdevsw[BDEV_LD] = ld_bdevsw;
}

/**
 * Attach the disk in a virtio-mmio slot, if there is one.
 * => at boot; `kva` is LD_MEMORY bytes of wired, zeroed memory, ours if the result is 0.
 * => 0; ENXIO: no block device; EIO: it rejects the features or the queue size.
 */
export function ld_virtio_attach(k: Kernel, base: number, irq: number, kva: number): Errno {
	const reg = (offset: number): number => k.port.load(base + offset, 4);
	if (reg(VIRTIO_MMIO_MAGIC_VALUE) !== VIRTIO_MAGIC || reg(VIRTIO_MMIO_VERSION) !== 2) return ENXIO;
	if (reg(VIRTIO_MMIO_DEVICE_ID) !== VIRTIO_DEVICE_ID_BLOCK) return ENXIO;
	const ring = pmap_extract(k, pmap_kernel(k), kva);
	const requests = pmap_extract(k, pmap_kernel(k), kva + PAGE_SIZE);
	const features = virtio_setup(k, base, ring);
	if (features === null) return EIO;
	const capacity = reg(VIRTIO_MMIO_CONFIG) + reg(VIRTIO_MMIO_CONFIG + 4) * 2 ** 32;
	const unit = k.lds.length;
	const sc: ld_softc = {
		sc_unit: unit,
		sc_capacity: capacity,
		sc_readonly: (features & VIRTIO_BLK_F_RO) !== 0,
		sc_volatile: (features & VIRTIO_BLK_F_FLUSH) !== 0,
		sc_written: 0,
		sc_flushed: 0,
		sc_dead: false,
		sc_base: base,
		sc_ring: ring,
		sc_requests: requests,
		sc_ringidx: (ring - k.port.ramBase) / 4,
		sc_requestidx: (requests - k.port.ramBase) / 4,
		sc_free: [],
		sc_next: new Uint8Array(QUEUE_SIZE),
		sc_segpa: new Float64Array(QUEUE_SIZE),
		sc_seglen: new Uint32Array(QUEUE_SIZE),
		sc_xfers: [],
		sc_queue: [],
		sc_issued: [],
		sc_delayed: [],
		sc_avail: 0,
		sc_used: 0,
		sc_callout: callout_init(k, "ld_timeout", unit),
		sc_resets: 0,
		sc_errors: { retries: 0, timeouts: 0, resets: 0, lostIntrs: 0, failed: 0 },
	};
	ld_empty(sc);
	k.lds.push(sc);
	intr_establish(k, irq, { ih_driver: "ld", ih_unit: unit });
	return 0;
}

/** The device's queue is empty: all descriptors are free. */
function ld_empty(sc: ld_softc): void {
	sc.sc_free.length = 0;
	for (let i = QUEUE_SIZE - 1; i >= 0; i--) sc.sc_free.push(i);
	sc.sc_avail = 0;
	sc.sc_used = 0;
}

/** Queue a transfer. => as bdevsw.d_strategy. */
function ld_strategy(k: Kernel, bp: buf): void {
	const sc = k.lds[minor(bp.b_dev)]!;
	const beyond = bp.b_blkno + bp.b_bcount / 512 > sc.sc_capacity;
	if (sc.sc_dead || beyond || (sc.sc_readonly && !bp.b_read)) {
		bp.b_error = EIO;
		biodone(k, bp);
		return;
	}
	const x = sc.sc_xfers.pop() ?? { x_bp: null, x_errors: 0, x_time: 0, x_head: 0, x_ndesc: 0 };
	x.x_bp = bp;
	x.x_errors = 0;
	sc.sc_queue.push(x);
	ld_start(k, sc);
	ld_watch(k, sc);
}

/** Flush the disk's cache, unless nothing was written since. => as bdev_cachesync */
function* ld_cachesync(k: Kernel, unit: number): Sleeps<Errno> {
	const sc = k.lds[unit]!;
	// Writes that end meanwhile may come too late for this flush.
	const written = sc.sc_written;
	if (!sc.sc_volatile || sc.sc_flushed >= written) return 0;
	const bp = getiobuf(k);
	if (bp === null) return ENOMEM;
	buf_setup(bp, makedev(BDEV_LD, unit), false, 0, 0, 0);
	bp.b_flush = true;
	ld_strategy(k, bp);
	const error = yield* biowait(k, bp);
	bp.b_flush = false;
	putiobuf(k, bp);
	if (error === 0) sc.sc_flushed = Math.max(sc.sc_flushed, written);
	return error;
}

/** Start as many waiting transfers as there are descriptors for. */
function ld_start(k: Kernel, sc: ld_softc): void {
	let started = false;
	while (sc.sc_queue.length > 0) {
		const x = sc.sc_queue[0]!;
		const segments = ld_segments(k, sc, x.x_bp!);
		if (segments + 2 > sc.sc_free.length) break;
		ld_remove(sc.sc_queue, 0);
		ld_enqueue(k, sc, x, segments);
		started = true;
	}
	if (started) k.port.store(sc.sc_base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0);
}

/** Have ld_timeout called when something is due. */
function ld_watch(k: Kernel, sc: ld_softc): void {
	let due = Number.POSITIVE_INFINITY;
	if (sc.sc_issued.length > 0) due = sc.sc_issued[0]!.x_time + ld_conf(k).timeout;
	if (sc.sc_delayed.length > 0) due = Math.min(due, sc.sc_delayed[0]!.x_time);
	if (sc.sc_callout.c_time === due) return;
	sc.sc_callout.c_time = due;
	callout_schedule(k);
}

const ld_conf = (k: Kernel): ld_recovery => k.conf!.ld;

/** Note the physical ranges of a buffer, adjacent pages joined, in sc_segpa. => how many. */
function ld_segments(k: Kernel, sc: ld_softc, bp: buf): number {
	const { sc_segpa: pas, sc_seglen: lens } = sc;
	let n = 0;
	for (let off = 0, len = 0; off < bp.b_bcount; off += len) {
		const va = bp.b_data + off;
		const pa = pmap_extract(k, pmap_kernel(k), va);
		KASSERT(pa >= 0, "ld_virtio: buffer is not mapped");
		len = Math.min(PAGE_SIZE - (va & PAGE_MASK), bp.b_bcount - off);
		if (n > 0 && pas[n - 1]! + lens[n - 1]! === pa) {
			lens[n - 1]! += len;
			continue;
		}
		pas[n] = pa;
		lens[n] = len;
		n++;
	}
	return n;
}

/** Take element `i` out of a list. */
function ld_remove(list: ld_xfer[], i: number): void {
	for (let j = i; j + 1 < list.length; j++) list[j] = list[j + 1]!;
	list.pop();
}

/** A free descriptor, which comes behind `desc` in its chain. */
function ld_link(sc: ld_softc, desc: number): number {
	const next = sc.sc_free.pop()!;
	sc.sc_next[desc] = next;
	return next;
}

/** Give the device a transfer with the first `n` ranges. => there are n + 2 descriptors. */
function ld_enqueue(k: Kernel, sc: ld_softc, x: ld_xfer, n: number): void {
	const bp = x.x_bp!;
	const { sc_segpa: pas, sc_seglen: lens } = sc;
	const head = sc.sc_free.pop()!;
	const request = sc.sc_requestidx + head * (REQUEST_STRIDE / 4);
	const at = sc.sc_requests + head * REQUEST_STRIDE;
	put32(k, request, request_type(bp));
	put32(k, request + 1, 0);
	put32(k, request + 2, bp.b_blkno);
	put32(k, request + 3, Math.floor(bp.b_blkno / 2 ** 32));
	let desc = ld_link(sc, head);
	// Signed addresses are no doubles, which would be allocated.
	put_desc(k, sc.sc_ringidx, head, at | 0, 16, 0, desc);
	const flags = bp.b_read ? VRING_DESC_F_WRITE : 0;
	for (let i = 0; i < n; i++) {
		const next = ld_link(sc, desc);
		put_desc(k, sc.sc_ringidx, desc, pas[i]! | 0, lens[i]!, flags, next);
		desc = next;
	}
	const status = (at + STATUS_OFFSET) | 0;
	put_desc(k, sc.sc_ringidx, desc, status, 1, VRING_DESC_F_WRITE, -1);
	x.x_head = head;
	x.x_ndesc = n + 2;
	x.x_time = k.port.times[PORT_CYCLES]!;
	sc.sc_issued.push(x);
	put16(k, sc.sc_ringidx, AVAIL_OFFSET + 4 + (sc.sc_avail % QUEUE_SIZE) * 2, head);
	sc.sc_avail = (sc.sc_avail + 1) & 0xffff;
	put16(k, sc.sc_ringidx, AVAIL_OFFSET + 2, sc.sc_avail);
}

function request_type({ b_read, b_flush }: buf): number {
	if (b_flush) return VIRTIO_BLK_T_FLUSH;
	return b_read ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
}

/** Interrupt: finish the transfers that the device has put on the used ring. */
export function ld_intr(k: Kernel, sc: ld_softc): void {
	ld_done(k, sc);
	const needed = k.port.load(sc.sc_base + VIRTIO_MMIO_STATUS, 4) & DEVICE_NEEDS_RESET;
	if (needed !== 0 && !sc.sc_dead) ld_reset(k, sc, "needs a reset");
	ld_start(k, sc);
	ld_watch(k, sc);
}

/** Callout: a transfer is late, or is to be tried again. */
export function ld_timeout(k: Kernel, sc: ld_softc): void {
	if (ld_late(k, sc)) {
		const late = sc.sc_issued[0];
		ld_done(k, sc);
		if (sc.sc_issued[0] !== late) {
			sc.sc_errors.lostIntrs++;
			ld_print(k, sc, "lost interrupt");
		}
		if (ld_late(k, sc)) {
			sc.sc_errors.timeouts++;
			ld_reset(k, sc, "timeout");
		}
	}
	while (sc.sc_delayed.length > 0 && sc.sc_delayed[0]!.x_time <= k.port.times[PORT_CYCLES]!) {
		sc.sc_queue.push(sc.sc_delayed[0]!);
		ld_remove(sc.sc_delayed, 0);
	}
	ld_start(k, sc);
	ld_watch(k, sc);
}

/** Whether the device should have done a transfer by now that it still has. */
function ld_late(k: Kernel, sc: ld_softc): boolean {
	const oldest = sc.sc_issued[0];
	return oldest !== undefined && oldest.x_time + ld_conf(k).timeout <= k.port.times[PORT_CYCLES]!;
}

/** Finish the transfers on the used ring. */
function ld_done(k: Kernel, sc: ld_softc): void {
	const status = k.port.load(sc.sc_base + VIRTIO_MMIO_INTERRUPT_STATUS, 4);
	k.port.store(sc.sc_base + VIRTIO_MMIO_INTERRUPT_ACK, 4, status);
	const { ram32 } = k.port;
	const used = sc.sc_ringidx + USED_OFFSET / 4;
	while (ram32[used]! >>> 16 !== sc.sc_used) {
		const head = ram32[used + 1 + (sc.sc_used % QUEUE_SIZE) * 2]!;
		sc.sc_used = (sc.sc_used + 1) & 0xffff;
		const x = ld_issued(sc, head);
		if (x === null) continue;
		for (let n = x.x_ndesc, desc = head; n > 0; n--, desc = sc.sc_next[desc]!) {
			sc.sc_free.push(desc);
		}
		sc.sc_resets = 0;
		const word = sc.sc_requestidx + (head * REQUEST_STRIDE + STATUS_OFFSET) / 4;
		const status = ram32[word]! & 0xff;
		if (status === VIRTIO_BLK_S_OK) {
			const bp = x.x_bp!;
			if (!bp.b_read && !bp.b_flush) sc.sc_written++;
			ld_end(k, sc, x);
		} else if (status === VIRTIO_BLK_S_IOERR && ld_again(k, sc, x)) {
			x.x_time = k.port.times[PORT_CYCLES]! + RECOVERYTIME;
			sc.sc_delayed.push(x);
		} else ld_fail(k, sc, x);
	}
}

/** Take the transfer whose first descriptor is `head` from the device. => null: it has none. */
function ld_issued(sc: ld_softc, head: number): ld_xfer | null {
	const { sc_issued: issued } = sc;
	for (let i = 0; i < issued.length; i++) {
		const x = issued[i]!;
		if (x.x_head !== head) continue;
		ld_remove(issued, i);
		return x;
	}
	return null;
}

/** A transfer is over. => it is used again. */
function ld_end(k: Kernel, sc: ld_softc, x: ld_xfer): void {
	const bp = x.x_bp!;
	x.x_bp = null;
	sc.sc_xfers.push(x);
	biodone(k, bp);
}

/** Whether a transfer may be tried once more, after an attempt that has failed. */
function ld_again(k: Kernel, sc: ld_softc, x: ld_xfer): boolean {
	if (x.x_errors++ >= ld_conf(k).retries) return false;
	sc.sc_errors.retries++;
	return true;
}

/** A transfer has failed for good. */
function ld_fail(k: Kernel, sc: ld_softc, x: ld_xfer): void {
	sc.sc_errors.failed++;
	x.x_bp!.b_error = EIO;
	ld_end(k, sc, x);
}

/**
 * Reset the device and give it again, in their order, the transfers that it had. It has forgotten
 * them, so that each is done once. A device that does nothing but be reset is given up.
 */
function ld_reset(k: Kernel, sc: ld_softc, why: string): void {
	sc.sc_errors.resets++;
	sc.sc_resets++;
	const lost = sc.sc_issued.splice(0);
	const working = virtio_setup(k, sc.sc_base, sc.sc_ring) !== null;
	ld_empty(sc);
	if (!working || sc.sc_resets >= LD_RESETS_MAX) {
		ld_print(k, sc, `${why}, and resets do not help; given up`);
		sc.sc_dead = true;
		const waiting = [...sc.sc_delayed.splice(0), ...sc.sc_queue.splice(0)];
		for (const x of [...lost, ...waiting]) ld_fail(k, sc, x);
		return;
	}
	ld_print(k, sc, `${why}; reset`);
	const again: ld_xfer[] = [];
	for (const x of lost) {
		if (ld_again(k, sc, x)) again.push(x);
		else ld_fail(k, sc, x);
	}
	sc.sc_queue.unshift(...again);
}

/** A message to the operator; the same one only once, because there are counters. */
function ld_print(k: Kernel, sc: ld_softc, what: string): void {
	const message = `ld${sc.sc_unit}: ${what}`;
	if (!k.msgbuf.includes(message)) k.msgbuf.push(message);
}
