/**
 * Transfers of disks that bypass the page cache (sys/kern/kern_physio.c): straight from and to user
 * memory, for disks opened as files, and through a kernel buffer.
 */

import {
	pmap_extract,
	pmap_kenter_pa,
	pmap_kernel,
	pmap_kremove,
	pmap_update,
} from "../../../pmap/pmap.ts";
import { EBUSY, EIO, ENOMEM, type Errno } from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE, ptoa, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { buf_setup } from "../../dev/buf.ts";
import { bdev_size, bdev_strategy, type dev_t } from "../../dev/conf.ts";
import { biowait, getiobuf, putiobuf } from "../../dev/vfs_bio.ts";
import type { Kernel } from "../../kernel.ts";
import { uvm_vslock, uvm_vsunlock } from "../../uvm/uvm_glue.ts";
import { uvm_km_free, uvm_km_valloc, uvm_km_zalloc } from "../../uvm/uvm_km.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import { uvm_page_isbroken } from "../../uvm/uvm_memerror.ts";
import type { vm_page } from "../../uvm/uvm_page.ts";
import type { Sleeps } from "../core/kern_synch.ts";

/** The most that physio moves at once (MAXPHYS). */
const MAXPHYS = 64 * 1024;

/**
 * Read sectors into user memory at `va`, or write them from there. => `va` need not be aligned, and
 * `size` is a multiple of 512. The disk has the sectors. Sleeps.
 * => bytes moved, at most MAXPHYS; -EFAULT; -EIO; -EBUSY: the memory has to be copied (uvm_vslock),
 *    or there is none for a buf or the addresses, or the disk could not read it.
 */
export function* physio(
	k: Kernel,
	map: vm_map,
	dev: dev_t,
	blkno: number,
	va: number,
	size: number,
	read: boolean,
): Sleeps<number> {
	const bytes = Math.min(size, MAXPHYS);
	const bp = getiobuf(k);
	if (bp === null) return -EBUSY;
	const access = read ? VM_PROT_WRITE : VM_PROT_READ;
	const pgs = yield* uvm_vslock(k, map, va, bytes, access);
	if (typeof pgs === "number") {
		putiobuf(k, bp);
		return -pgs;
	}
	const kva = vmapbuf(k, pgs, read);
	let error: Errno = EBUSY;
	if (kva !== 0) {
		buf_setup(bp, dev, read, blkno, bytes, kva + (va & PAGE_MASK));
		bdev_strategy(k, bp);
		error = yield* biowait(k, bp);
		// The copy finds out whether that can be repaired.
		if (error !== 0 && pgs.some((pg) => uvm_page_isbroken(k, pg))) error = EBUSY;
		vunmapbuf(k, kva, pgs.length);
	}
	uvm_vsunlock(k, pgs, access);
	putiobuf(k, bp);
	return error === 0 ? bytes : -error;
}

/** Map pages of user memory at adjacent addresses of the kernel. => never sleeps; 0: no room */
function vmapbuf(k: Kernel, pgs: readonly vm_page[], read: boolean): number {
	const kva = uvm_km_valloc(k, k.uvm.kernel_map!, ptoa(pgs.length));
	if (kva === 0) return 0;
	const prot = read ? VM_PROT_READ | VM_PROT_WRITE : VM_PROT_READ;
	for (const [i, pg] of pgs.entries()) pmap_kenter_pa(k, kva + ptoa(i), pg.phys_addr, prot);
	pmap_update(k, pmap_kernel(k));
	return kva;
}

function vunmapbuf(k: Kernel, kva: number, npages: number): void {
	pmap_kremove(k, kva, ptoa(npages));
	pmap_update(k, pmap_kernel(k));
	uvm_km_free(k, k.uvm.kernel_map!, kva, ptoa(npages));
}

/** Pages of wired memory that a copied transfer takes at once. */
const COPY_PAGES = 4;

/**
 * Read sectors into `bytes`, or write them from there, through wired memory of the kernel.
 * => its length is a multiple of 512. Sleeps. 0; EIO, also beyond the end of the disk; ENOMEM.
 */
export function* physio_copy(
	k: Kernel,
	dev: dev_t,
	blkno: number,
	bytes: Uint8Array,
	read: boolean,
): Sleeps<Errno> {
	if (blkno + bytes.length / 512 > bdev_size(k, dev)) return EIO;
	const size = Math.min(ptoa(COPY_PAGES), bytes.length);
	if (size === 0) return 0;
	const map = k.uvm.kernel_map!;
	const kva = uvm_km_zalloc(k, map, size);
	if (kva === 0) return ENOMEM;
	const bp = getiobuf(k);
	if (bp === null) {
		uvm_km_free(k, map, kva, size);
		return ENOMEM;
	}
	let error: Errno = 0;
	for (let done = 0; done < bytes.length && error === 0; done += size) {
		const part = bytes.subarray(done, done + size);
		if (!read) kva_copy(k, kva, part, true);
		buf_setup(bp, dev, read, blkno + done / 512, part.length, kva);
		bdev_strategy(k, bp);
		error = yield* biowait(k, bp);
		if (read && error === 0) error = kva_copy(k, kva, part, false);
	}
	putiobuf(k, bp);
	uvm_km_free(k, map, kva, size);
	return error;
}

/** Copy to or from wired kernel memory. => EIO: memory cannot correct what it holds. */
function kva_copy(k: Kernel, kva: number, bytes: Uint8Array, out: boolean): Errno {
	for (let done = 0; done < bytes.length; done += PAGE_SIZE) {
		const part = bytes.subarray(done, done + PAGE_SIZE);
		const pa = pmap_extract(k, pmap_kernel(k), kva + done);
		if (out) k.port.writeRam(pa, part);
		else if (!k.port.readRam(pa, part)) return EIO;
	}
	return 0;
}
