/** What the kernel does with files (sys/kern/vfs_vnops.c). */
import { EBADF, ENOENT, type Errno } from "../../pmap/errno.ts";
import type { proc } from "../kern/kern_proc.ts";
import type { Sleeps } from "../kern/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { uvm_object } from "../uvm/uvm_object.ts";
import type { vnode } from "./vnode.ts";

export function* vn_open_exec(_k: Kernel, _p: proc, _path: string): Sleeps<vnode | Errno> {
	return ENOENT;
}
export function* vn_read(
	_k: Kernel,
	_vp: vnode,
	_bytes: Uint8Array,
	_offset: number,
): Sleeps<number> {
	return 0;
}
export function* vrele(_k: Kernel, _vp: vnode): Sleeps<void> {}
export function* vn_mmap(
	_k: Kernel,
	_p: proc,
	_fd: number,
	_prot: number,
	_shared: boolean,
): Sleeps<{ uobj: uvm_object; maxprot: number } | Errno> {
	return EBADF;
}
