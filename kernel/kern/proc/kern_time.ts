/**
 * Time (sys/kern/kern_time.c): clocks and sleeping. All of it is virtual
 * time since reset: one cycle is one nanosecond.
 */
import { EFAULT, EINVAL, EWOULDBLOCK } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep } from "../core/kern_synch.ts";
import { nanotime, timespec_cycle } from "../core/kern_tc.ts";
import type { sysent } from "../sys/sysent.ts";
import { SYS } from "../sys/sysnum.ts";
import { copyin, copyout } from "./copy.ts";
import type { proc } from "./kern_proc.ts";

export const sysent_time: sysent = {
	[SYS.clock_gettime64]: (k, p, a) => sys_clock_gettime(k, p, a[0]!, a[1]!),
	[SYS.clock_getres64]: (k, p, a) => sys_clock_getres(k, p, a[0]!, a[1]!),
	[SYS.clock_nanosleep64]: (k, p, a) => sys_clock_nanosleep(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.times]: (k, p, a) => sys_times(k, p, a[0]!),
};

/**
 * CLOCK_REALTIME to CLOCK_BOOTTIME: the wall clock is CLOCK_REALTIME and its coarse form, all
 * others count from reset.
 */
const CLOCK_MAX = 7;
const is_wall = (clock: number): boolean => clock === 0 || clock === 5;
const TIMER_ABSTIME = 1;
/** times() counts in hundredths of a second. */
const CYCLES_PER_CLOCK_TICK = 10_000_000;

/** struct timespec with 64-bit members. */
export function timespec_bytes(ns: number): Uint8Array {
	const words = new Uint32Array(4);
	const seconds = Math.floor(ns / 1e9);
	words[0] = seconds;
	words[1] = Math.floor(seconds / 2 ** 32);
	words[2] = ns % 1e9;
	return new Uint8Array(words.buffer);
}

/** Nanoseconds of a 64-bit timespec; null if it is not a valid one. Huge values are Infinity. */
export function timespec_read(bytes: Uint8Array): number | null {
	const view = new DataView(bytes.buffer, bytes.byteOffset);
	const seconds = view.getBigInt64(0, true);
	// C libraries for 32 bits leave the high word of the nanoseconds as it is, and Linux ignores it.
	const nsec = view.getInt32(8, true);
	if (seconds < 0n || nsec < 0 || nsec >= 1_000_000_000) return null;
	const ns = Number(seconds) * 1e9 + nsec;
	return ns < Number.MAX_SAFE_INTEGER ? ns : Number.POSITIVE_INFINITY;
}

/** The cycle at which the wall clock shows the time of a 64-bit timespec, which is a valid one. */
export function timespec_wall(k: Kernel, bytes: Uint8Array): number {
	const view = new DataView(bytes.buffer, bytes.byteOffset);
	const tv_sec = Number(view.getBigInt64(0, true));
	return timespec_cycle(k, { tv_sec, tv_nsec: view.getInt32(8, true) });
}

/** The wall clock's time as a struct timespec. */
function wall_bytes(k: Kernel): Uint8Array {
	const { tv_sec, tv_nsec } = nanotime(k);
	return new Uint8Array(BigInt64Array.of(BigInt(tv_sec), BigInt(tv_nsec)).buffer);
}

function* sys_clock_gettime(k: Kernel, p: proc, clock: number, va: number): Sleeps<number> {
	if (clock > CLOCK_MAX) return -EINVAL;
	const bytes = is_wall(clock) ? wall_bytes(k) : timespec_bytes(k.port.cycles);
	return -(yield* copyout(k, p.p_vmspace!.vm_map, bytes, va));
}

function* sys_clock_getres(k: Kernel, p: proc, clock: number, va: number): Sleeps<number> {
	if (clock > CLOCK_MAX) return -EINVAL;
	if (va === 0) return 0;
	return -(yield* copyout(k, p.p_vmspace!.vm_map, timespec_bytes(1), va));
}

/**
 * The cycle at which a call that sleeps for `ns` ends; of a restarted call, as before.
 * => user threads only.
 */
export function sleep_until(k: Kernel, ns: number): number {
	const l = k.curlwp;
	const end = Math.min(l.l_deadline, k.port.cycles + ns);
	l.l_deadline = Number.POSITIVE_INFINITY;
	return end;
}

/** Keep the end of an interrupted sleep, in case the call is restarted. */
export function sleep_interrupted(k: Kernel, end: number): void {
	k.curlwp.l_deadline = end;
}

function* sys_clock_nanosleep(
	k: Kernel,
	p: proc,
	clock: number,
	flags: number,
	request: number,
	remain: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	const bytes = new Uint8Array(16);
	if (clock > CLOCK_MAX) return -EINVAL;
	if ((yield* copyin(k, map, request, bytes)) !== 0) return -EFAULT;
	const ns = timespec_read(bytes);
	if (ns === null) return -EINVAL;
	const absolute = (flags & TIMER_ABSTIME) !== 0;
	let end = absolute ? ns : sleep_until(k, ns);
	if (absolute && is_wall(clock)) end = timespec_wall(k, bytes);
	while (k.port.cycles < end) {
		const left = end - k.port.cycles;
		const error = yield* tsleep(k, {}, "nanosleep", Number.isFinite(left) ? left : 0);
		if (error === 0 || error === EWOULDBLOCK) continue;
		if (!absolute) sleep_interrupted(k, end);
		if (remain !== 0 && !absolute) {
			const rest = Math.max(0, Math.min(end, Number.MAX_SAFE_INTEGER) - k.port.cycles);
			yield* copyout(k, map, timespec_bytes(rest), remain);
		}
		return -error;
	}
	return 0;
}

/** struct tms: user, system, and those of the children. => ticks since reset. */
function* sys_times(k: Kernel, p: proc, va: number): Sleeps<number> {
	const l = p.p_lwp!;
	const ticks = (cycles: number): number => Math.floor(cycles / CYCLES_PER_CLOCK_TICK);
	const { ru_utime, ru_stime } = p.p_cru;
	if (va !== 0) {
		const words = new Uint32Array([l.l_utime, l.l_stime, ru_utime, ru_stime].map(ticks));
		const error = yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(words.buffer), va);
		if (error !== 0) return -error;
	}
	return ticks(k.port.cycles) & 0x7fff_ffff;
}
