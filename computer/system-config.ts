/** From the options of a system: its disks in order, and what the kernel is told of the board. */
import type { Board } from "../devices/board.ts";
import { type DiskTiming, HddTiming, InstantTiming, SsdTiming } from "../devices/disk/timing.ts";
import { MEMORY_MAP } from "../devices/memory-map.ts";
import type { ld_recovery } from "../kernel/dev/ld_virtio.ts";
import type { autoconf } from "../kernel/kern/proc/init_main.ts";
import { UserError } from "../machine/user-error.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";
import type { DiskOptions, SystemOptions, TimingName } from "./system-options.ts";

/** Four times the data of the larger workloads: room for whole clusters among pages that stay. */
export const DEFAULT_SWAP = 64 * 1024 * 1024;

/** As NetBSD's wd(4): WDIORETRIES, and ATA_DELAY in seconds. */
export const DEFAULT_DISK_RETRIES = 5;
export const DEFAULT_DISK_TIMEOUT = 10;

export type DiskRole = "swap" | "root" | "bin" | "disk";

/** A disk, and what the kernel does with it. */
export interface SystemDisk extends DiskOptions {
	readonly role: DiskRole;
	readonly timing: TimingName;
}

/**
 * All disks, in the order of their units: for swap, the root, the programs, the others.
 * => UserError for too many, or a swap disk that is too small.
 */
export function arrangeDisks(options: SystemOptions): SystemDisk[] {
	const { swap = [{ media: DEFAULT_SWAP }], root, bin, disks = [] } = options;
	for (const { media } of swap) {
		checkSwapSize(typeof media === "number" ? media : media.sectors * 512);
	}
	const of = (role: DiskRole, list: readonly (DiskOptions | undefined)[]): SystemDisk[] =>
		list.flatMap((disk) =>
			disk === undefined ? [] : [{ ...disk, role, timing: disk.timing ?? "ssd" }],
		);
	const all = [...of("swap", swap), ...of("root", [root]), ...of("bin", [bin])];
	all.push(...of("disk", disks));
	const slots = MEMORY_MAP.virtio.length;
	if (all.length <= slots) return all;
	throw new UserError(
		`disks: ${all.length}, with those for swap and programs; there is room for ${slots}`,
	);
}

/** The options that `disks` come from: arrangeDisks gives the same list again. */
export function diskOptions(
	disks: readonly SystemDisk[],
): Pick<SystemOptions, "swap" | "root" | "bin" | "disks"> {
	const of = (role: DiskRole): DiskOptions[] =>
		disks
			.filter((disk) => disk.role === role)
			.map(({ media, timing }): DiskOptions => ({ media, timing }));
	return { swap: of("swap"), root: of("root")[0], bin: of("bin")[0], disks: of("disk") };
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
