/** What a campaign runs, as data that can be sent to a worker, and the computer made of it. */
import { Bare } from "../../computer/bare.ts";
import type { BareOptions } from "../../computer/bare-options.ts";
import { createSystem, type System } from "../../computer/system.ts";
import type { DiskOptions, SystemOptions, TimingName } from "../../computer/system-options.ts";
import { MemoryDisk, type MemoryDiskOptions } from "../../devices/disk/memory-disk.ts";
import type { Engine } from "../../machine/engine.ts";

/** A disk in memory, so that no run changes what another one finds. */
export interface WorkloadDisk {
	readonly bytes: number;
	/** What it holds at first; zeros follow. Default: nothing. */
	readonly image?: Uint8Array | undefined;
	readonly readOnly?: boolean | undefined;
	/** Default: "ssd" for `boot`; `run` has no timing. */
	readonly timing?: TimingName | undefined;
}

type SystemData = Omit<SystemOptions, "swap" | "root" | "bin" | "disks" | "faults" | "console">;
type BareData = Omit<BareOptions, "disks" | "faults" | "console">;

/** A program on the kernel. */
export interface BootWorkload {
	readonly kind: "boot";
	readonly options: SystemData;
	readonly swap?: readonly WorkloadDisk[] | undefined;
	readonly root?: WorkloadDisk | undefined;
	readonly bin?: WorkloadDisk | undefined;
	readonly disks?: readonly WorkloadDisk[] | undefined;
	/** What is typed; then the input ends. Default: nothing. */
	readonly input?: Uint8Array | undefined;
	/**
	 * What is booted after a loss of power, with the disks as they are then and new swap. What the
	 * first run has printed is typed; to exit with 0 says that all is well.
	 */
	readonly after?: { readonly options: SystemData } | undefined;
}

/** An image on the bare board. */
export interface RunWorkload {
	readonly kind: "run";
	readonly options: BareData;
	readonly disks?: readonly WorkloadDisk[] | undefined;
	readonly input?: Uint8Array | undefined;
}

export type Workload = BootWorkload | RunWorkload;

/** The same workload on this engine, which makes no difference to results. */
export function withEngine(workload: Workload, engine: Engine | undefined): Workload {
	if (workload.kind === "run") return { ...workload, options: { ...workload.options, engine } };
	const { options, after } = workload;
	return {
		...workload,
		options: { ...options, engine },
		after: after && { options: { ...after.options, engine } },
	};
}

export type MakeDisk = (bytes: number, options: MemoryDiskOptions) => MemoryDisk;

/** => a computer that has not run yet. UserError for options that are wrong. */
export function createComputer(
	workload: Workload,
	make: MakeDisk = (bytes, options) => new MemoryDisk(bytes, options),
): System | Bare {
	const mediaOf = ({ bytes, image, readOnly }: WorkloadDisk): MemoryDisk =>
		make(bytes, { image, readOnly });
	const diskOf = (disk: WorkloadDisk): DiskOptions => ({
		media: mediaOf(disk),
		timing: disk.timing,
	});
	if (workload.kind === "run") {
		const { options, disks = [] } = workload;
		return new Bare({ ...options, disks: disks.map((disk) => ({ media: mediaOf(disk) })) });
	}
	const { options, swap, root, bin, disks } = workload;
	return createSystem({
		...options,
		swap: swap?.map(diskOf),
		root: root && diskOf(root),
		bin: bin && diskOf(bin),
		disks: disks?.map(diskOf),
	});
}
