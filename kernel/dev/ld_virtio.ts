/**
 * Driver for virtio block devices behind virtio-mmio, version 2.
 *
 * Registers, rings and requests: VIRTIO 1.2, sections 4.2.2, 2.7 and 5.2. The layouts are written
 * down here from the specification, separately from the device's; a test asserts that both agree.
 *
 * One page holds the rings, another the request headers and status bytes. A transfer becomes one
 * chain: header, data (adjacent pages as one segment), status.
 */

import { pmap_extract, pmap_kernel } from "../../pmap/pmap.ts";
import { EIO, ENXIO, EROFS, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import type { buf } from "./buf.ts";
import { BDEV_LD, type bdevsw, FWRITE, minor } from "./conf.ts";
import { intr_establish } from "./plic.ts";
import { biodone } from "./vfs_bio.ts";

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
const VIRTIO_F_VERSION_1_HIGH = 1 << 0; // bit 32

const VRING_DESC_F_NEXT = 1;
const VRING_DESC_F_WRITE = 2;
const VIRTIO_BLK_T_IN = 0;
const VIRTIO_BLK_T_OUT = 1;
const VIRTIO_BLK_S_OK = 0;

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

export interface ld_softc {
	readonly sc_unit: number;
	/** Size in 512-byte sectors. */
	readonly sc_capacity: number;
	readonly sc_readonly: boolean;
	/** The device needs a reset; every transfer fails. */
	sc_dead: boolean;
	readonly sc_base: number;
	readonly sc_ring: number;
	readonly sc_requests: number;
	/** Descriptors that are free, as a stack. */
	readonly sc_free: number[];
	/** Transfers that wait for descriptors; transfers in flight, by head descriptor. */
	readonly sc_queue: buf[];
	readonly sc_active: (buf | null)[];
	/** Descriptor chains of the transfers in flight, by head descriptor. */
	readonly sc_chains: number[][];
	sc_avail: number;
	sc_used: number;
}

const ld_bdevsw: bdevsw = {
	d_name: "ld",
	d_open(k, unit, flag) {
		const sc = k.lds[unit];
		if (sc === undefined) return ENXIO;
		return sc.sc_readonly && (flag & FWRITE) !== 0 ? EROFS : 0;
	},
	d_strategy: ld_strategy,
	d_psize: (k, unit) => k.lds[unit]?.sc_capacity ?? -1,
};

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
	const set = (offset: number, value: number): void => k.port.store(base + offset, 4, value);
	if (reg(VIRTIO_MMIO_MAGIC_VALUE) !== VIRTIO_MAGIC || reg(VIRTIO_MMIO_VERSION) !== 2) return ENXIO;
	if (reg(VIRTIO_MMIO_DEVICE_ID) !== VIRTIO_DEVICE_ID_BLOCK) return ENXIO;
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	const readonly = (reg(VIRTIO_MMIO_DEVICE_FEATURES) & VIRTIO_BLK_F_RO) !== 0;
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, readonly ? VIRTIO_BLK_F_RO : 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_F_VERSION_1_HIGH);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	if ((reg(VIRTIO_MMIO_STATUS) & FEATURES_OK) === 0) return EIO;
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	if (reg(VIRTIO_MMIO_QUEUE_NUM_MAX) < QUEUE_SIZE) return EIO;

	const ring = pmap_extract(k, pmap_kernel(k), kva);
	const requests = pmap_extract(k, pmap_kernel(k), kva + PAGE_SIZE);
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

	const capacity = reg(VIRTIO_MMIO_CONFIG) + reg(VIRTIO_MMIO_CONFIG + 4) * 2 ** 32;
	const sc: ld_softc = {
		sc_unit: k.lds.length,
		sc_capacity: capacity,
		sc_readonly: readonly,
		sc_dead: false,
		sc_base: base,
		sc_ring: ring,
		sc_requests: requests,
		sc_free: Array.from({ length: QUEUE_SIZE }, (_, i) => QUEUE_SIZE - 1 - i),
		sc_queue: [],
		sc_active: new Array<buf | null>(QUEUE_SIZE).fill(null),
		sc_chains: Array.from({ length: QUEUE_SIZE }, () => []),
		sc_avail: 0,
		sc_used: 0,
	};
	k.lds.push(sc);
	intr_establish(k, irq, { ih_driver: "ld", ih_unit: sc.sc_unit });
	return 0;
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
	sc.sc_queue.push(bp);
	ld_start(k, sc);
}

/** Start as many waiting transfers as there are descriptors for. */
function ld_start(k: Kernel, sc: ld_softc): void {
	let started = false;
	while (sc.sc_queue.length > 0) {
		const bp = sc.sc_queue[0]!;
		const segments = ld_segments(k, bp);
		if (segments.length + 2 > sc.sc_free.length) break;
		sc.sc_queue.shift();
		ld_enqueue(k, sc, bp, segments);
		started = true;
	}
	if (started) k.port.store(sc.sc_base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0);
}

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

function ld_enqueue(k: Kernel, sc: ld_softc, bp: buf, segments: segment[]): void {
	const chain: number[] = [];
	for (let n = segments.length + 2; n > 0; n--) chain.push(sc.sc_free.pop()!);
	const head = chain[0]!;
	const request = sc.sc_requests + head * REQUEST_STRIDE;
	put32(k, request, bp.b_read ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT);
	put32(k, request + 4, 0);
	put32(k, request + 8, bp.b_blkno % 2 ** 32);
	put32(k, request + 12, Math.floor(bp.b_blkno / 2 ** 32));
	put_desc(k, sc, chain, 0, request, 16, 0);
	for (let i = 0; i < segments.length; i++) {
		const { pa, len } = segments[i]!;
		put_desc(k, sc, chain, i + 1, pa, len, bp.b_read ? VRING_DESC_F_WRITE : 0);
	}
	put_desc(k, sc, chain, chain.length - 1, request + STATUS_OFFSET, 1, VRING_DESC_F_WRITE);
	sc.sc_active[head] = bp;
	sc.sc_chains[head] = chain;
	const avail = sc.sc_ring + AVAIL_OFFSET;
	put16(k, avail + 4 + (sc.sc_avail % QUEUE_SIZE) * 2, head);
	sc.sc_avail = (sc.sc_avail + 1) & 0xffff;
	put16(k, avail + 2, sc.sc_avail);
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
	const status = k.port.load(sc.sc_base + VIRTIO_MMIO_INTERRUPT_STATUS, 4);
	k.port.store(sc.sc_base + VIRTIO_MMIO_INTERRUPT_ACK, 4, status);
	const used = sc.sc_ring + USED_OFFSET;
	while (get16(k, used + 2) !== sc.sc_used) {
		const head = get32(k, used + 4 + (sc.sc_used % QUEUE_SIZE) * 8);
		sc.sc_used = (sc.sc_used + 1) & 0xffff;
		const bp = sc.sc_active[head] ?? null;
		if (bp === null) continue;
		ld_done(k, sc, head, bp, get8(k, sc.sc_requests + head * REQUEST_STRIDE + STATUS_OFFSET));
	}
	if ((k.port.load(sc.sc_base + VIRTIO_MMIO_STATUS, 4) & DEVICE_NEEDS_RESET) !== 0) ld_dead(k, sc);
	ld_start(k, sc);
}

function ld_done(k: Kernel, sc: ld_softc, head: number, bp: buf, status: number): void {
	sc.sc_active[head] = null;
	for (const d of sc.sc_chains[head]!) sc.sc_free.push(d);
	sc.sc_chains[head] = [];
	bp.b_error = status === VIRTIO_BLK_S_OK ? 0 : EIO;
	biodone(k, bp);
}

/** The device needs a reset: fail all its transfers. */
function ld_dead(k: Kernel, sc: ld_softc): void {
	sc.sc_dead = true;
	for (let head = 0; head < QUEUE_SIZE; head++) {
		const bp = sc.sc_active[head] ?? null;
		if (bp !== null) ld_done(k, sc, head, bp, VIRTIO_BLK_S_OK + 1);
	}
	for (const bp of sc.sc_queue.splice(0)) {
		bp.b_error = EIO;
		biodone(k, bp);
	}
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
