/** Waiting for children (sys/kern/kern_exit.c: sys_wait4): wait4 and waitid. */
import { ECHILD, EINVAL, ESLEEPS, ESRCH } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep, tsleep_enter } from "../core/kern_synch.ts";
import { CLD_CONTINUED, CLD_STOPPED, SIGCHLD, SIGCONT } from "../core/signal.ts";
import { COPY_SLEEPS, copyout, copyout_word, copyout_word_nosleep } from "./copy.ts";
import { exit_code, proc_reap } from "./kern_exit.ts";
import type { proc } from "./kern_proc.ts";
import { rusage_bytes, rusage_of } from "./kern_resource.ts";
import { sigchld_info } from "./kern_sig.ts";
import { SIGINFO_SIZE, siginfo_bytes } from "./sigabi.ts";

const WNOHANG = 1;
const WUNTRACED = 2;
const WEXITED = 4;
const WCONTINUED = 8;
const WNOWAIT = 0x0100_0000;
/** Linux's __WALL: also children of other clones. They are always included here. */
const WALL = 0x4000_0000;
const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;
const STATUS_CONTINUED = 0xffff;
/** A bit of the status: the process has left a core dump. */
const WCOREFLAG = 0x80;
const INT_MIN = -0x8000_0000;

/** Whether a call for `which` (P_*) and `id` is about a child. */
function is_wanted(child: proc, which: number, id: number): boolean {
	if (which === P_PID) return child.p_pid === id;
	return which === P_ALL || child.p_pgid === id;
}

type event = "exited" | "stopped" | "continued";

/** An event of a child that `options` ask for, or null. */
function child_event(child: proc, options: number): event | null {
	if (child.p_lwp === null) return (options & WEXITED) !== 0 ? "exited" : null;
	if (child.p_stopsig !== 0 && !child.p_waited && (options & WUNTRACED) !== 0) return "stopped";
	return child.p_continued && (options & WCONTINUED) !== 0 ? "continued" : null;
}

/** The first of the children that has an event. => null: none yet; or -ECHILD. */
function find_child(
	k: Kernel,
	p: proc,
	which: number,
	id: number,
	options: number,
): proc | null | number {
	let any = false;
	for (let i = 0; i < p.p_children.length; i++) {
		const child = p.p_children[i]!;
		if (!is_wanted(child, which, id)) continue;
		any = true;
		if (child_event(child, options) !== null) return child;
	}
	// A call that is started again had children when it first slept.
	return any || k.curlwp.l_recall >= 0 ? null : -ECHILD;
}

/** Sleep until there is such a child. => null: none yet, with WNOHANG; or -errno. */
function* await_child(
	k: Kernel,
	p: proc,
	which: number,
	id: number,
	options: number,
): Sleeps<proc | null | number> {
	for (;;) {
		const found = find_child(k, p, which, id, options);
		if (found !== null || (options & WNOHANG) !== 0) return found;
		const error = yield* tsleep(k, p, "wait", 0);
		if (error !== 0) return -error;
	}
}

/** Mark an event as reported. */
function consume(k: Kernel, child: proc, what: event): void {
	if (what === "exited") proc_reap(k, child);
	else if (what === "stopped") child.p_waited = true;
	else child.p_continued = false;
}

function wait_status(child: proc, what: event): number {
	if (what === "stopped") return (child.p_stopsig << 8) | 0x7f;
	if (what === "continued") return STATUS_CONTINUED;
	const { signal, coredump, code } = child.p_exit!;
	return signal === 0 ? code << 8 : signal | (coredump ? WCOREFLAG : 0);
}

/**
 * => the pid, 0 with WNOHANG if nothing has happened, ECHILD, EINTR, EFAULT. Without a generator
 *    unless the call has to be resumed, or the program's memory is not there.
 */
export function sys_wait4(
	k: Kernel,
	p: proc,
	pid: number,
	status: number,
	options: number,
	rusage: number,
): number | Sleeps<number> {
	if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WALL)) !== 0) return -EINVAL;
	const id = pid | 0;
	if (id === INT_MIN) return -ESRCH;
	let which = id > 0 ? P_PID : P_PGID;
	if (id === -1) which = P_ALL;
	let whose = Math.abs(id);
	if (id === 0) whose = p.p_pgid;
	const events = options | WEXITED;
	const { l_kernel, l_recall } = k.curlwp;
	if (l_recall >= 0 || (l_kernel !== null && l_kernel !== k.callagain)) {
		return wait4_resumed(k, p, which, whose, status, events, rusage);
	}
	const child = find_child(k, p, which, whose, events);
	if (child === null) {
		if ((options & WNOHANG) !== 0) return 0;
		const error = tsleep_enter(k, p, "wait");
		return error === 0 ? ESLEEPS : -error;
	}
	if (typeof child === "number") return child;
	const what = child_event(child, events)!;
	const result = wait_status(child, what);
	const usage = rusage === 0 ? null : rusage_bytes(rusage_of(child));
	consume(k, child, what);
	let error = 0;
	if (status !== 0) error = copyout_word_nosleep(k, p.p_vmspace!.vm_map, result, status);
	if (error > 0) return -error;
	if (error === 0 && usage === null) return child.p_pid;
	return wait4_report(k, p, child.p_pid, error === 0 ? 0 : status, result, error, rusage, usage);
}

/** wait4 that sleeps inside, and is no plain call that is started again. */
function* wait4_resumed(
	k: Kernel,
	p: proc,
	which: number,
	id: number,
	status: number,
	options: number,
	rusage: number,
): Sleeps<number> {
	const found = yield* await_child(k, p, which, id, options);
	if (found === null) return 0;
	if (typeof found === "number") return found;
	const what = child_event(found, options)!;
	const result = wait_status(found, what);
	const usage = rusage === 0 ? null : rusage_bytes(rusage_of(found));
	consume(k, found, what);
	return yield* wait4_report(k, p, found.p_pid, status, result, 0, rusage, usage);
}

/**
 * Store what is told of child number `child`: the result at `status`, the usage at `rusage`, if
 * these are not 0. => the child's record may be that of another process by now
 * => `tried`: what copyout_word_nosleep has returned for the result. Sleeps.
 */
function* wait4_report(
	k: Kernel,
	p: proc,
	child: number,
	status: number,
	result: number,
	tried: number,
	rusage: number,
	usage: Uint8Array | null,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	if (status !== 0) {
		const error = yield* copyout_word(k, map, result, status, tried === COPY_SLEEPS);
		if (error !== 0) return -error;
	}
	if (usage !== null) {
		const error = yield* copyout(k, map, usage, rusage);
		if (error !== 0) return -error;
	}
	return child;
}

/** => 0 and a siginfo_t, whose si_pid is 0 if WNOHANG found nothing. */
export function* sys_waitid(
	k: Kernel,
	p: proc,
	which: number,
	id: number,
	infop: number,
	options: number,
	rusage: number,
): Sleeps<number> {
	const known = WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | WALL;
	if ((options & ~known) !== 0 || (options & (WUNTRACED | WEXITED | WCONTINUED)) === 0) {
		return -EINVAL;
	}
	if (which !== P_ALL && which !== P_PID && which !== P_PGID) return -EINVAL;
	if (which === P_PID ? (id | 0) <= 0 : which === P_PGID && (id | 0) < 0) return -EINVAL;
	const whose = which === P_PGID && id === 0 ? p.p_pgid : id;
	const found = yield* await_child(k, p, which, whose, options);
	if (typeof found === "number") return found;
	const what = found === null ? null : child_event(found, options)!;
	const info = found === null ? new Uint8Array(SIGINFO_SIZE) : wait_info(found, what!);
	const usage = found === null ? null : rusage_bytes(rusage_of(found));
	if (found !== null && (options & WNOWAIT) === 0) consume(k, found, what!);
	const { vm_map: map } = p.p_vmspace!;
	if (infop !== 0) {
		const error = yield* copyout(k, map, info, infop);
		if (error !== 0) return -error;
	}
	if (rusage !== 0 && usage !== null) return -(yield* copyout(k, map, usage, rusage));
	return 0;
}

/** => siginfo_t. */
function wait_info(child: proc, what: event): Uint8Array {
	const info = (code: number, status: number): Uint8Array =>
		siginfo_bytes(sigchld_info(child, SIGCHLD, code, status));
	if (what === "stopped") return info(CLD_STOPPED, child.p_stopsig);
	if (what === "continued") return info(CLD_CONTINUED, SIGCONT);
	const how = child.p_exit!;
	return info(exit_code(how), how.signal || how.code);
}
