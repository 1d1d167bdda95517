/**
 * Device numbers, and the switches from a major number to its driver (sys/conf.h,
 * sys/kern/subr_devsw.c).
 *
 * The rest of the kernel names a device by its dev_t. A driver registers its vector in k.cdevsw or
 * k.bdevsw, at the index of its major number, and finds its own state by the minor number.
 */
import { ENXIO, type Errno } from "../../sys/errno.ts";
import type { vm_prot_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { proc } from "../kern/proc/kern_proc.ts";
import type { Kernel } from "../kernel.ts";
import type { buf } from "./buf.ts";

/** A major and a minor number; equal numbers are the same device. */
export type dev_t = number;

const MAJOR_MAX = 2 ** 21 - 1;
const MINOR_MAX = 2 ** 32 - 1;

/** => a number out of range becomes the largest one, which no device has. */
export const makedev = (ma: number, mi: number): dev_t =>
	Math.min(ma, MAJOR_MAX) * 2 ** 32 + Math.min(mi, MINOR_MAX);
export const major = (dev: dev_t): number => Math.floor(dev / 2 ** 32);
export const minor = (dev: dev_t): number => dev % 2 ** 32;

/** Major numbers. */
export const CDEV_CONS = 0; // /dev/console, /dev/tty
export const CDEV_MEM = 1; // /dev/null, /dev/zero, /dev/kmem, ...
export const CDEV_FB = 2; // /dev/fb0
export const CDEV_RND = 3; // /dev/random, /dev/urandom
export const CDEV_FD = 4; // /dev/fd/N, /dev/stdin, ...
export const BDEV_LD = 0; // /dev/ld0, /dev/ld1, ...

/** Flags of bdev_open. */
export const FREAD = 1;
export const FWRITE = 2;

/** A character device (struct cdevsw); index in k.cdevsw is the major number. */
export interface cdevsw {
	readonly d_name: string;
	/** Are all its bytes alike? Then lseek leads to 0, and pread is read. Absent: no. */
	d_nopos?(minor: number): boolean;
	/** Is it memory with addresses, also if it cannot be mapped? Absent: if it can. */
	d_ismemory?(minor: number): boolean;
	d_open?(k: Kernel, p: proc, minor: number, flag: number): Errno;
	/** As fileops. `flag` is f_flag; `offset` f_offset, for devices that are memory. */
	d_read(
		k: Kernel,
		p: proc,
		minor: number,
		bytes: Uint8Array,
		flag: number,
		offset?: number,
	): Sleeps<number>;
	d_write(
		k: Kernel,
		p: proc,
		minor: number,
		bytes: Uint8Array,
		flag: number,
		offset?: number,
	): Sleeps<number>;
	d_ioctl?(k: Kernel, p: proc, minor: number, cmd: number, arg: number): Sleeps<number>;
	/** Default: always ready. */
	d_poll?(k: Kernel, minor: number, events: number): number;
	/**
	 * Physical address of the page at `offset` of the device's memory, or -1 beyond its end or if
	 * `prot` is not allowed. Devices without it cannot be mapped.
	 */
	d_mmap?(k: Kernel, minor: number, offset: number, prot: vm_prot_t): number;
}

/** A block device (struct bdevsw); index in k.bdevsw is the major number. */
export interface bdevsw {
	readonly d_name: string;
	/** => 0; ENXIO: no such unit; EROFS: FWRITE, and the device is read-only. */
	d_open(k: Kernel, minor: number, flag: number): Errno;
	/** Start the transfer `bp`. => never sleeps; the driver ends it with biodone. */
	d_strategy(k: Kernel, bp: buf): void;
	/** Size in 512-byte sectors, or -1 if there is no such unit. */
	d_psize(k: Kernel, minor: number): number;
	/** As bdev_cachesync. Absent: nothing that was written can be lost. */
	d_cachesync?(k: Kernel, minor: number): Sleeps<Errno>;
	/** Has the driver given the device up, so that every transfer fails? Absent: it never does. */
	d_isdead?(k: Kernel, minor: number): boolean;
}

/** => as bdevsw.d_open. */
export const bdev_open = (k: Kernel, dev: dev_t, flag: number): Errno =>
	k.bdevsw[major(dev)]?.d_open(k, minor(dev), flag) ?? ENXIO;

/** Start a transfer on bp.b_dev, which exists. => never sleeps; biodone announces the end. */
export function bdev_strategy(k: Kernel, bp: buf): void {
	const raw = !bp.b_read && bp.b_pages.length === 0 && bp.b_master === null;
	if (raw) k.watch.shadow?.rawwrite(k, bp);
	k.bdevsw[major(bp.b_dev)]!.d_strategy(k, bp);
}

/**
 * Make all writes that are done survive a loss of power (ioctl DIOCCACHESYNC).
 * => 0; EIO: they may be lost. ENOMEM: no memory for the request. Sleeps.
 */
export function* bdev_cachesync(k: Kernel, dev: dev_t): Sleeps<Errno> {
	const sync = k.bdevsw[major(dev)]?.d_cachesync;
	return sync === undefined ? 0 : yield* sync(k, minor(dev));
}

/** => as bdevsw.d_isdead. */
export const bdev_isdead = (k: Kernel, dev: dev_t): boolean =>
	k.bdevsw[major(dev)]?.d_isdead?.(k, minor(dev)) === true;

/** Size in 512-byte sectors, or -1 if there is no such device. */
export const bdev_size = (k: Kernel, dev: dev_t): number =>
	k.bdevsw[major(dev)]?.d_psize(k, minor(dev)) ?? -1;

/** Name of a block device without "/dev/": ld0. => its driver exists; the unit need not. */
export const bdev_name = (k: Kernel, dev: dev_t): string =>
	`${k.bdevsw[major(dev)]!.d_name}${minor(dev)}`;

/** The block device of that name, or null. */
export function bdev_lookup(k: Kernel, name: string): dev_t | null {
	const match = /^([a-z]+)(\d+)$/.exec(name);
	if (match === null) return null;
	const ma = k.bdevsw.findIndex(({ d_name }) => d_name === match[1]);
	const dev = makedev(ma, Number(match[2]));
	return bdev_size(k, dev) < 0 ? null : dev;
}
