/**
 * Virtio over MMIO. VIRTIO 1.2, section 4.2: version 2, and the legacy version 1 of section 4.2.4.
 *
 * The transport owns what all devices share: identification, feature negotiation, status, queue
 * registers, the interrupt. Behind it is a `VirtioDevice`. An access that section 4.2.2.2
 * forbids a driver (an unknown offset, a wrong direction, a width other than 32 bits) reads zero
 * and stores nothing, as on QEMU; configuration space past its end reads as ones.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import type { Dma } from "./dma.ts";
import type { IrqLine } from "./irq.ts";
import { Virtqueue, type VirtqueueState } from "./virtqueue.ts";

export const MagicValue = 0x000; // R
export const Version = 0x004; // R
export const DeviceID = 0x008; // R
export const VendorID = 0x00c; // R
export const DeviceFeatures = 0x010; // R
export const DeviceFeaturesSel = 0x014; // W
export const DriverFeatures = 0x020; // W
export const DriverFeaturesSel = 0x024; // W
export const GuestPageSize = 0x028; // W, legacy
export const QueueSel = 0x030; // W
export const QueueNumMax = 0x034; // R
export const QueueNum = 0x038; // W
export const QueueAlign = 0x03c; // W, legacy
export const QueuePFN = 0x040; // RW, legacy
export const QueueReady = 0x044; // RW
export const QueueNotify = 0x050; // W
export const InterruptStatus = 0x060; // R
export const InterruptACK = 0x064; // W
export const Status = 0x070; // RW
export const QueueDescLow = 0x080; // W
export const QueueDescHigh = 0x084; // W
export const QueueDriverLow = 0x090; // W
export const QueueDriverHigh = 0x094; // W
export const QueueDeviceLow = 0x0a0; // W
export const QueueDeviceHigh = 0x0a4; // W
export const SHMSel = 0x0ac; // W
export const SHMLenLow = 0x0b0; // R
export const SHMLenHigh = 0x0b4; // R
export const SHMBaseLow = 0x0b8; // R
export const SHMBaseHigh = 0x0bc; // R
export const ConfigGeneration = 0x0fc; // R
export const Config = 0x100;
/** Nothing answers behind it. */
export const END = 0x200;

/** "virt", little-endian. */
export const MAGIC = 0x7472_6976;
/** "QEMU": drivers know it, and the board is QEMU's. */
export const VENDOR = 0x554d_4551;

/** Status bits, 2.1. */
export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const DEVICE_NEEDS_RESET = 64;
export const FAILED = 128;

/** InterruptStatus bits. */
export const USED_BUFFER = 1;
export const CONFIG_CHANGE = 2;

/** Feature bits of every device, section 6. */
export const VIRTIO_F_ANY_LAYOUT = 27; // legacy
export const VIRTIO_F_INDIRECT_DESC = 28;
export const VIRTIO_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;

/** Registers of version 2, or those that drivers used before VIRTIO 1.0. */
export type VirtioRegisters = "modern" | "legacy";

/** A device behind a transport. */
export interface VirtioDevice {
	/** 5: 2 is a block device. */
	readonly deviceId: number;
	/** The device's own feature bits, all below 24. */
	readonly features: readonly number[];
	/** QueueNumMax of each queue. */
	readonly queues: readonly number[];
	/** Read-only configuration space. */
	readonly config: Uint8Array;
	/** Called once, when the transport is built. */
	connect(port: VirtioPort): void;
	/** The driver says that `queue` has buffers. => DRIVER_OK is set and the queue is ready. */
	notify(queue: number): void;
	/** Forget the requests in flight: none of them touches memory or a queue again. */
	cancel(): void;
	save(): unknown;
	restore(state: unknown): void;
}

/** The transport as its device sees it. */
export interface VirtioPort {
	queue(index: number): Virtqueue;
	/** Whether the driver accepted a feature bit. */
	accepted(feature: number): boolean;
	/** Buffers of `queue` were used: interrupt, unless the driver asked for silence. */
	interrupt(queue: number): void;
	/** The driver broke a rule that no request status can report. */
	needsReset(): void;
}

/** Default alignment of the used ring of a legacy driver, as in QEMU. */
const LEGACY_ALIGN = 4096;

export interface VirtioMmioState {
	readonly status: number;
	readonly interruptStatus: number;
	readonly deviceFeaturesSel: number;
	readonly driverFeaturesSel: number;
	readonly driverFeatures: readonly [number, number];
	readonly queueSel: number;
	readonly generation: number;
	/** Legacy: shift of GuestPageSize, and of each queue its alignment and page number. */
	readonly pageShift: number;
	readonly queueAlign: readonly number[];
	readonly queuePfn: readonly number[];
	readonly queues: VirtqueueState[];
	readonly device: unknown;
}

export class VirtioMmio implements MmioDevice, VirtioPort {
	#status = 0;
	#interruptStatus = 0;
	#deviceFeaturesSel = 0;
	#driverFeaturesSel = 0;
	readonly #driverFeatures: [number, number] = [0, 0];
	#queueSel = 0;
	#generation = 0;
	/** Words 0 and 1; the others are 0. */
	readonly #deviceFeatures: [number, number] = [0, 0];
	readonly #queues: Virtqueue[];
	readonly #device: VirtioDevice;
	readonly #irq: IrqLine;
	readonly #legacy: boolean;
	#pageShift = 0;
	readonly #queueAlign: number[];
	readonly #queuePfn: number[];

	constructor(device: VirtioDevice, dma: Dma, irq: IrqLine, registers: VirtioRegisters = "modern") {
		this.#device = device;
		this.#irq = irq;
		this.#legacy = registers === "legacy";
		this.#queues = device.queues.map((numMax) => new Virtqueue(dma, numMax));
		this.#queueAlign = device.queues.map(() => LEGACY_ALIGN);
		this.#queuePfn = device.queues.map(() => 0);
		const last = this.#legacy ? VIRTIO_F_ANY_LAYOUT : VIRTIO_F_VERSION_1;
		const own = [...device.features, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, last];
		for (const bit of own) {
			const word = bit < 32 ? 0 : 1;
			this.#deviceFeatures[word] = (this.#deviceFeatures[word] | (1 << (bit & 31))) >>> 0;
		}
		device.connect(this);
	}

	load(offset: number, width: Width): number {
		if (offset >= END) return ACCESS_FAULT;
		if (offset >= Config) return this.#loadConfig(offset - Config, width);
		if (width !== 4) return 0;
		switch (offset) {
			case MagicValue:
				return MAGIC;
			case Version:
				return this.#legacy ? 1 : 2;
			case DeviceID:
				return this.#device.deviceId;
			case VendorID:
				return VENDOR;
			case DeviceFeatures:
				return this.#deviceFeatures[this.#deviceFeaturesSel] ?? 0;
			case QueueNumMax:
				return this.#selected?.numMax ?? 0;
			case InterruptStatus:
				return this.#interruptStatus;
			case Status:
				return this.#status;
			default:
				return this.#legacy ? this.#loadLegacy(offset) : this.#loadModern(offset);
		}
	}

	#loadLegacy(offset: number): number {
		// Not a register of legacy devices, but QEMU's have it.
		if (offset === SHMLenLow || offset === SHMLenHigh) return 0xffff_ffff;
		return offset === QueuePFN ? (this.#queuePfn[this.#queueSel] ?? 0) : 0;
	}

	#loadModern(offset: number): number {
		switch (offset) {
			case QueueReady:
				return this.#selected?.ready ? 1 : 0;
			case SHMLenLow:
			case SHMLenHigh:
			case SHMBaseLow:
			case SHMBaseHigh:
				// 4.2.2: a region that does not exist has length and base 2^64 - 1.
				return 0xffff_ffff;
			case ConfigGeneration:
				return this.#generation;
			default:
				return 0;
		}
	}

	store(offset: number, width: Width, value: number): boolean {
		if (width !== 4 || offset >= Config) return offset < END;
		switch (offset) {
			case DeviceFeaturesSel:
				this.#deviceFeaturesSel = value;
				return true;
			case DriverFeaturesSel:
				this.#driverFeaturesSel = value;
				return true;
			case DriverFeatures:
				this.#setDriverFeatures(value);
				return true;
			case QueueNotify:
				this.#notify(value);
				return true;
			case InterruptACK:
				this.#setInterrupt(this.#interruptStatus & ~value);
				return true;
			case Status:
				this.#setStatus(value & 0xff);
				return true;
			case QueueSel:
				this.#queueSel = value;
				return true;
			default:
				if (this.#legacy) this.#storeLegacy(offset, value);
				else this.#storeQueue(offset, value);
				return true;
		}
	}

	queue(index: number): Virtqueue {
		return this.#queues[index]!;
	}

	accepted(feature: number): boolean {
		const word = this.#driverFeatures[feature < 32 ? 0 : 1]!;
		return (word & (1 << (feature & 31))) !== 0;
	}

	interrupt(queue: number): void {
		if (!this.#queues[queue]!.quiet) this.#setInterrupt(this.#interruptStatus | USED_BUFFER);
	}

	/** 2.1.2: a driver that was running is told by a configuration change notification. */
	needsReset(): void {
		if ((this.#status & DEVICE_NEEDS_RESET) !== 0) return;
		this.#status |= DEVICE_NEEDS_RESET;
		this.#device.cancel();
		if ((this.#status & DRIVER_OK) !== 0) {
			this.#setInterrupt(this.#interruptStatus | CONFIG_CHANGE);
		}
	}

	/** The device changed its configuration space. */
	configChanged(): void {
		this.#generation = (this.#generation + 1) >>> 0;
		if ((this.#status & DRIVER_OK) !== 0) {
			this.#setInterrupt(this.#interruptStatus | CONFIG_CHANGE);
		}
	}

	/** As after power on. */
	reset(): void {
		this.#reset();
		this.#pageShift = 0;
		this.#generation = 0;
	}

	save(): VirtioMmioState {
		return {
			status: this.#status,
			interruptStatus: this.#interruptStatus,
			deviceFeaturesSel: this.#deviceFeaturesSel,
			driverFeaturesSel: this.#driverFeaturesSel,
			driverFeatures: [...this.#driverFeatures],
			queueSel: this.#queueSel,
			generation: this.#generation,
			pageShift: this.#pageShift,
			queueAlign: [...this.#queueAlign],
			queuePfn: [...this.#queuePfn],
			queues: this.#queues.map((queue) => queue.save()),
			device: this.#device.save(),
		};
	}

	restore(state: VirtioMmioState): void {
		this.#status = state.status;
		this.#deviceFeaturesSel = state.deviceFeaturesSel;
		this.#driverFeaturesSel = state.driverFeaturesSel;
		[this.#driverFeatures[0], this.#driverFeatures[1]] = state.driverFeatures;
		this.#queueSel = state.queueSel;
		this.#generation = state.generation;
		this.#pageShift = state.pageShift;
		for (const [i, queue] of this.#queues.entries()) {
			this.#queueAlign[i] = state.queueAlign[i]!;
			this.#queuePfn[i] = state.queuePfn[i]!;
			queue.restore(state.queues[i]!);
		}
		this.#tellQueues();
		this.#device.restore(state.device);
		this.#setInterrupt(state.interruptStatus);
	}

	get #selected(): Virtqueue | null {
		return this.#queues[this.#queueSel] ?? null;
	}

	#loadConfig(offset: number, width: Width): number {
		const { config } = this.#device;
		if (offset + width > config.length) return 2 ** (8 * width) - 1;
		let value = 0;
		for (let i = width - 1; i >= 0; i--) value = value * 256 + config[offset + i]!;
		return value;
	}

	/** 3.1.1: features are settled once FEATURES_OK is set. */
	#setDriverFeatures(value: number): void {
		const sel = this.#driverFeaturesSel;
		if (sel > 1) return;
		if (this.#legacy) {
			// There is no way to refuse a feature that was not offered: it stays off.
			const offered = (value & this.#deviceFeatures[sel]!) >>> 0;
			if ((this.#status & DRIVER_OK) !== 0) return;
			this.#driverFeatures[sel] = offered;
			// It may offer buffers before it says DRIVER_OK.
			this.#tellQueues();
		} else if ((this.#status & FEATURES_OK) === 0) {
			this.#driverFeatures[sel] = value;
		}
	}

	/** A write sets bits; the driver clears them only all at once, by writing 0 (2.1.1). */
	#setStatus(value: number): void {
		if (value === 0) {
			this.#reset();
			return;
		}
		if (this.#legacy) {
			this.#status |= value & ~DEVICE_NEEDS_RESET;
			this.#tellQueues();
			return;
		}
		let set = value & ~DEVICE_NEEDS_RESET;
		const accepted = (this.#status & FEATURES_OK) !== 0;
		if (!accepted && !this.#featuresAcceptable()) set &= ~FEATURES_OK;
		if (!accepted && (set & FEATURES_OK) === 0) set &= ~DRIVER_OK;
		this.#status |= set;
		this.#tellQueues();
	}

	/** Queues work as the features say that the driver has accepted. */
	#tellQueues(): void {
		const indirect = this.accepted(VIRTIO_F_INDIRECT_DESC);
		const eventIdx = this.accepted(VIRTIO_F_EVENT_IDX);
		for (const queue of this.#queues) {
			queue.indirect = indirect;
			queue.eventIdx = eventIdx;
		}
	}

	/** 2.2.2 and 6.1: a subset of what we offer, and not a legacy driver. */
	#featuresAcceptable(): boolean {
		const unknown = this.#driverFeatures.some(
			(word, i) => (word & ~this.#deviceFeatures[i]!) !== 0,
		);
		return !unknown && this.accepted(VIRTIO_F_VERSION_1);
	}

	/** By the driver. GuestPageSize stays: legacy drivers write it once, before they reset. */
	#reset(): void {
		this.#device.cancel();
		for (const queue of this.#queues) queue.reset();
		this.#status = 0;
		this.#deviceFeaturesSel = 0;
		this.#driverFeaturesSel = 0;
		this.#driverFeatures.fill(0);
		this.#queueSel = 0;
		this.#queueAlign.fill(LEGACY_ALIGN);
		this.#queuePfn.fill(0);
		this.#setInterrupt(0);
	}

	/** 4.2.3.3: a queue that does not exist or is not in use cannot have buffers. */
	#notify(index: number): void {
		// Legacy drivers may use the device before they say that they are ready (3.1.2).
		const wanted = this.#legacy ? 0 : DRIVER_OK;
		const running = (this.#status & (wanted | DEVICE_NEEDS_RESET)) === wanted;
		if (running && this.#queues[index]?.ready) this.#device.notify(index);
	}

	/** 4.2.4: a queue is one piece of memory, in use while its page number is not 0. */
	#storeLegacy(offset: number, value: number): void {
		const queue = this.#selected;
		switch (offset) {
			case GuestPageSize:
				this.#pageShift = value === 0 ? 0 : 31 - Math.clz32(value & -value);
				break;
			case QueueNum:
				if (queue !== null && !queue.ready) queue.num = value;
				break;
			case QueueAlign:
				if (queue !== null && !queue.ready && value !== 0) this.#queueAlign[this.#queueSel] = value;
				break;
			case QueuePFN:
				this.#setQueuePfn(value);
				break;
		}
	}

	#setQueuePfn(pfn: number): void {
		const queue = this.#selected;
		if (queue === null) return;
		this.#setQueueReady(queue, false);
		if (pfn !== 0) {
			queue.layOut(pfn * 2 ** this.#pageShift, this.#queueAlign[this.#queueSel]!);
			this.#setQueueReady(queue, true);
		}
		// Another value than 0 says that the queue is in use.
		this.#queuePfn[this.#queueSel] = queue.ready ? pfn : 0;
	}

	#storeQueue(offset: number, value: number): void {
		const queue = this.#selected;
		// 4.2.2.2: the registers of a queue in use do not change.
		const writable = queue !== null && !queue.ready;
		switch (offset) {
			case QueueNum:
				if (writable) queue.num = value;
				break;
			case QueueDescLow:
			case QueueDescHigh:
				if (writable) queue.desc[offset === QueueDescLow ? 0 : 1] = value;
				break;
			case QueueDriverLow:
			case QueueDriverHigh:
				if (writable) queue.driver[offset === QueueDriverLow ? 0 : 1] = value;
				break;
			case QueueDeviceLow:
			case QueueDeviceHigh:
				if (writable) queue.device[offset === QueueDeviceLow ? 0 : 1] = value;
				break;
			case QueueReady:
				this.#setQueueReady(queue, (value & 1) !== 0);
				break;
			case SHMSel:
				break;
		}
	}

	#setQueueReady(queue: Virtqueue | null, ready: boolean): void {
		if (queue === null || queue.ready === ready) return;
		if (!ready) {
			this.#device.cancel();
			queue.disable();
		} else if (!queue.enable()) {
			this.needsReset();
		}
	}

	#setInterrupt(value: number): void {
		this.#interruptStatus = value & (USED_BUFFER | CONFIG_CHANGE);
		this.#irq.set(this.#interruptStatus !== 0);
	}
}
