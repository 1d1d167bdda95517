/** The attributes that file systems keep for each file, and how calls change them. */
import {
	nanotime,
	time_second,
	type timespec,
	timespec_copy,
	timespeccmp,
} from "../kern/core/kern_tc.ts";
import type { Kernel } from "../kernel.ts";
import type { vattr_kept, vattr_set } from "./vnode.ts";

/** Of a new file. */
export const vattr_new = (k: Kernel, mode: number, uid: number, gid: number): vattr_kept =>
	vattr_at(nanotime(k), mode, uid, gid);

/** Of a file made elsewhere, last modified `mtime` seconds after 1970. */
export const vattr_since = (mtime: number, mode: number, uid: number, gid: number): vattr_kept =>
	vattr_at({ tv_sec: mtime, tv_nsec: 0 }, mode, uid, gid);

const vattr_at = (then: timespec, mode: number, uid: number, gid: number): vattr_kept => ({
	va_mode: mode,
	va_uid: uid,
	va_gid: gid,
	va_atime: { ...then },
	va_mtime: { ...then },
	va_ctime: { ...then },
});

/** Change what `set` names (VOP_SETATTR). => the caller has checked that it is allowed. */
export function vattr_change(k: Kernel, kept: vattr_kept, set: vattr_set): void {
	const { va_atime, va_mtime, ...rest } = set;
	Object.assign(kept, rest);
	if (va_atime !== undefined) timespec_copy(kept.va_atime, va_atime);
	if (va_mtime !== undefined) timespec_copy(kept.va_mtime, va_mtime);
	nanotime(k, kept.va_ctime);
}

/** The contents, or the entries of a directory, have changed. */
export function vattr_modified(k: Kernel, kept: vattr_kept): void {
	nanotime(k, kept.va_mtime);
	timespec_copy(kept.va_ctime, kept.va_mtime);
}

const DAY = 86_400;

/**
 * The contents were read. The time is kept as Linux keeps it by default (relatime): only the first
 * access after a change counts, and one a day.
 */
export function vattr_accessed(k: Kernel, kept: vattr_kept): void {
	const { va_atime: at } = kept;
	const first = timespeccmp(at, kept.va_mtime) <= 0 || timespeccmp(at, kept.va_ctime) <= 0;
	if (first || time_second(k) - at.tv_sec >= DAY) nanotime(k, at);
}
