/**
 * Port of sys/uvm/uvm_swap.c (2000-2003): swapping to regular files (swap_on of a VREG,
 * sw_reg_strategy), in a file of its own because UVM knows no file systems.
 *
 * Copyright (c) 1995, 1996, 1997 Matthew R. Green.
 * All rights reserved. See NOTICE for the conditions.
 *
 * DEVIATION: NetBSD asks the file system for the blocks of each transfer (VOP_BMAP), and makes
 * several of one. Here a file that lies on a disk is contiguous, so that is asked once.
 */
import { EBUSY, EINVAL, ENXIO, EROFS, type Errno } from "../../sys/errno.ts";
import { simple_lock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_FREE,
	PGO_SYNCIO,
	pagerops,
	type uvm_object,
} from "../uvm/uvm_object.ts";
import { swap_off, swap_on } from "../uvm/uvm_swapctl.ts";
import { VOP, type vnode, vref, vrele } from "./vnode.ts";

/**
 * Add a regular file to the swap space. While it is there nobody can write it, map it or change its
 * size (ETXTBSY); what a read gives is not defined.
 *
 * => the caller has a reference, and keeps it. Sleeps.
 * => EINVAL: not a regular file on a disk (a file in memory would only take what it gives), or too
 *    small. EROFS. EBUSY: it is in use already, or mapped. Or as swap_on; or the error of a write.
 */
export function* swap_on_file(k: Kernel, path: string, vp: vnode, priority: number): Sleeps<Errno> {
	const { swap_files } = k.uvm;
	const blocks = vp.v_type === "VREG" ? VOP(k, vp).vop_bmap?.(k, vp) : undefined;
	if (blocks === undefined) return EINVAL;
	if (VOP(k, vp).vfs_statvfs(k, vp).f_readonly) return EROFS;
	const uobj = vp.v_uobj!;
	// Besides the file's own reference there are those of mappings.
	if (swap_files.includes(vp) || uobj.uo_refs > 1) return EBUSY;
	vref(vp);
	swap_files.push(vp);
	let error = yield* swapfile_flush(k, uobj);
	if (error === 0) error = swap_on(k, path, blocks.dev, priority, { vp, ...blocks });
	if (error !== 0) yield* swapfile_forget(k, vp);
	return error;
}

/**
 * Stop swapping on a file, as swap_off.
 * => the caller has a reference, and keeps it. Sleeps. ENXIO: it is no swap device.
 */
export function* swap_off_file(k: Kernel, vp: vnode): Sleeps<Errno> {
	const sdp = k.uvm.swap_list.find(({ swd_vp }) => swd_vp === vp);
	if (sdp === undefined) return ENXIO;
	const error = yield* swap_off(k, sdp.swd_dev, vp);
	if (error !== 0) return error;
	// What was read meanwhile is out of date.
	yield* swapfile_flush(k, vp.v_uobj!);
	yield* swapfile_forget(k, vp);
	return 0;
}

/** Write what is dirty, and forget what is cached. => unlocked. */
function* swapfile_flush(k: Kernel, uobj: uvm_object): Sleeps<Errno> {
	const flags = PGO_CLEANIT | PGO_FREE | PGO_SYNCIO | PGO_ALLPAGES;
	simple_lock(k, uobj.vmobjlock);
	return yield* pagerops(k, uobj).pgo_put(k, uobj, 0, 0, flags);
}

function* swapfile_forget(k: Kernel, vp: vnode): Sleeps<void> {
	const { swap_files } = k.uvm;
	swap_files.splice(swap_files.indexOf(vp), 1);
	yield* vrele(k, vp);
}
