/** What a bare machine is made of, and what it tells: the types of its interface. */
import type { BoardDisk } from "../devices/board.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import type { PlicRequests } from "../devices/plic.ts";
import type { VirtioRegisters } from "../devices/virtio-mmio.ts";
import type { MachineOptions } from "../machine/machine.ts";
import * as check from "./check-options.ts";
import type { ComputerExit, ComputerReport } from "./computer.ts";
import type { SinceOutput } from "./progress.ts";

export interface BareOptions extends Omit<MachineOptions, "ramSize"> {
	/** An ELF executable or a raw image. */
	readonly image: Uint8Array;
	/** Where a raw image goes and starts. Default: the start of RAM; with firmware 4 MiB above. */
	readonly loadAddress?: number | undefined;
	/** Firmware that runs first, in M-mode, at the start of RAM; then `image` is its next stage. */
	readonly bios?: Uint8Array | undefined;
	/** Start `image` in S-mode above the built-in SBI. */
	readonly sbi?: boolean | undefined;
	/** Answer semihosting calls, and give the program the console with them. Default: false. */
	readonly semihosting?: boolean | undefined;
	/** An initial RAM disk, which the device tree names. */
	readonly initrd?: Uint8Array | undefined;
	/** The kernel's command line, in the device tree. */
	readonly bootargs?: string | undefined;
	/** A device tree instead of the one that describes the board. */
	readonly dtb?: Uint8Array | undefined;
	/** Bytes of RAM, a multiple of 4096. Default: 128 MiB. */
	readonly ram?: number | undefined;
	readonly disks?: readonly BoardDisk[] | undefined;
	/** Registers of the virtio slots. Default: "legacy", as on QEMU's board. */
	readonly virtio?: VirtioRegisters | undefined;
	/**
	 * What makes a request at the PLIC: a device that raises its line, as on QEMU ("raise", the
	 * default), or a line that is high when the last request was completed, as on hardware.
	 */
	readonly plic?: PlicRequests | undefined;
	/** Default: there is none. */
	readonly framebuffer?: FramebufferOptions | undefined;
	/** The wall clock at cycle 0, in seconds since 1970. Default: DEFAULT_EPOCH_SECONDS. */
	readonly rtc?: number | undefined;
	/** Faults of the hardware: see docs/faults.md. Default: none. */
	readonly faults?: FaultPlan | undefined;
	/** Takes each byte that the guest prints. */
	readonly console?: ((byte: number) => void) | undefined;
}

const disk = check.record(
	{ media: check.media },
	{ timing: check.timingModel, readOnly: check.flag, id: check.text },
);

export const BARE_OPTIONS = check.record(
	{ image: check.bytes },
	{
		loadAddress: check.whole,
		bios: check.bytes,
		sbi: check.flag,
		semihosting: check.flag,
		initrd: check.bytes,
		bootargs: check.text,
		dtb: check.bytes,
		ram: check.whole,
		disks: check.list(disk),
		virtio: check.registers,
		plic: check.plicRequests,
		framebuffer: check.framebuffer,
		rtc: check.whole,
		faults: check.faults,
		console: check.callback,
		tlbEntries: check.whole,
		tlbWays: check.whole,
		adPolicy: check.policy,
		engine: check.engine,
		misaligned: check.misaligned,
		walkCycles: check.whole,
		busCycles: check.whole,
		pmpEntries: check.pmpEntries,
	},
);

/** How the run of a bare machine ended. */
export interface BareExit extends ComputerExit {
	/**
	 * "exited" by the power device or tohost; "idle": the hart waits forever; "stuck": the trap
	 * handler itself traps; "power-lost": a rule of faults has cut the power.
	 */
	readonly kind: "exited" | "idle" | "stuck" | "power-lost" | "running";
}

export interface BareReport extends ComputerReport {
	readonly exit: BareExit;
	readonly sinceOutput: SinceOutput;
}
