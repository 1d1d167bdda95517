/**
 * The physical address space outside RAM: a list of address ranges, each answered by a device.
 *
 * A refused access is a numeric result, which the hart turns into a load or store access fault.
 * No device throws for a mistake of the guest.
 */

/** Width of an access in bytes. */
export type Width = 1 | 2 | 4;

export interface MmioDevice {
	/**
	 * => `offset` is relative to the device's base, aligned to `width`, inside its range.
	 * => returns an unsigned value, or `ACCESS_FAULT` for an access the device does not answer.
	 */
	load(offset: number, width: Width): number;
	/** => returns false for an access the device does not answer. */
	store(offset: number, width: Width, value: number): boolean;
}

/** Returned by `MmioDevice.load` for an access that must fault; no register has this value. */
export const ACCESS_FAULT = -1;

interface Mapping {
	readonly base: number;
	readonly end: number;
	readonly device: MmioDevice;
}

export class Bus {
	readonly #mappings: Mapping[] = [];

	/** Let `device` answer [base, base + size). => RangeError if the range overlaps another. */
	attach(base: number, size: number, device: MmioDevice): void {
		const end = base + size;
		for (const m of this.#mappings) {
			if (base < m.end && m.base < end) {
				throw new RangeError(`bus: 0x${base.toString(16)} overlaps another device`);
			}
		}
		this.#mappings.push({ base, end, device });
	}

	/** Is there a device at `pa`? It may still refuse an access. */
	answers(pa: number): boolean {
		return this.#mappings.some((m) => pa >= m.base && pa < m.end);
	}

	/** => ACCESS_FAULT if no device accepts the access, or it is not naturally aligned. */
	load(pa: number, width: Width): number {
		if (pa % width !== 0) return ACCESS_FAULT;
		for (const m of this.#mappings) {
			if (pa >= m.base && pa < m.end) return m.device.load(pa - m.base, width);
		}
		return ACCESS_FAULT;
	}

	/** => false if no device accepts the access, or it is not naturally aligned. */
	store(pa: number, width: Width, value: number): boolean {
		if (pa % width !== 0) return false;
		for (const m of this.#mappings) {
			if (pa >= m.base && pa < m.end) return m.device.store(pa - m.base, width, value);
		}
		return false;
	}
}
