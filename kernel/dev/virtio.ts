/**
 * virtio devices behind virtio-mmio, version 2 (sys/dev/pci/virtio.c, 2011): registers, start-up,
 * and the rings of a queue. VIRTIO 1.2, sections 4.2.2 and 2.7. The layouts are written down here
 * from the specification, separately from the device's; a test asserts that both agree.
 */
import type { Kernel } from "../kernel.ts";

export const VIRTIO_MMIO_MAGIC_VALUE = 0x000;
export const VIRTIO_MMIO_VERSION = 0x004;
export const VIRTIO_MMIO_DEVICE_ID = 0x008;
const VIRTIO_MMIO_DEVICE_FEATURES = 0x010;
const VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014;
const VIRTIO_MMIO_DRIVER_FEATURES = 0x020;
const VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024;
const VIRTIO_MMIO_QUEUE_SEL = 0x030;
const VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034;
const VIRTIO_MMIO_QUEUE_NUM = 0x038;
const VIRTIO_MMIO_QUEUE_READY = 0x044;
export const VIRTIO_MMIO_QUEUE_NOTIFY = 0x050;
export const VIRTIO_MMIO_INTERRUPT_STATUS = 0x060;
export const VIRTIO_MMIO_INTERRUPT_ACK = 0x064;
export const VIRTIO_MMIO_STATUS = 0x070;
const VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080;
const VIRTIO_MMIO_QUEUE_AVAIL_LOW = 0x090;
const VIRTIO_MMIO_QUEUE_USED_LOW = 0x0a0;
export const VIRTIO_MMIO_CONFIG = 0x100;

export const VIRTIO_MAGIC = 0x7472_6976;
export const VIRTIO_DEVICE_ID_BLOCK = 2;

const ACKNOWLEDGE = 1;
const DRIVER = 2;
const DRIVER_OK = 4;
const FEATURES_OK = 8;
export const DEVICE_NEEDS_RESET = 64;

export const VIRTIO_BLK_F_RO = 1 << 5;
export const VIRTIO_BLK_F_FLUSH = 1 << 9;
const VIRTIO_F_VERSION_1_HIGH = 1 << 0; // bit 32

const VRING_DESC_F_NEXT = 1;
export const VRING_DESC_F_WRITE = 2;
/**
 * Descriptors of the ring: enough for 7 transfers of 16 scattered pages. The rings fit one page.
 */
export const QUEUE_SIZE = 128;
export const AVAIL_OFFSET = QUEUE_SIZE * 16;
export const USED_OFFSET = AVAIL_OFFSET + 4 + QUEUE_SIZE * 2 + 4; // 4-byte aligned, flags and event

/**
 * Reset a device and initialise it (3.1.1), with an empty queue in the page at `ring`.
 * => its features; null: it rejects what it must accept, or answers no more.
 */
export function virtio_setup(k: Kernel, base: number, ring: number): number | null {
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
	k.port.zeroPage(ring);
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

/**
 * Write a descriptor of the ring at word `ring`, linked to `next` unless that is -1.
 * => of `pa` the low 32 bits count.
 */
export function put_desc(
	k: Kernel,
	ring: number,
	desc: number,
	pa: number,
	len: number,
	flags: number,
	next: number,
): void {
	const index = ring + desc * 4;
	put32(k, index, pa);
	put32(k, index + 1, 0);
	put32(k, index + 2, len);
	put32(k, index + 3, next < 0 ? flags : flags | VRING_DESC_F_NEXT | (next << 16));
}

/** Store the low 32 bits of `v` in a word of RAM. */
export const put32 = (k: Kernel, index: number, v: number): void => k.port.storeWord(index, v | 0);

/** Store 16 bits at byte `offset` behind a word of RAM. */
export const put16 = (k: Kernel, word: number, offset: number, v: number): void => {
	const index = word + (offset >>> 2);
	const shift = (offset & 2) * 8;
	const rest = k.port.ram32[index]! & ~(0xffff << shift);
	k.port.storeWord(index, rest | ((v & 0xffff) << shift));
};
