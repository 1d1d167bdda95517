/**
 * The board: the devices of QEMU's `virt` board, attached to the bus as memory-map.ts says, and
 * their wires.
 */

import { ACCESS_FAULT, type Bus, type MmioDevice } from "../machine/bus.ts";
import type { Clock } from "../machine/clock.ts";
import { IRQ_MEI, IRQ_MSI, IRQ_MTI } from "../machine/hart-state.ts";
import type { Machine } from "../machine/machine.ts";
import { ROM_BASE, ROM_SIZE } from "../machine/memory.ts";
import { IRQ_SEI } from "../machine/port.ts";
import { UserError } from "../machine/user-error.ts";
import { Clint, type ClintState } from "./clint.ts";
import type { DiskMedia } from "./disk/disk-media.ts";
import { type DiskTiming, InstantTiming } from "./disk/timing.ts";
import type { Dma } from "./dma.ts";
import { EmptyVirtioSlot } from "./empty-virtio-slot.ts";
import { Framebuffer, type FramebufferOptions, type FramebufferState } from "./framebuffer.ts";
import { GoldfishRtc, type GoldfishRtcState } from "./goldfish-rtc.ts";
import type { IrqLine } from "./irq.ts";
import { MEMORY_MAP, type Region } from "./memory-map.ts";
import { Plic, type PlicRequests, type PlicState } from "./plic.ts";
import { Power, type PowerRequest } from "./power.ts";
import { Uart16550, type UartState } from "./uart-16550.ts";
import { VirtioBlk } from "./virtio-blk.ts";
import { VirtioMmio, type VirtioMmioState, type VirtioRegisters } from "./virtio-mmio.ts";

/** 2024-01-01 00:00:00 UTC: some day in the recent past, the same in every run. */
export const DEFAULT_EPOCH_SECONDS = 1_704_067_200;

/** Stores into the boot ROM, which are ignored; the hart reads it as it reads RAM. */
const ROM: MmioDevice = { load: () => ACCESS_FAULT, store: () => true };

/** What the devices are connected to. */
export interface BoardParts {
	readonly bus: Bus;
	readonly clock: Clock;
	readonly dma: Dma;
	/** The hart's interrupt wires: external (M, S), timer and software. */
	readonly lines: {
		readonly meip: IrqLine;
		readonly seip: IrqLine;
		readonly mtip: IrqLine;
		readonly msip: IrqLine;
	};
	/** The guest wrote mtime: by how much it is ahead of the ticks since reset, modulo 2^64. */
	readonly timeWritten?: ((offsetHigh: number, offsetLow: number) => void) | undefined;
}

/** The parts of a machine that a board connects to. */
export function boardParts(machine: Machine): BoardParts {
	const { bus, clock, dma, lines } = machine;
	const wire = (irq: number): IrqLine => ({ set: (level) => lines.set(irq, level) });
	return {
		bus,
		clock,
		dma,
		lines: {
			meip: wire(IRQ_MEI),
			seip: wire(IRQ_SEI),
			mtip: wire(IRQ_MTI),
			msip: wire(IRQ_MSI),
		},
		timeWritten: (high, low) => machine.setTimeOffset(high, low),
	};
}

export interface BoardDisk {
	readonly media: DiskMedia;
	/** Default: instant. Each disk needs a model of its own. */
	readonly timing?: DiskTiming | undefined;
	/** Default: as the medium. */
	readonly readOnly?: boolean | undefined;
	/** Answer to GET_ID; default "disk0", "disk1", ... */
	readonly id?: string | undefined;
}

export interface BoardOptions {
	/** Disk i is in virtio slot i; at most 8. */
	readonly disks?: readonly BoardDisk[] | undefined;
	/** Which registers the virtio slots have. Default: "modern". */
	readonly virtio?: VirtioRegisters | undefined;
	/** What makes a request at the PLIC. Default: "level", as hardware's. */
	readonly plic?: PlicRequests | undefined;
	/** Default: none. */
	readonly framebuffer?: FramebufferOptions | undefined;
	/** Receives each byte that the guest prints. Default: ignore it. */
	readonly console?: ((byte: number) => void) | undefined;
	/** The guest waits for console input, and there is none. Default: ignore it. */
	readonly starving?: (() => void) | undefined;
	/** The guest asks for power off or reset. Default: ignore it. */
	readonly power?: ((request: PowerRequest) => void) | undefined;
	/** The time of the RTC at cycle 0, in seconds since 1970. */
	readonly epochSeconds?: number | undefined;
}

export interface BoardState {
	readonly plic: PlicState;
	readonly clint: ClintState;
	readonly uart: UartState;
	readonly rtc: GoldfishRtcState;
	readonly virtio: VirtioMmioState[];
	/** Of each disk: the state, or the checkpoint, of its medium. */
	readonly media: unknown[];
	/** null without a frame buffer, and before the first store to it. */
	readonly framebuffer: FramebufferState;
}

export class Board {
	readonly plic: Plic;
	readonly clint: Clint;
	readonly uart: Uart16550;
	readonly rtc: GoldfishRtc;
	readonly power: Power;
	/** The disks, and the transport of each; slot i is disk i. */
	readonly disks: readonly VirtioBlk[];
	readonly virtio: readonly VirtioMmio[];
	readonly framebuffer: Framebuffer | null;

	/**
	 * Builds all devices and attaches them to the bus. Devices register with the clock here, in a
	 * fixed order: a saved clock fits only a board with as many disks.
	 */
	constructor(parts: BoardParts, options: BoardOptions = {}) {
		const { bus, clock, dma, lines } = parts;
		const disks = options.disks ?? [];
		const slots = MEMORY_MAP.virtio;
		if (disks.length > slots.length) {
			throw new UserError(`board: ${disks.length} disks; there are ${slots.length} slots`);
		}
		const epoch = options.epochSeconds ?? DEFAULT_EPOCH_SECONDS;
		this.plic = new Plic(lines.meip, lines.seip, options.plic);
		this.clint = new Clint(clock, lines.msip, lines.mtip, parts.timeWritten);
		this.uart = new Uart16550(
			clock,
			this.plic.line(MEMORY_MAP.uart.irq),
			options.console ?? (() => {}),
			options.starving,
		);
		this.rtc = new GoldfishRtc(clock, this.plic.line(MEMORY_MAP.rtc.irq), epoch);
		this.power = new Power(options.power ?? (() => {}));
		this.disks = disks.map(
			(disk, i) =>
				new VirtioBlk(clock, dma, {
					media: disk.media,
					timing: disk.timing ?? new InstantTiming(),
					readOnly: disk.readOnly ?? disk.media.readOnly,
					id: disk.id ?? `disk${i}`,
				}),
		);
		this.virtio = this.disks.map(
			(disk, i) => new VirtioMmio(disk, dma, this.plic.line(slots[i]!.irq), options.virtio),
		);
		const { framebuffer } = options;
		this.framebuffer = framebuffer === undefined ? null : new Framebuffer(framebuffer);
		const attach = ({ base, size }: Region, device: MmioDevice): void => {
			bus.attach(base, size, device);
		};
		attach(MEMORY_MAP.power, this.power);
		attach(MEMORY_MAP.rtc, this.rtc);
		attach(MEMORY_MAP.clint, this.clint);
		attach(MEMORY_MAP.plic, this.plic);
		attach(MEMORY_MAP.uart, this.uart);
		for (const [i, slot] of slots.entries()) {
			attach(slot, this.virtio[i] ?? new EmptyVirtioSlot(options.virtio));
		}
		bus.attach(ROM_BASE, ROM_SIZE, ROM);
		if (this.framebuffer !== null) {
			bus.attach(MEMORY_MAP.framebuffer.base, this.framebuffer.size, this.framebuffer);
		}
	}

	/** The reset button: devices as after power on; disks and clocks are unaffected. */
	reset(): void {
		for (const transport of this.virtio) transport.reset();
		this.uart.reset();
		this.rtc.reset();
		this.clint.reset();
		this.plic.reset();
	}

	/** Every device, and contents of media in memory, as plain data. */
	save(): BoardState {
		return this.#save((media) => media.save());
	}

	/** => RAM and the clock are restored first; the board has the same disks. */
	restore(state: BoardState): void {
		this.#restore(state, (media, saved) => media.restore(saved));
	}

	/**
	 * Take a checkpoint of devices and media, together with one of the machine. Its cost is that of
	 * later writes.
	 */
	checkpoint(): BoardState {
		return this.#save((media) => media.checkpoint());
	}

	/** => the machine was rolled back first. */
	rollback(checkpoint: BoardState): void {
		this.#restore(checkpoint, (media, saved) => media.rollback(saved));
	}

	/** Free a checkpoint. */
	release(checkpoint: BoardState): void {
		for (const [i, disk] of this.disks.entries()) disk.media.release(checkpoint.media[i]);
	}

	#save(saveMedia: (media: DiskMedia) => unknown): BoardState {
		return {
			plic: this.plic.save(),
			clint: this.clint.save(),
			uart: this.uart.save(),
			rtc: this.rtc.save(),
			virtio: this.virtio.map((transport) => transport.save()),
			media: this.disks.map((disk) => saveMedia(disk.media)),
			framebuffer: this.framebuffer?.save() ?? null,
		};
	}

	#restore(state: BoardState, restoreMedia: (media: DiskMedia, saved: unknown) => void): void {
		if (state.virtio.length !== this.virtio.length) {
			throw new UserError("board: the saved state has a different number of disks");
		}
		// What wires do meanwhile is no occasion for faults.
		const { faults } = this.plic;
		this.plic.faults = null;
		this.clint.restore(state.clint);
		this.uart.restore(state.uart);
		this.rtc.restore(state.rtc);
		for (const [i, transport] of this.virtio.entries()) transport.restore(state.virtio[i]!);
		for (const [i, disk] of this.disks.entries()) restoreMedia(disk.media, state.media[i]);
		this.framebuffer?.restore(state.framebuffer);
		// Last: the gateways must not see the changes of wires above as new requests.
		this.plic.restore(state.plic);
		this.plic.faults = faults;
	}
}
