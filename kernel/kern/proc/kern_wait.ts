/** Waiting for children (sys/kern/kern_exit.c: sys_wait4): wait4 and waitid. */
import { ECHILD, EINVAL, ESRCH } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep } from "../core/kern_synch.ts";
import { CLD_CONTINUED, CLD_STOPPED, SIGCHLD, SIGCONT } from "../core/signal.ts";
import { copyout } from "./copy.ts";
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

/** Which children a call is about. */
type wanted = (child: proc) => boolean;

type event = "exited" | "stopped" | "continued";

/** An event of a child that `options` ask for, or null. */
function child_event(child: proc, options: number): event | null {
	if (child.p_lwp === null) return (options & WEXITED) !== 0 ? "exited" : null;
	if (child.p_stopsig !== 0 && !child.p_waited && (options & WUNTRACED) !== 0) return "stopped";
	return child.p_continued && (options & WCONTINUED) !== 0 ? "continued" : null;
}

/**
 * Sleep until one of the children has an event.
 * => the child and the event; null: none yet, with WNOHANG; or -errno.
 */
function* find_child(
	k: Kernel,
	p: proc,
	want: wanted,
	options: number,
): Sleeps<{ child: proc; what: event } | null | number> {
	for (;;) {
		const children = p.p_children.filter(want);
		// A call that is started again had children when it first slept.
		if (children.length === 0 && k.curlwp.l_recall < 0) return -ECHILD;
		for (const child of children) {
			const what = child_event(child, options);
			if (what !== null) return { child, what };
		}
		if ((options & WNOHANG) !== 0) return null;
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

const word = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer);

/** => the pid, 0 with WNOHANG if nothing has happened, ECHILD, EINTR, EFAULT. */
export function* sys_wait4(
	k: Kernel,
	p: proc,
	pid: number,
	status: number,
	options: number,
	rusage: number,
): Sleeps<number> {
	if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WALL)) !== 0) return -EINVAL;
	const id = pid | 0;
	if (id === INT_MIN) return -ESRCH;
	const want: wanted = (child) => {
		if (id > 0) return child.p_pid === id;
		if (id === -1) return true;
		return child.p_pgid === (id === 0 ? p.p_pgid : -id);
	};
	const found = yield* find_child(k, p, want, options | WEXITED);
	if (found === null) return 0;
	if (typeof found === "number") return found;
	const { child, what } = found;
	const { vm_map: map } = p.p_vmspace!;
	const result = word(wait_status(child, what));
	const usage = rusage_bytes(rusage_of(child));
	consume(k, child, what);
	if (status !== 0) {
		const error = yield* copyout(k, map, result, status);
		if (error !== 0) return -error;
	}
	if (rusage !== 0) {
		const error = yield* copyout(k, map, usage, rusage);
		if (error !== 0) return -error;
	}
	return child.p_pid;
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
	const want: wanted = (child) => {
		if (which === P_PID) return child.p_pid === id;
		return which === P_ALL || child.p_pgid === (id === 0 ? p.p_pgid : id);
	};
	const found = yield* find_child(k, p, want, options);
	if (typeof found === "number") return found;
	const info = found === null ? new Uint8Array(SIGINFO_SIZE) : wait_info(found.child, found.what);
	const usage = found === null ? null : rusage_bytes(rusage_of(found.child));
	if (found !== null && (options & WNOWAIT) === 0) consume(k, found.child, found.what);
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
