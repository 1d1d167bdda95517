/** The attributes that file systems keep for each file, and how calls change them. */
import { nanotime, timespeccmp } from "../kern/core/kern_tc.ts";
import type { Kernel } from "../kernel.ts";
import type { vattr_kept, vattr_set } from "./vnode.ts";

/** Of a new file. */
export function vattr_new(k: Kernel, mode: number, uid: number, gid: number): vattr_kept {
	const now = nanotime(k);
	return {
		va_mode: mode,
		va_uid: uid,
		va_gid: gid,
		va_atime: now,
		va_mtime: now,
		va_ctime: now,
	};
}

/** Of a file made elsewhere, last modified `mtime` seconds after 1970. */
export function vattr_since(mtime: number, mode: number, uid: number, gid: number): vattr_kept {
	const then = { tv_sec: mtime, tv_nsec: 0 };
	return {
		va_mode: mode,
		va_uid: uid,
		va_gid: gid,
		va_atime: then,
		va_mtime: then,
		va_ctime: then,
	};
}

/** Change what `set` names (VOP_SETATTR). => the caller has checked that it is allowed. */
export function vattr_change(k: Kernel, kept: vattr_kept, set: vattr_set): void {
	Object.assign(kept, set);
	kept.va_ctime = nanotime(k);
}

/** The contents, or the entries of a directory, have changed. */
export function vattr_modified(k: Kernel, kept: vattr_kept): void {
	kept.va_mtime = nanotime(k);
	kept.va_ctime = kept.va_mtime;
}

const DAY = 86_400;

/**
 * The contents were read. The time is kept as Linux keeps it by default (relatime): only the first
 * access after a change counts, and one a day.
 */
export function vattr_accessed(k: Kernel, kept: vattr_kept): void {
	const { va_atime: at } = kept;
	const now = nanotime(k);
	const first = timespeccmp(at, kept.va_mtime) <= 0 || timespeccmp(at, kept.va_ctime) <= 0;
	if (first || now.tv_sec - at.tv_sec >= DAY) kept.va_atime = now;
}
