/** Resource usage and limits (sys/kern/kern_resource.c), with the structures of Linux riscv32. */

import { pmap_resident_count } from "../../../pmap/pmap.ts";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_CPU, type rlimit } from "../core/rlimit.ts";
import { copyin, copyout } from "./copy.ts";
import { cputime_arm } from "./kern_itimer.ts";
import { pfind, type proc } from "./kern_proc.ts";
import { cansignal, suser } from "./kern_prot.ts";
import type { rusage } from "./resource.ts";

const RUSAGE_SELF = 0;
const RUSAGE_CHILDREN = -1;
const RUSAGE_THREAD = 1;

/** Usage so far; of an exited process, the total. */
export function rusage_of(p: proc): rusage {
	const l = p.p_lwp;
	if (l === null) return p.p_ru;
	return {
		...p.p_ru,
		ru_utime: l.l_utime,
		ru_stime: l.l_stime,
		ru_minflt: l.l_minflt,
		ru_majflt: l.l_majflt,
	};
}

/** struct rusage of the kernel's ABI: two pairs of 32-bit seconds and microseconds, 14 longs. */
export function rusage_bytes(ru: rusage): Uint8Array {
	const words = new Uint32Array(18);
	words[0] = Math.floor(ru.ru_utime / 1e9);
	words[1] = Math.floor((ru.ru_utime % 1e9) / 1000);
	words[2] = Math.floor(ru.ru_stime / 1e9);
	words[3] = Math.floor((ru.ru_stime % 1e9) / 1000);
	words[4] = (ru.ru_maxrss * PAGE_SIZE) / 1024;
	words[8] = ru.ru_minflt;
	words[9] = ru.ru_majflt;
	words[16] = ru.ru_nvcsw;
	words[17] = ru.ru_nivcsw;
	return new Uint8Array(words.buffer);
}

export function* sys_getrusage(k: Kernel, p: proc, who: number, va: number): Sleeps<number> {
	const which = who | 0;
	if (which !== RUSAGE_SELF && which !== RUSAGE_CHILDREN && which !== RUSAGE_THREAD) {
		return -EINVAL;
	}
	const { vm_map: map } = p.p_vmspace!;
	const now = pmap_resident_count(k, map.pmap);
	p.p_ru.ru_maxrss = Math.max(p.p_ru.ru_maxrss, now);
	const ru = which === RUSAGE_CHILDREN ? p.p_cru : rusage_of(p);
	return -(yield* copyout(k, map, rusage_bytes(ru), va));
}

const RLIM64_INFINITY = 0xffff_ffff_ffff_ffffn;

function limit_bytes(limit: rlimit): Uint8Array {
	const values = new BigUint64Array(2);
	const put = (i: number, value: number): void => {
		values[i] = Number.isFinite(value) ? BigInt(value) : RLIM64_INFINITY;
	};
	put(0, limit.rlim_cur);
	put(1, limit.rlim_max);
	return new Uint8Array(values.buffer);
}

function limit_read(bytes: Uint8Array): rlimit {
	const view = new DataView(bytes.buffer);
	const get = (at: number): number => {
		const value = view.getBigUint64(at, true);
		return value > 0xffff_ffffn ? Number.POSITIVE_INFINITY : Number(value);
	};
	return { rlim_cur: get(0), rlim_max: get(8) };
}

/** prlimit64: return the old limit, set a new one; either address may be 0. */
export function* sys_prlimit64(
	k: Kernel,
	p: proc,
	pid: number,
	resource: number,
	newp: number,
	oldp: number,
): Sleeps<number> {
	const target = pid === 0 ? p : pfind(k, pid);
	if (target === undefined) return -ESRCH;
	if (!cansignal(p, target)) return -EPERM;
	const old = target.p_rlimit[resource];
	if (old === undefined) return -EINVAL;
	const { vm_map: map } = p.p_vmspace!;
	let fresh: rlimit | null = null;
	if (newp !== 0) {
		const bytes = new Uint8Array(16);
		if ((yield* copyin(k, map, newp, bytes)) !== 0) return -EFAULT;
		fresh = limit_read(bytes);
		if (fresh.rlim_cur > fresh.rlim_max) return -EINVAL;
		if (fresh.rlim_max > old.rlim_max && !suser(p)) return -EPERM;
	}
	if (oldp !== 0) {
		const error = yield* copyout(k, map, limit_bytes(old), oldp);
		if (error !== 0) return -error;
	}
	// Meanwhile it may have ended, and its limits be another's.
	if (fresh === null || (target !== p && pfind(k, pid) !== target)) return 0;
	target.p_rlimit[resource] = fresh;
	if (resource === RLIMIT_CPU && target.p_lwp !== null) cputime_arm(k, target);
	return 0;
}
