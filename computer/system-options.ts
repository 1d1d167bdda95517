/** What a system is made of, and what it tells: the types of its interface. */

import type { DiskMedia } from "../devices/disk/disk-media.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import type { DiskCounters } from "../devices/virtio-blk.ts";
import type { uvmexp } from "../kernel/uvm/uvm_extern.ts";
import type { TlbCounters } from "../machine/mmu.ts";
import type { ComputerState } from "./computer.ts";

/** How long a disk takes: see devices/disk/timing.ts. */
export type TimingName = "instant" | "ssd" | "hdd";

export interface DiskOptions {
	/** Default: "ssd". */
	readonly timing?: TimingName;
	/** Size in bytes of an empty disk in host memory; or the medium itself. */
	readonly media: number | DiskMedia;
}

export interface SystemOptions {
	/** What the program is called, its ELF file, and its arguments. */
	readonly program: string;
	readonly image: Uint8Array;
	readonly args?: readonly string[];
	/** Bytes of RAM, a multiple of 4096. Default: 8 MiB. */
	readonly ram?: number;
	/** Disks that are swapped on, first. Default: one of 64 MiB. */
	readonly swap?: readonly DiskOptions[];
	/** The root file system: a disk that is a tar archive. Default: none. */
	readonly root?: DiskOptions;
	/** Programs that come with the system: another such disk. Default: none. */
	readonly bin?: DiskOptions;
	/** Further disks, behind those. */
	readonly disks?: readonly DiskOptions[];
	/** What programs get as AT_RANDOM depends on it. Default: 1. */
	readonly seed?: number;
	readonly tlbEntries?: number;
	readonly tlbWays?: number;
	readonly adPolicy?: "hardware" | "trap";
	/** Verify the VM system's invariants while it runs. */
	readonly check?: boolean;
	/** Events that the UVMHIST ring keeps. Default: 0, off. */
	readonly uvmhist?: number;
	/** Takes each byte that the program prints, as it is printed. */
	readonly console?: (byte: number) => void;
	/**
	 * The console is a terminal: lines are edited and echoed, and keys send signals. Default:
	 * false, a plain stream of bytes.
	 */
	readonly terminal?: boolean;
	/** Size of the frame buffer in pixels; null for none. Default: 640 by 480. */
	readonly framebuffer?: FramebufferOptions | null;
}

/** An instant of a system from which it can be brought to later ones. */
export interface SystemOrigin {
	/** Kernel and processes, as System.saveSoftware writes them. */
	readonly software: Uint8Array;
	readonly computer: ComputerState;
}

/**
 * "input": everything sleeps, and only console input can wake it. "idle": everything sleeps until
 * `idleCycles` have passed; only if `run` is asked to pause then.
 */
export type RunState = "running" | "input" | "idle" | "ended";

/** How a run ended. */
export interface Exit {
	/** "running" only while `System.run` has not come to an end. */
	readonly kind: "exited" | "killed" | "panic" | "deadlock" | "running";
	readonly code: number;
	/** The signal that killed the program, or null. */
	readonly signal: string | null;
	/** Why, if the signal does not say it: "out of swap", or the message of a panic. */
	readonly reason: string;
	/** Where a signal struck: the program counter, and the address of the access. */
	readonly pc: number;
	readonly addr: number;
}

export interface Report {
	readonly version: string;
	readonly config: Record<string, unknown>;
	readonly exit: Exit;
	readonly console: string;
	readonly instructions: number;
	readonly cycles: number;
	readonly virtualNs: number;
	readonly hostMs: number;
	readonly uvmexp: uvmexp;
	readonly tlb: TlbCounters & { misses: number };
	readonly disks: (DiskCounters & { id: string })[];
	readonly messages: string[];
	readonly stateHash: string;
}
