/**
 * Driver for virtio block devices behind virtio-mmio, version 2 (sys/dev/ld.c, ld_virtio.c).
 *
 * Registers, rings and requests: VIRTIO 1.2, sections 4.2.2, 2.7 and 5.2. The layouts are written
 * down here from the specification, separately from the device's; a test asserts that both agree.
 *
 * One page holds the rings, another the request headers and status bytes. A transfer becomes one
 * chain: header, data (adjacent pages as one segment), status.
 *
 * Errors are handled as by NetBSD's wd(4): a transfer that fails is tried again after a while, a
 * number of times. A device that does not answer in time, or says that it needs a reset, is reset,
 * and each transfer that it had is given to it again.
 */
import { pmap_extract, pmap_kernel } from "../../pmap/pmap.ts";
import { EIO, ENOMEM, ENXIO, EROFS, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { type callout, callout_init, callout_schedule } from "../kern/core/kern_timeout.ts";
import type { Kernel } from "../kernel.ts";
import { type buf, buf_init_flush } from "./buf.ts";
import { BDEV_LD, type bdevsw, FWRITE, makedev, minor } from "./conf.ts";
import { intr_establish } from "./plic.ts";
import { biodone, biowait, getiobuf, putiobuf } from "./vfs_bio.ts";

const VIRTIO_MMIO_MAGIC_VALUE = 0x000;
const VIRTIO_MMIO_VERSION = 0x004;
const VIRTIO_MMIO_DEVICE_ID = 0x008;
const VIRTIO_MMIO_DEVICE_FEATURES = 0x010;
const VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014;
const VIRTIO_MMIO_DRIVER_FEATURES = 0x020;
const VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024;
const VIRTIO_MMIO_QUEUE_SEL = 0x030;
const VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034;
const VIRTIO_MMIO_QUEUE_NUM = 0x038;
const VIRTIO_MMIO_QUEUE_READY = 0x044;
const VIRTIO_MMIO_QUEUE_NOTIFY = 0x050;
const VIRTIO_MMIO_INTERRUPT_STATUS = 0x060;
const VIRTIO_MMIO_INTERRUPT_ACK = 0x064;
const VIRTIO_MMIO_STATUS = 0x070;
const VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080;
const VIRTIO_MMIO_QUEUE_AVAIL_LOW = 0x090;
const VIRTIO_MMIO_QUEUE_USED_LOW = 0x0a0;
const VIRTIO_MMIO_CONFIG = 0x100;

const VIRTIO_MAGIC = 0x7472_6976;
const VIRTIO_DEVICE_ID_BLOCK = 2;

const ACKNOWLEDGE = 1;
const DRIVER = 2;
const DRIVER_OK = 4;
const FEATURES_OK = 8;
const DEVICE_NEEDS_RESET = 64;

const VIRTIO_BLK_F_RO = 1 << 5;
const VIRTIO_BLK_F_FLUSH = 1 << 9;
const VIRTIO_F_VERSION_1_HIGH = 1 << 0; // bit 32

const VRING_DESC_F_NEXT = 1;
const VRING_DESC_F_WRITE = 2;
const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_T_FLUSH = 4;
const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;

/**
 * Descriptors of the ring: enough for 7 transfers of 16 scattered pages. The rings fit one page.
 */
const QUEUE_SIZE = 128;
const AVAIL_OFFSET = QUEUE_SIZE * 16;
const USED_OFFSET = AVAIL_OFFSET + 4 + QUEUE_SIZE * 2 + 4; // 4-byte aligned, flags and event
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
	readonly x_bp: buf;
	/** Attempts that failed. */
	x_errors: number;
	/** In sc_issued: the cycle since which it is with the device. In sc_delayed: when it is due. */
	x_time: number;
	/** Its descriptors while it is with the device. */
	x_chain: number[];
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
	readonly sc_ring: number;
	readonly sc_requests: number;
	/** Descriptors that are free, as a stack. */
	readonly sc_free: number[];
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
		sc_free: [],
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

/**
 * Reset a device and initialise it (3.1.1), with an empty queue in the page at `ring`.
 * => its features; null: it rejects what it must accept, or answers no more.
 */
function virtio_setup(k: Kernel, base: number, ring: number): number | null {
	const reg = (offset: number): number => k.port.load(base + offset, 4);
	const set = (offset: number, value: number): void => k.port.store(base + offset, 4, value);
	set(VIRTIO_MMIO_STATUS, 0);
	if (reg(VIRTIO_MMIO_STATUS) !== 0) return null;
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	const features = reg(VIRTIO_MMIO_DEVICE_FEATURES);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, features & (VIRTIO_BLK_F_RO | VIRTIO_BLK_F_FLUSH));
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_F_VERSION_1_HIGH);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	if ((reg(VIRTIO_MMIO_STATUS) & FEATURES_OK) === 0) return null;
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	if (reg(VIRTIO_MMIO_QUEUE_NUM_MAX) < QUEUE_SIZE) return null;
	for (let off = 0; off < PAGE_SIZE; off += 4) put32(k, ring + off, 0);
	set(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	const parts: readonly [number, number][] = [
		[VIRTIO_MMIO_QUEUE_DESC_LOW, ring],
		[VIRTIO_MMIO_QUEUE_AVAIL_LOW, ring + AVAIL_OFFSET],
		[VIRTIO_MMIO_QUEUE_USED_LOW, ring + USED_OFFSET],
	];
	for (const [offset, pa] of parts) {
		set(offset, pa);
		set(offset + 4, 0);
	}
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	return features;
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
	sc.sc_queue.push({ x_bp: bp, x_errors: 0, x_time: 0, x_chain: [] });
	ld_start(k, sc);
	ld_watch(k, sc);
}

/** Flush the disk's cache, unless nothing was written since. => as bdev_cachesync */
function* ld_cachesync(k: Kernel, unit: number): Sleeps<Errno> {
	const sc = k.lds[unit]!;
	// Writes that end meanwhile may come too late for this flush.
	const written = sc.sc_written;
	if (!sc.sc_volatile || sc.sc_flushed >= written) return 0;
	if (!getiobuf(k)) return ENOMEM;
	const bp = buf_init_flush(makedev(BDEV_LD, unit));
	ld_strategy(k, bp);
	const error = yield* biowait(k, bp);
	putiobuf(k);
	if (error === 0) sc.sc_flushed = Math.max(sc.sc_flushed, written);
	return error;
}

/** Start as many waiting transfers as there are descriptors for. */
function ld_start(k: Kernel, sc: ld_softc): void {
	let started = false;
	while (sc.sc_queue.length > 0) {
		const x = sc.sc_queue[0]!;
		const segments = ld_segments(k, x.x_bp);
		if (segments.length + 2 > sc.sc_free.length) break;
		sc.sc_queue.shift();
		ld_enqueue(k, sc, x, segments);
		started = true;
	}
	if (started) k.port.store(sc.sc_base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0);
}

/** Have ld_timeout called when something is due. */
function ld_watch(k: Kernel, sc: ld_softc): void {
	const [oldest, delayed] = [sc.sc_issued[0], sc.sc_delayed[0]];
	const late = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.x_time + ld_conf(k).timeout;
	const due = delayed === undefined ? Number.POSITIVE_INFINITY : delayed.x_time;
	callout_schedule(k, sc.sc_callout, Math.min(late, due));
}

const ld_conf = (k: Kernel): ld_recovery => k.conf!.ld;

interface segment {
	readonly pa: number;
	len: number;
}

/** The physical ranges of a buffer, adjacent pages joined. */
function ld_segments(k: Kernel, bp: buf): segment[] {
	const segments: segment[] = [];
	for (let off = 0, len = 0; off < bp.b_bcount; off += len) {
		const va = bp.b_data + off;
		const pa = pmap_extract(k, pmap_kernel(k), va);
		KASSERT(pa >= 0, "ld_virtio: buffer is not mapped");
		len = Math.min(PAGE_SIZE - (va & PAGE_MASK), bp.b_bcount - off);
		const last = segments[segments.length - 1];
		if (last !== undefined && last.pa + last.len === pa) last.len += len;
		else segments.push({ pa, len });
	}
	return segments;
}

function ld_enqueue(k: Kernel, sc: ld_softc, x: ld_xfer, segments: segment[]): void {
	const bp = x.x_bp;
	const chain: number[] = [];
	for (let n = segments.length + 2; n > 0; n--) chain.push(sc.sc_free.pop()!);
	const head = chain[0]!;
	const request = sc.sc_requests + head * REQUEST_STRIDE;
	put32(k, request, request_type(bp));
	put32(k, request + 4, 0);
	put32(k, request + 8, bp.b_blkno % 2 ** 32);
	put32(k, request + 12, Math.floor(bp.b_blkno / 2 ** 32));
	put_desc(k, sc, chain, 0, request, 16, 0);
	for (let i = 0; i < segments.length; i++) {
		const { pa, len } = segments[i]!;
		put_desc(k, sc, chain, i + 1, pa, len, bp.b_read ? VRING_DESC_F_WRITE : 0);
	}
	put_desc(k, sc, chain, chain.length - 1, request + STATUS_OFFSET, 1, VRING_DESC_F_WRITE);
	x.x_chain = chain;
	x.x_time = k.port.cycles;
	sc.sc_issued.push(x);
	const avail = sc.sc_ring + AVAIL_OFFSET;
	put16(k, avail + 4 + (sc.sc_avail % QUEUE_SIZE) * 2, head);
	sc.sc_avail = (sc.sc_avail + 1) & 0xffff;
	put16(k, avail + 2, sc.sc_avail);
}

function request_type({ b_read, b_flush }: buf): number {
	if (b_flush) return VIRTIO_BLK_T_FLUSH;
	return b_read ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
}

/** Write descriptor chain[i], linked to the next one unless it is the last. */
function put_desc(
	k: Kernel,
	sc: ld_softc,
	chain: number[],
	i: number,
	pa: number,
	len: number,
	flags: number,
): void {
	const desc = sc.sc_ring + chain[i]! * 16;
	const last = i === chain.length - 1;
	put32(k, desc, pa);
	put32(k, desc + 4, 0);
	put32(k, desc + 8, len);
	put16(k, desc + 12, last ? flags : flags | VRING_DESC_F_NEXT);
	put16(k, desc + 14, last ? 0 : chain[i + 1]!);
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
	while (sc.sc_delayed.length > 0 && sc.sc_delayed[0]!.x_time <= k.port.cycles) {
		sc.sc_queue.push(sc.sc_delayed.shift()!);
	}
	ld_start(k, sc);
	ld_watch(k, sc);
}

/** Whether the device should have done a transfer by now that it still has. */
function ld_late(k: Kernel, sc: ld_softc): boolean {
	const oldest = sc.sc_issued[0];
	return oldest !== undefined && oldest.x_time + ld_conf(k).timeout <= k.port.cycles;
}

/** Finish the transfers on the used ring. */
function ld_done(k: Kernel, sc: ld_softc): void {
	const status = k.port.load(sc.sc_base + VIRTIO_MMIO_INTERRUPT_STATUS, 4);
	k.port.store(sc.sc_base + VIRTIO_MMIO_INTERRUPT_ACK, 4, status);
	const used = sc.sc_ring + USED_OFFSET;
	while (get16(k, used + 2) !== sc.sc_used) {
		const head = get32(k, used + 4 + (sc.sc_used % QUEUE_SIZE) * 8);
		sc.sc_used = (sc.sc_used + 1) & 0xffff;
		const i = sc.sc_issued.findIndex(({ x_chain }) => x_chain[0] === head);
		if (i < 0) continue;
		const [x] = sc.sc_issued.splice(i, 1);
		for (const d of x!.x_chain) sc.sc_free.push(d);
		sc.sc_resets = 0;
		const status = get8(k, sc.sc_requests + head * REQUEST_STRIDE + STATUS_OFFSET);
		if (status === VIRTIO_BLK_S_OK) {
			const { x_bp: bp } = x!;
			if (!bp.b_read && !bp.b_flush) sc.sc_written++;
			biodone(k, bp);
		} else if (status === VIRTIO_BLK_S_IOERR && ld_again(k, sc, x!)) {
			x!.x_time = k.port.cycles + RECOVERYTIME;
			sc.sc_delayed.push(x!);
		} else ld_fail(k, sc, x!);
	}
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
	x.x_bp.b_error = EIO;
	biodone(k, x.x_bp);
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

const put32 = (k: Kernel, pa: number, v: number): void => {
	k.port.storeWord((pa - k.port.ramBase) >>> 2, v);
};
const get32 = (k: Kernel, pa: number): number => k.port.ram32[(pa - k.port.ramBase) >>> 2]! >>> 0;
const put16 = (k: Kernel, pa: number, v: number): void => {
	const index = (pa - k.port.ramBase) >>> 2;
	const shift = (pa & 2) * 8;
	const word = k.port.ram32[index]! & ~(0xffff << shift);
	k.port.storeWord(index, word | ((v & 0xffff) << shift));
};
const get16 = (k: Kernel, pa: number): number => {
	const i = pa - k.port.ramBase;
	return k.port.ram8[i]! | (k.port.ram8[i + 1]! << 8);
};
const get8 = (k: Kernel, pa: number): number => k.port.ram8[pa - k.port.ramBase]!;
