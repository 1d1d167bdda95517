/** A virtio slot of the board without a device in it. */
import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import {
	END,
	MAGIC,
	MagicValue,
	VENDOR,
	VendorID,
	Version,
	type VirtioRegisters,
} from "./virtio-mmio.ts";

/** An empty slot, as on QEMU: DeviceID 0 tells drivers that there is no device. */
export class EmptyVirtioSlot implements MmioDevice {
	readonly #version: number;

	constructor(registers: VirtioRegisters = "modern") {
		this.#version = registers === "legacy" ? 1 : 2;
	}

	load(offset: number, width: Width): number {
		return offset < END ? this.#word(offset) % 2 ** (8 * width) : ACCESS_FAULT;
	}

	#word(offset: number): number {
		switch (offset) {
			case MagicValue:
				return MAGIC;
			case Version:
				return this.#version;
			case VendorID:
				return VENDOR;
			default:
				return 0;
		}
	}

	store(offset: number): boolean {
		return offset < END;
	}
}
