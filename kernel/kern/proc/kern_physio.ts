/**
 * Transfers between a disk and a kernel buffer that bypass the page cache (sys/kern/kern_physio.c):
 * for the headers of archives, and for disks opened as files.
 */

import { pmap_extract, pmap_kernel } from "../../../pmap/pmap.ts";
import { EIO, ENOMEM, type Errno } from "../../../sys/errno.ts";
import { PAGE_SIZE, ptoa } from "../../../sys/vmparam.ts";
import { buf_init } from "../../dev/buf.ts";
import { bdev_size, bdev_strategy, type dev_t } from "../../dev/conf.ts";
import { biowait, getiobuf, putiobuf } from "../../dev/vfs_bio.ts";
import type { Kernel } from "../../kernel.ts";
import { uvm_km_free, uvm_km_zalloc } from "../../uvm/uvm_km.ts";
import type { Sleeps } from "../core/kern_synch.ts";

/** Pages of wired memory that a transfer takes at once. */
const PHYSIO_PAGES = 4;

/**
 * Read sectors into `bytes`, or write them from there. => its length is a multiple of 512. Sleeps.
 * => 0; EIO, also beyond the end of the disk; ENOMEM.
 */
export function* physio(
	k: Kernel,
	dev: dev_t,
	blkno: number,
	bytes: Uint8Array,
	read: boolean,
): Sleeps<Errno> {
	if (blkno + bytes.length / 512 > bdev_size(k, dev)) return EIO;
	const size = Math.min(ptoa(PHYSIO_PAGES), bytes.length);
	if (size === 0) return 0;
	const map = k.uvm.kernel_map!;
	const kva = uvm_km_zalloc(k, map, size);
	if (kva === 0) return ENOMEM;
	if (!getiobuf(k)) {
		uvm_km_free(k, map, kva, size);
		return ENOMEM;
	}
	let error: Errno = 0;
	for (let done = 0; done < bytes.length && error === 0; done += size) {
		const part = bytes.subarray(done, done + size);
		if (!read) kva_copy(k, kva, part, true);
		const bp = buf_init(dev, read, blkno + done / 512, part.length, kva);
		bdev_strategy(k, bp);
		error = yield* biowait(k, bp);
		if (read && error === 0) kva_copy(k, kva, part, false);
	}
	putiobuf(k);
	uvm_km_free(k, map, kva, size);
	return error;
}

/** Copy to or from wired kernel memory. */
function kva_copy(k: Kernel, kva: number, bytes: Uint8Array, out: boolean): void {
	for (let done = 0; done < bytes.length; done += PAGE_SIZE) {
		const part = bytes.subarray(done, done + PAGE_SIZE);
		const pa = pmap_extract(k, pmap_kernel(k), kva + done);
		const ram = pa - k.port.ramBase;
		if (out) k.port.writeRam(pa, part);
		else part.set(k.port.ram8.subarray(ram, ram + part.length));
	}
}
