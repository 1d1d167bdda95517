/** What a system is made of, and what it tells: the types of its interface. */
import type { DiskMedia } from "../devices/disk/disk-media.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import type { ld_errors } from "../kernel/dev/ld_virtio.ts";
import type { memstats, swapstats } from "../kernel/uvm/uvm.ts";
import type { uvmexp } from "../kernel/uvm/uvm_extern.ts";
import type { shadow_mismatch } from "../kernel/uvm/uvm_shadow.ts";
import type { Engine } from "../machine/engine.ts";
import * as check from "./check-options.ts";
import type { ComputerExit, ComputerReport } from "./computer.ts";
import { PAGING_POLICY, type PagingPolicy } from "./paging-policy.ts";

/** How long a disk takes: see devices/disk/timing.ts. */
export type TimingName = "instant" | "ssd" | "hdd";

export interface DiskOptions {
	/** Default: "ssd". */
	readonly timing?: TimingName | undefined;
	/** Size in bytes of an empty disk in host memory; or the medium itself. */
	readonly media: number | DiskMedia;
}

export interface SystemOptions {
	/** The program's name, its ELF file, and its arguments. */
	readonly program: string;
	readonly image: Uint8Array;
	readonly args?: readonly string[] | undefined;
	/** Bytes of RAM, a multiple of 4096. Default: 8 MiB. */
	readonly ram?: number | undefined;
	/** Disks that are swapped on, first. Default: one of 64 MiB. */
	readonly swap?: readonly DiskOptions[] | undefined;
	/** The root file system: a disk that is a tar archive. Default: none. */
	readonly root?: DiskOptions | undefined;
	/** Programs that come with the system: another such disk. Default: none. */
	readonly bin?: DiskOptions | undefined;
	/** Further disks, behind those. */
	readonly disks?: readonly DiskOptions[] | undefined;
	/** For the random bytes that programs get (AT_RANDOM). Default: 1. */
	readonly seed?: number | undefined;
	/** The wall clock at cycle 0, in seconds since 1970. Default: DEFAULT_EPOCH_SECONDS. */
	readonly rtc?: number | undefined;
	/** Faults of the hardware: see docs/faults.md. Default: none. */
	readonly faults?: FaultPlan | undefined;
	/**
	 * How often the kernel repeats a disk request that has failed, each time after half a second.
	 * Default: 5.
	 */
	readonly diskRetries?: number | undefined;
	/**
	 * Seconds after which the kernel resets a disk that does not answer, and repeats its requests;
	 * 0: never. Default: 10.
	 */
	readonly diskTimeout?: number | undefined;
	/**
	 * The kernel keeps a checksum of each page in swap, in wired memory, and takes a page that comes
	 * back with another one for one that cannot be read. Default: false.
	 */
	readonly swapChecksum?: boolean | undefined;
	/**
	 * Everything in swap is written to two disks, and read from the second one if the first fails.
	 * true: each disk of `swap` that is given by its size gets a second one like it. Or the second
	 * disks, one for each. They come after all other disks. Default: false.
	 */
	readonly swapMirror?: boolean | readonly DiskOptions[] | undefined;
	/** What the VM system does otherwise than NetBSD's, to be compared with it. */
	readonly policy?: PagingPolicy | undefined;
	/** Tunables of the kernel, by their names in sysctl(8): see VM_TUNABLES. */
	readonly sysctl?: Readonly<Record<string, number>> | undefined;
	readonly tlbEntries?: number | undefined;
	readonly tlbWays?: number | undefined;
	readonly adPolicy?: "hardware" | "trap" | undefined;
	/** What executes guest code: see Engine. Default: "auto". */
	readonly engine?: Engine | undefined;
	/** Verify the VM system's invariants while it runs. */
	readonly check?: boolean | undefined;
	/** Compare pages with what they held when they left memory: see Report.shadow. */
	readonly shadow?: boolean | undefined;
	/** Events that the UVMHIST ring keeps. Default: 0, off. */
	readonly uvmhist?: number | undefined;
	/** Takes each byte that the program prints, as it is printed. */
	readonly console?: ((byte: number) => void) | undefined;
	/**
	 * The console is a terminal: lines are edited and echoed, and keys send signals. Default:
	 * false, a plain stream of bytes.
	 */
	readonly terminal?: boolean | undefined;
	/** Size of the frame buffer in pixels; null for none. Default: 640 by 480. */
	readonly framebuffer?: FramebufferOptions | null | undefined;
}

const disk = check.record({ media: check.mediaOrSize }, { timing: check.timing });

export const SYSTEM_OPTIONS = check.record(
	{ program: check.text, image: check.bytes },
	{
		args: check.list(check.text),
		ram: check.whole,
		swap: check.list(disk),
		root: disk,
		bin: disk,
		disks: check.list(disk),
		seed: check.whole,
		rtc: check.whole,
		faults: check.faults,
		diskRetries: check.whole,
		diskTimeout: check.whole,
		swapChecksum: check.flag,
		swapMirror: check.flagOr(check.list(disk)),
		policy: PAGING_POLICY,
		sysctl: check.numbers,
		tlbEntries: check.whole,
		tlbWays: check.whole,
		adPolicy: check.policy,
		engine: check.engine,
		check: check.flag,
		shadow: check.flag,
		uvmhist: check.whole,
		console: check.callback,
		terminal: check.flag,
		framebuffer: check.orNull(check.framebuffer),
	},
);

/** How the run of a system ended. */
export interface Exit extends ComputerExit {
	/**
	 * "deadlock": everything sleeps, and nothing can wake it; "power-lost": a rule of faults has cut
	 * the power.
	 */
	readonly kind: "exited" | "killed" | "panic" | "deadlock" | "power-lost" | "running";
	/** The signal that killed the program, or null. */
	readonly signal: string | null;
	/** "out of swap", the message of a panic, or the rule that cut the power. */
	readonly reason: string;
	/** The address of the access for which the signal was sent. */
	readonly addr: number;
}

export interface Report extends ComputerReport {
	readonly exit: Exit;
	/** Also what errors have cost the kernel's driver. */
	readonly disks: (ComputerReport["disks"][number] & ld_errors)[];
	/** Counters of the VM system, with NetBSD's names. */
	readonly uvmexp: uvmexp;
	/** With `shadow`: contents of pages that are not what they were, in all and the first hundred. */
	readonly shadow?: { readonly count: number; readonly found: readonly shadow_mismatch[] };
	/** Errors of memory: corrected by its code, and pages that were read again, or lost. */
	readonly memory: memstats & { readonly corrected: number; readonly retired: number };
	/** What errors of swap have cost. */
	readonly swap: swapstats;
	/** The kernel's messages to its operator. */
	readonly messages: string[];
}
