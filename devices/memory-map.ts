/**
 * The board's memory map: where each device answers, and its source at the PLIC. Addresses and
 * sources are those of QEMU's `virt` board; RAM and the boot ROM are in machine/memory.ts.
 *
 * The wiring (board.ts), the device tree and a kernel's configuration are made from this table.
 */

/** Physical address and size of a device's registers, in bytes. */
export interface Region {
	readonly base: number;
	readonly size: number;
	/** Source at the PLIC. */
	readonly irq?: number;
}

const VIRTIO_SLOTS = 8;

export const MEMORY_MAP = {
	power: { base: 0x0010_0000, size: 0x1000 },
	rtc: { base: 0x0010_1000, size: 0x1000, irq: 11 },
	clint: { base: 0x0200_0000, size: 0x1_0000 },
	plic: { base: 0x0c00_0000, size: 0x60_0000 },
	uart: { base: 0x1000_0000, size: 0x100, irq: 10 },
	virtio: Array.from({ length: VIRTIO_SLOTS }, (_, slot) => ({
		base: 0x1000_1000 + slot * 0x1000,
		size: 0x1000,
		irq: 1 + slot,
	})),
	/** Room for the largest picture; in the window of QEMU's PCIe host bridge, which is absent. */
	framebuffer: { base: 0x5000_0000, size: 0x0400_0000 },
} as const satisfies Record<string, Region | readonly Region[]>;
