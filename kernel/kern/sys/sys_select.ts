/** Waiting for descriptors: ppoll and pselect6 (sys/kern/sys_select.c). */
import { EBADF, EFAULT, EINTR, EINVAL, type Errno, EWOULDBLOCK } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep } from "../core/kern_synch.ts";
import { sigminusset } from "../core/signal.ts";
import { copyin, copyout } from "../proc/copy.ts";
import {
	type file,
	NOFILE,
	O_PATH,
	POLLERR,
	POLLHUP,
	POLLIN,
	POLLNVAL,
	POLLOUT,
} from "../proc/file.ts";
import { FOP, fd_getfile } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { SIGS_CANTMASK } from "../proc/kern_sig.ts";
import {
	sleep_interrupted,
	sleep_until,
	timespec_bytes,
	timespec_read,
} from "../proc/kern_time.ts";
import { copyin_sigset } from "../proc/sigabi.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_select: sysent = {
	[SYS.ppoll64]: (k, p, a) => sys_ppoll(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.pselect6]: (k, p, a) => sys_pselect6(k, p, a),
};

/** Names of POLLIN and POLLOUT for ordinary data. */
const POLLRDNORM = 0x040;
const POLLWRNORM = 0x100;

/** Which of `events` are true of an open file, and POLLERR, POLLHUP, POLLNVAL. */
function file_poll(k: Kernel, fp: file, events: number): number {
	if ((fp.f_flag & O_PATH) !== 0) return POLLNVAL;
	let asked = events;
	if ((events & POLLRDNORM) !== 0) asked |= POLLIN;
	if ((events & POLLWRNORM) !== 0) asked |= POLLOUT;
	let ready = FOP(k, fp).fo_poll(k, fp, asked);
	if ((ready & POLLIN) !== 0) ready |= POLLRDNORM;
	if ((ready & POLLOUT) !== 0) ready |= POLLWRNORM;
	return ready & events;
}

/** What poll and select have in common: when to end, and the signals that are let through. */
interface wait {
	/** Address of the timeout, which gets the time that is left; 0: none. */
	readonly timeout: number;
	readonly deadline: number;
	readonly masked: boolean;
}

/** Read the timeout and set the mask. => EFAULT, EINVAL. Sleeps. */
function* select_begin(k: Kernel, p: proc, timeout: number, mask: number): Sleeps<wait | Errno> {
	const { vm_map: map } = p.p_vmspace!;
	let deadline = Number.POSITIVE_INFINITY;
	if (timeout !== 0) {
		const bytes = new Uint8Array(16);
		if ((yield* copyin(k, map, timeout, bytes)) !== 0) return EFAULT;
		const ns = timespec_read(bytes);
		if (ns === null) return EINVAL;
		deadline = sleep_until(k, ns);
	}
	if (mask !== 0) {
		const set = yield* copyin_sigset(k, p, mask);
		if (set === null) return EFAULT;
		p.p_sigoldmask = p.p_sigmask;
		p.p_sigmask = sigminusset(set, SIGS_CANTMASK);
	}
	return { timeout, deadline, masked: mask !== 0 };
}

/** Restore the mask, and tell the time that is left, as Linux does. `n` is the result. Sleeps. */
function* select_end(k: Kernel, p: proc, wait: wait, n: number): Sleeps<void> {
	const { timeout, deadline, masked } = wait;
	if (n === -EINTR) sleep_interrupted(k, deadline);
	// The mask stays until the handler of the signal has run, as after sigsuspend.
	if (masked && n !== -EINTR && p.p_sigoldmask !== null) {
		p.p_sigmask = p.p_sigoldmask;
		p.p_sigoldmask = null;
	}
	if (timeout === 0 || deadline === Number.POSITIVE_INFINITY) return;
	const left = timespec_bytes(Math.max(0, deadline - k.port.cycles));
	yield* copyout(k, p.p_vmspace!.vm_map, left, timeout);
}

/**
 * Wait until `scan` finds something, the deadline passes, or a signal comes.
 * => what `scan` returns; 0 after the deadline; -EINTR. Sleeps.
 */
function* select_wait(
	k: Kernel,
	deadline: number,
	wmesg: string,
	scan: () => number,
): Sleeps<number> {
	for (;;) {
		const n = scan();
		const left = deadline - k.port.cycles;
		if (n !== 0 || left <= 0) return n;
		const error = yield* tsleep(k, k.selwait, wmesg, left === Number.POSITIVE_INFINITY ? 0 : left);
		if (error !== 0 && error !== EWOULDBLOCK) return -error;
	}
}

/** struct pollfd: fd, events, revents. */
const POLLFD_SIZE = 8;
const POLLFD_MAX = 1024;

/**
 * Wait until one of the descriptors is ready, the timeout passes, or a signal comes.
 * => how many are ready; -EINTR.
 */
function* sys_ppoll(
	k: Kernel,
	p: proc,
	fds: number,
	nfds: number,
	timeout: number,
	mask: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	if (nfds > POLLFD_MAX) return -EINVAL;
	const bytes = new Uint8Array(nfds * POLLFD_SIZE);
	if ((yield* copyin(k, map, fds, bytes)) !== 0) return -EFAULT;
	const wait = yield* select_begin(k, p, timeout, mask);
	if (typeof wait === "number") return -wait;
	const view = new DataView(bytes.buffer);
	const n = yield* select_wait(k, wait.deadline, "poll", () => poll_scan(k, p, view));
	yield* select_end(k, p, wait, n);
	if (n < 0) return n;
	const error = yield* copyout(k, map, bytes, fds);
	return error === 0 ? n : -error;
}

/** Fill in revents. => how many are nonzero. */
function poll_scan(k: Kernel, p: proc, view: DataView): number {
	let ready = 0;
	for (let at = 0; at < view.byteLength; at += POLLFD_SIZE) {
		const fd = view.getInt32(at, true);
		const events = view.getInt16(at + 4, true) | POLLERR | POLLHUP;
		let revents = 0;
		if (fd >= 0) {
			const fp = fd_getfile(p, fd);
			revents = fp === null ? POLLNVAL : file_poll(k, fp, events);
		}
		view.setInt16(at + 6, revents, true);
		if (revents !== 0) ready++;
	}
	return ready;
}

/** What makes a descriptor ready in each of the three sets. */
const SELECT_EVENTS = [
	{ asks: POLLIN, ready: POLLIN | POLLHUP | POLLERR },
	{ asks: POLLOUT, ready: POLLOUT | POLLERR },
	// Nothing here has urgent data.
	{ asks: 0, ready: 0 },
] as const;

/**
 * pselect6: nfds, three sets of descriptors, a timeout, and the address of a mask with its size.
 * => how many bits are set; -EBADF: a descriptor is not open.
 */
function* sys_pselect6(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	if ((a[0]! | 0) < 0) return -EINVAL;
	const nfds = Math.min(a[0]!, NOFILE);
	const size = Math.ceil(nfds / 32) * 4;
	const asked: (Uint8Array | null)[] = [];
	for (const va of a.subarray(1, 4)) {
		const set = va === 0 ? null : new Uint8Array(size);
		if (set !== null && (yield* copyin(k, map, va, set)) !== 0) return -EFAULT;
		asked.push(set);
	}
	const sigarg = new Uint32Array(2);
	if (a[5] !== 0 && (yield* copyin(k, map, a[5]!, new Uint8Array(sigarg.buffer))) !== 0) {
		return -EFAULT;
	}
	if (sigarg[0] !== 0 && sigarg[1] !== 8) return -EINVAL;
	const wait = yield* select_begin(k, p, a[4]!, sigarg[0]!);
	if (typeof wait === "number") return -wait;
	const found = asked.map((set) => (set === null ? null : new Uint8Array(size)));
	const n = yield* select_wait(k, wait.deadline, "select", () =>
		select_scan(k, p, nfds, asked, found),
	);
	yield* select_end(k, p, wait, n);
	if (n < 0) return n;
	for (const [i, set] of found.entries()) {
		if (set !== null && (yield* copyout(k, map, set, a[1 + i]!)) !== 0) return -EFAULT;
	}
	return n;
}

/** Fill in the sets. => how many bits are set, or -EBADF. */
function select_scan(
	k: Kernel,
	p: proc,
	nfds: number,
	asked: readonly (Uint8Array | null)[],
	found: readonly (Uint8Array | null)[],
): number {
	let n = 0;
	for (const [i, set] of asked.entries()) {
		const { asks, ready } = SELECT_EVENTS[i]!;
		for (let fd = 0; set !== null && fd < nfds; fd++) {
			const bit = 1 << (fd & 7);
			if ((set[fd >>> 3]! & bit) === 0) continue;
			const fp = fd_getfile(p, fd);
			if (fp === null) return -EBADF;
			if ((file_poll(k, fp, asks | POLLERR | POLLHUP) & ready) === 0) continue;
			found[i]![fd >>> 3]! |= bit;
			n++;
		}
	}
	return n;
}
