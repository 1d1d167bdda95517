/** /dev/mem, /dev/kmem, /dev/null, /dev/zero and /dev/full (mem(4)). */
import { pmap_extract, pmap_kernel } from "../../pmap/pmap.ts";
import { EFAULT, ENOSPC, EPERM } from "../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../sys/vmparam.ts";
import { O_ACCMODE, O_RDONLY } from "../kern/proc/file.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_kernacc } from "../uvm/uvm_glue.ts";
import { CDEV_MEM, makedev } from "./conf.ts";

/** Minor numbers, NetBSD's. */
export const DEV_MEM = 0;
export const DEV_KMEM = 1;
export const DEV_NULL = 2;
export const DEV_FULL = 11;
export const DEV_ZERO = 12;

/** /dev/zero, whose mappings are anonymous memory. */
export const ZERODEV = makedev(CDEV_MEM, DEV_ZERO);

/** Copying costs a cycle for each 8 bytes. */
const BYTES_PER_CYCLE = 8;

export function mem_attach(k: Kernel): void {
	k.cdevsw[CDEV_MEM] = {
		d_name: "mem",
		d_nopos: (minor) => minor !== DEV_MEM && minor !== DEV_KMEM,
		d_ismemory: (minor) => minor === DEV_MEM || minor === DEV_KMEM,
		// As at NetBSD's securelevel 1.
		d_open: (_k, _p, minor, flag) =>
			(minor === DEV_MEM || minor === DEV_KMEM) && (flag & O_ACCMODE) !== O_RDONLY ? EPERM : 0,
		d_read: function* (kernel, _p, minor, bytes, _flag, offset = 0) {
			if (minor === DEV_NULL) return 0;
			kernel.port.charge(Math.ceil(bytes.length / BYTES_PER_CYCLE));
			if (minor === DEV_MEM) return mem_read(kernel, offset, bytes);
			if (minor === DEV_KMEM) return kmem_read(kernel, offset, bytes);
			bytes.fill(0);
			return bytes.length;
		},
		d_write: function* (_k, _p, minor, bytes) {
			return minor === DEV_FULL ? -ENOSPC : bytes.length;
		},
	};
}

/**
 * Physical memory: RAM only, because reading a device may change it.
 * => bytes, or -EFAULT: also where memory cannot correct what it holds
 */
function mem_read(k: Kernel, pa: number, bytes: Uint8Array): number {
	const { ramBase, ramSize } = k.port;
	const at = pa - ramBase;
	if (at < 0 || at >= ramSize) return -EFAULT;
	const n = Math.min(bytes.length, ramSize - at);
	return k.port.readRam(pa, bytes, 0, n) ? n : -EFAULT;
}

/** Kernel addresses, as far as something is mapped. => bytes, or -EFAULT */
function kmem_read(k: Kernel, offset: number, bytes: Uint8Array): number {
	// Those of the kernel have a sign.
	const va = offset < 2 ** 31 ? offset : offset - 2 ** 32;
	let done = 0;
	while (done < bytes.length) {
		const n = Math.min(PAGE_SIZE - ((va + done) & PAGE_MASK), bytes.length - done);
		if (!uvm_kernacc(k, va + done, n, false)) break;
		const pa = pmap_extract(k, pmap_kernel(k), va + done);
		if (pa < 0 || mem_read(k, pa, bytes.subarray(done, done + n)) < 0) break;
		done += n;
	}
	return done > 0 || bytes.length === 0 ? done : -EFAULT;
}
