/** From the options of a system: its disks in order, and what the kernel is told of the board. */
import type { Board } from "../devices/board.ts";
import { type DiskTiming, HddTiming, InstantTiming, SsdTiming } from "../devices/disk/timing.ts";
import { MEMORY_MAP } from "../devices/memory-map.ts";
import type { ld_recovery } from "../kernel/dev/ld_virtio.ts";
import type { autoconf } from "../kernel/kern/proc/init_main.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { sysctl_vm, VM_TUNABLES } from "../kernel/uvm/uvm_meter.ts";
import { UserError } from "../machine/user-error.ts";
import { ENOENT } from "../sys/errno.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";
import { kernelPolicy, type PagingPolicy } from "./paging-policy.ts";
import type { DiskOptions, SystemOptions, TimingName } from "./system-options.ts";

/** Four times the data of the larger workloads: room for whole clusters among pages that stay. */
export const DEFAULT_SWAP = 64 * 1024 * 1024;

/** As NetBSD's wd(4): WDIORETRIES, and ATA_DELAY in seconds. */
export const DEFAULT_DISK_RETRIES = 5;
export const DEFAULT_DISK_TIMEOUT = 10;

export type DiskRole = "swap" | "root" | "bin" | "disk" | "mirror";

/** A disk, and what the kernel does with it. */
export interface SystemDisk extends DiskOptions {
	readonly role: DiskRole;
	readonly timing: TimingName;
}

/**
 * All disks, in the order of their units: for swap, the root, the programs, the others, and the
 * second ones of those for swap.
 * => UserError for too many, or a swap disk that is too small.
 */
export function arrangeDisks(options: SystemOptions): SystemDisk[] {
	const { swap = [{ media: DEFAULT_SWAP }], root, bin, disks = [] } = options;
	const mirrors = mirrorDisks(swap, options.swapMirror);
	for (const { media } of [...swap, ...mirrors]) {
		checkSwapSize(typeof media === "number" ? media : media.sectors * 512);
	}
	const of = (role: DiskRole, list: readonly (DiskOptions | undefined)[]): SystemDisk[] =>
		list.flatMap((disk) =>
			disk === undefined ? [] : [{ ...disk, role, timing: disk.timing ?? "ssd" }],
		);
	const all = [...of("swap", swap), ...of("root", [root]), ...of("bin", [bin])];
	all.push(...of("disk", disks), ...of("mirror", mirrors));
	const slots = MEMORY_MAP.virtio.length;
	if (all.length <= slots) return all;
	throw new UserError(
		`disks: ${all.length}, with those for swap and programs; there is room for ${slots}`,
	);
}

function mirrorDisks(
	swap: readonly DiskOptions[],
	mirrors: SystemOptions["swapMirror"] = false,
): readonly DiskOptions[] {
	if (mirrors === false) return [];
	if (mirrors !== true) {
		if (mirrors.length === swap.length) return mirrors;
		throw new UserError(`swapMirror: ${mirrors.length} disks, for ${swap.length} swap disks`);
	}
	if (swap.length === 0) throw new UserError("swapMirror: there are no swap disks");
	if (swap.every(({ media }) => typeof media === "number")) return swap;
	throw new UserError("swapMirror: a swap disk is not given by its size; expected a list of disks");
}

/** The options that `disks` come from: arrangeDisks gives the same list again. */
export function diskOptions(
	disks: readonly SystemDisk[],
): Pick<SystemOptions, "swap" | "root" | "bin" | "disks" | "swapMirror"> {
	const of = (role: DiskRole): DiskOptions[] =>
		disks
			.filter((disk) => disk.role === role)
			.map(({ media, timing }): DiskOptions => ({ media, timing }));
	const mirrors = of("mirror");
	return {
		...{ swap: of("swap"), root: of("root")[0], bin: of("bin")[0], disks: of("disk") },
		swapMirror: mirrors.length > 0 && mirrors,
	};
}

/** The first page of a swap disk is its label. */
function checkSwapSize(bytes: number): void {
	if (bytes >= 2 * PAGE_SIZE) return;
	throw new UserError(`swap: ${bytes} bytes; a swap disk has at least ${2 * PAGE_SIZE}`);
}

export function diskTiming(name: TimingName, sectors: number): DiskTiming {
	switch (name) {
		case "instant":
			return new InstantTiming();
		case "ssd":
			return new SsdTiming();
		case "hdd":
			return new HddTiming(sectors);
	}
}

/** What a kernel must know of a board on which disk i has the role `roles[i]`. */
export function boardConf(
	board: Board,
	roles: readonly DiskRole[],
	random: Uint8Array,
	terminal = false,
	ld: ld_recovery = diskRecovery({}),
	swapChecksum = false,
	policy: PagingPolicy = {},
): autoconf {
	const unit = (role: DiskRole): number | null => {
		const i = roles.indexOf(role);
		return i < 0 ? null : i;
	};
	const { plic, uart, rtc, power, virtio } = MEMORY_MAP;
	return {
		plic: plic.base,
		uart: { base: uart.base, irq: uart.irq },
		rtc: rtc.base,
		power: power.base,
		virtio: virtio.slice(0, roles.length).map(({ base, irq }) => ({ base, irq })),
		ld,
		swap: roles.flatMap((role, i) => (role === "swap" ? [i] : [])),
		swapMirror: roles.flatMap((role, i) => (role === "mirror" ? [i] : [])),
		swapChecksum,
		policy: kernelPolicy(policy),
		random,
		root: unit("root"),
		bin: unit("bin"),
		fb: framebufferConf(board),
		terminal,
	};
}

/** What the driver of disks does about errors. */
export function diskRecovery({
	diskRetries = DEFAULT_DISK_RETRIES,
	diskTimeout = DEFAULT_DISK_TIMEOUT,
}: Pick<SystemOptions, "diskRetries" | "diskTimeout">): ld_recovery {
	const timeout = diskTimeout === 0 ? Number.POSITIVE_INFINITY : diskTimeout * NS_PER_S;
	return { retries: diskRetries, timeout };
}

/** A cycle is a nanosecond. */
const NS_PER_S = 1_000_000_000;

function framebufferConf({ framebuffer }: Board): autoconf["fb"] {
	if (framebuffer === null) return null;
	const { width, height, stride } = framebuffer;
	return { base: MEMORY_MAP.framebuffer.base, width, height, stride };
}

/** Set tunables of the kernel. => UserError for a name that is none, or a value that it refuses. */
export function tune(k: Kernel, tunables: Readonly<Record<string, number>>): void {
	for (const [name, value] of Object.entries(tunables)) {
		const error = sysctl_vm(k, name, value);
		if (error === 0) continue;
		const names = [...VM_TUNABLES.keys()].join(", ");
		const why =
			error === ENOENT ? `no such tunable; there are ${names}` : `${value} is out of range`;
		throw new UserError(`sysctl: ${name}: ${why}`);
	}
}

/** Share of RAM that checksums may take. */
const CHECKSUM_SHARE = 1 / 4;
const CHECKSUM_SIZE = 4;

/** => UserError for checksums that take too much of RAM. */
export function checkChecksums(
	options: SystemOptions,
	disks: readonly SystemDisk[],
	ram: number,
): void {
	if (options.swapChecksum !== true) return;
	const pages = disks
		.filter(({ role }) => role === "swap")
		.reduce((n, { media }) => n + (typeof media === "number" ? media : media.sectors * 512), 0);
	const size = Math.ceil((pages / PAGE_SIZE) * CHECKSUM_SIZE);
	if (size <= ram * CHECKSUM_SHARE) return;
	throw new UserError(`swapChecksum: the checksums take ${size} bytes, too much of ${ram} of RAM`);
}
