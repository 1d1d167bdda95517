/**
 * futex(2), with Linux's operations and errors (kernel/futex of Linux; NetBSD has the same call
 * under sys/kern/sys_futex.c since 2020). Without the operations for priority inheritance.
 *
 * A futex is a word of memory. A private one is known by address space and address; any other in
 * shared memory by what is mapped there, so that processes meet in it at different addresses.
 */
import { EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT, EWOULDBLOCK } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_PROT_READ } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { UVM_ET_COPYONWRITE } from "../../uvm/uvm_extern.ts";
import { entry_contains, uvm_map_lookup_entry } from "../../uvm/uvm_map_entry.ts";
import type { futexwait, lwp } from "../core/kern_lwp.ts";
import { LSSLEEP, type Sleeps, tsleep, unsleep } from "../core/kern_synch.ts";
import { copyin, copyout } from "../proc/copy.ts";
import type { proc } from "../proc/kern_proc.ts";
import { sleep_interrupted, sleep_until, timespec_read, timespec_wall } from "../proc/kern_time.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_futex: sysent = {
	[SYS.futex64]: (k, p, a) => sys_futex(k, p, a),
};

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_PRIVATE_FLAG = 128;
const FUTEX_CLOCK_REALTIME = 256;
const FUTEX_CMD_MASK = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
/** Any waiter. */
const MATCH_ANY = -1;

/** What a futex is known by. */
interface futex_key {
	readonly obj: object;
	readonly off: number;
}

/**
 * The key of the futex at `va`.
 * => EINVAL: not a multiple of 4; EFAULT: not in user space, or not private and not mapped.
 */
function futex_key(p: proc, va: number, isprivate: boolean): futex_key | number {
	if (va % 4 !== 0) return EINVAL;
	if (va >= VM_MAXUSER_ADDRESS) return EFAULT;
	const { vm_map: map } = p.p_vmspace!;
	if (isprivate) return { obj: map, off: va };
	const entry = uvm_map_lookup_entry(map, va);
	if (!entry_contains(map, entry, va) || (entry.protection & VM_PROT_READ) === 0) return EFAULT;
	// Memory that is copied by a store has no word in common with anybody.
	if ((entry.etype & UVM_ET_COPYONWRITE) !== 0) return { obj: map, off: va };
	const off = va - entry.start;
	if (entry.uvm_obj !== null) return { obj: entry.uvm_obj, off: entry.offset + off };
	// Shared memory without an object: its anons may be replaced, the amap stays.
	if (entry.amap !== null) return { obj: entry.amap, off: entry.pageoff * PAGE_SIZE + off };
	return EFAULT;
}

const same = (w: futexwait, key: futex_key): boolean =>
	w.fw_obj === key.obj && w.fw_off === key.off;

/** The first thread in the queue that waits for a futex; null if there is none. */
function futex_first(k: Kernel, key: futex_key, bitset: number): lwp | null {
	const matches = (l: lwp): boolean =>
		same(l.l_futex!, key) && (l.l_futex!.fw_bitset & bitset) !== 0;
	return k.futexq.find(matches) ?? null;
}

/** Take a thread off the queue. */
function futex_unqueue(k: Kernel, l: lwp): void {
	l.l_futex = null;
	k.futexq.splice(k.futexq.indexOf(l), 1);
}

/** Wake up to `n` threads, but at least one, longest waiter first. => how many. */
function futex_wake(k: Kernel, key: futex_key, n: number, bitset: number): number {
	for (let woken = 0; ; ) {
		const l = futex_first(k, key, bitset);
		if (l === null) return woken;
		futex_unqueue(k, l);
		// A signal may have woken it already; then it finds that it was woken twice.
		if (l.l_stat === LSSLEEP) unsleep(k, l);
		if (++woken >= n) return woken;
	}
}

/** A process ends and its id was cleared: wake who waits for that. => it still has its memory. */
export function futex_cleartid(k: Kernel, p: proc, va: number): void {
	const key = futex_key(p, va, false);
	if (typeof key !== "number") futex_wake(k, key, 1, MATCH_ANY);
}

/** A futex that a thread holds has the thread's id in it, and says whether anybody waits. */
const FUTEX_WAITERS = 0x8000_0000;
const FUTEX_OWNER_DIED = 0x4000_0000;
const FUTEX_TID_MASK = 0x3fff_ffff;
/** Most entries of a list of robust futexes that are looked at. */
const ROBUST_LIST_LIMIT = 2048;

/**
 * The end of a process that holds robust futexes (exit_robust_list of Linux): mark them, and wake
 * one waiter of each. => sleeps. Stops at what it cannot read.
 */
export function* futex_robust(k: Kernel, p: proc): Sleeps<void> {
	const head = p.p_robust;
	p.p_robust = 0;
	if (head === 0) return;
	const first = yield* fetch(k, p, head);
	const offset = yield* fetch(k, p, head + 4);
	const pending = yield* fetch(k, p, head + 8);
	if (first === null || offset === null || pending === null) return;
	/** Bit 0 of a pointer says that the futex has priority inheritance. */
	const at = (pointer: number): number => (pointer & ~1) >>> 0;
	let entry = at(first);
	for (let i = 0; i < ROBUST_LIST_LIMIT && entry !== head; i++) {
		// The entry may be reused as soon as its futex is free.
		const next = yield* fetch(k, p, entry);
		if (entry !== at(pending)) yield* owner_died(k, p, (entry + offset) >>> 0);
		if (next === null) return;
		entry = at(next);
	}
	if (pending !== 0) yield* owner_died(k, p, (at(pending) + offset) >>> 0);
}

function* owner_died(k: Kernel, p: proc, va: number): Sleeps<void> {
	const word = va % 4 === 0 ? yield* fetch(k, p, va) : null;
	if (word === null || (word & FUTEX_TID_MASK) !== p.p_pid) return;
	const marked = new Int32Array([(word & FUTEX_WAITERS) | FUTEX_OWNER_DIED]);
	const bytes = new Uint8Array(marked.buffer);
	if ((yield* copyout(k, p.p_vmspace!.vm_map, bytes, va)) !== 0) return;
	if ((word & FUTEX_WAITERS) !== 0) futex_cleartid(k, p, va);
}

/** A word of the program. => null: EFAULT. Sleeps. */
function* fetch(k: Kernel, p: proc, va: number): Sleeps<number | null> {
	const word = new Int32Array(1);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, new Uint8Array(word.buffer));
	return error === 0 ? word[0]! : null;
}

function* sys_futex(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const [va, op, val, time, va2, val3] = [a[0]!, a[1]!, a[2]! | 0, a[3]!, a[4]!, a[5]! | 0];
	const isprivate = (op & FUTEX_PRIVATE_FLAG) !== 0;
	const cmd = op & FUTEX_CMD_MASK;
	const wall = (op & FUTEX_CLOCK_REALTIME) !== 0;
	if (wall && cmd !== FUTEX_WAIT_BITSET) return -ENOSYS;
	switch (cmd) {
		case FUTEX_WAIT:
			return yield* futex_wait(k, p, va, isprivate, val, time, "now", MATCH_ANY);
		case FUTEX_WAIT_BITSET:
			return yield* futex_wait(k, p, va, isprivate, val, time, wall ? "epoch" : "reset", val3);
		case FUTEX_WAKE:
		case FUTEX_WAKE_BITSET: {
			const bitset = cmd === FUTEX_WAKE ? MATCH_ANY : val3;
			if (bitset === 0) return -EINVAL;
			const key = futex_key(p, va, isprivate);
			return typeof key === "number" ? -key : futex_wake(k, key, val, bitset);
		}
		case FUTEX_REQUEUE:
			return yield* futex_requeue(k, p, va, va2, isprivate, val, time | 0, null);
		case FUTEX_CMP_REQUEUE:
			return yield* futex_requeue(k, p, va, va2, isprivate, val, time | 0, val3);
		case FUTEX_WAKE_OP:
			return yield* futex_wake_op(k, p, va, va2, isprivate, val, time | 0, val3);
		default:
			return -ENOSYS;
	}
}

/**
 * Sleep until the futex is woken, if the word is `val`. => sleeps.
 * => `time`: the address of a timespec, or 0: until when, counted from `since`.
 * => 0; EAGAIN: the word has another value; ETIMEDOUT; EINTR; EFAULT; EINVAL.
 */
function* futex_wait(
	k: Kernel,
	p: proc,
	va: number,
	isprivate: boolean,
	val: number,
	time: number,
	since: "now" | "reset" | "epoch",
	bitset: number,
): Sleeps<number> {
	const l = p.p_lwp!;
	let end = Number.POSITIVE_INFINITY;
	if (time !== 0) {
		const bytes = new Uint8Array(16);
		if ((yield* copyin(k, p.p_vmspace!.vm_map, time, bytes)) !== 0) return -EFAULT;
		const ns = timespec_read(bytes);
		if (ns === null) return -EINVAL;
		if (since === "now") end = sleep_until(k, ns);
		else end = since === "reset" ? ns : timespec_wall(k, bytes);
	}
	if (bitset === 0) return -EINVAL;
	if (va % 4 !== 0) return -EINVAL;
	const found = yield* fetch(k, p, va);
	if (found === null) return -EFAULT;
	// From here to the sleep nobody else runs, so no wake can be missed.
	if (found !== val) return -EAGAIN;
	const key = futex_key(p, va, isprivate);
	if (typeof key === "number") return -key;
	l.l_futex = { fw_obj: key.obj, fw_off: key.off, fw_bitset: bitset };
	k.futexq.push(l);
	for (;;) {
		const left = end - k.port.cycles;
		let error = left > 0 ? 0 : EWOULDBLOCK;
		if (error === 0) error = yield* tsleep(k, {}, "futex", Number.isFinite(left) ? left : 0);
		if (l.l_futex === null) return 0;
		if (error === 0) continue;
		futex_unqueue(k, l);
		if (error === EWOULDBLOCK) return -ETIMEDOUT;
		if (time !== 0 && since === "now") sleep_interrupted(k, end);
		return -error;
	}
}

/**
 * Wake up to `nwake` waiters, and let up to `nrequeue` others wait for the second futex.
 * => how many of both; EAGAIN: the word is not `expected`, if that is not null. Sleeps.
 */
function* futex_requeue(
	k: Kernel,
	p: proc,
	va: number,
	va2: number,
	isprivate: boolean,
	nwake: number,
	nrequeue: number,
	expected: number | null,
): Sleeps<number> {
	if (nwake < 0 || nrequeue < 0) return -EINVAL;
	const from = futex_key(p, va, isprivate);
	if (typeof from === "number") return -from;
	const to = futex_key(p, va2, isprivate);
	if (typeof to === "number") return -to;
	if (expected !== null) {
		const found = yield* fetch(k, p, va);
		if (found === null) return -EFAULT;
		if (found !== expected) return -EAGAIN;
	}
	const woken = nwake === 0 ? 0 : futex_wake(k, from, nwake, MATCH_ANY);
	const waiters = k.futexq.filter((l) => same(l.l_futex!, from)).slice(0, nrequeue);
	for (const l of waiters) {
		const { fw_bitset } = l.l_futex!;
		k.futexq.splice(k.futexq.indexOf(l), 1);
		l.l_futex = { fw_obj: to.obj, fw_off: to.off, fw_bitset };
		k.futexq.push(l);
	}
	return woken + waiters.length;
}

/** FUTEX_OP_ of the encoded operation. */
function new_value(op: number, old: number, arg: number): number | null {
	switch (op) {
		case 0:
			return arg;
		case 1:
			return (old + arg) | 0;
		case 2:
			return old | arg;
		case 3:
			return old & ~arg;
		case 4:
			return old ^ arg;
		default:
			return null;
	}
}

function compares(cmp: number, old: number, arg: number): boolean | null {
	return [old === arg, old !== arg, old < arg, old <= arg, old > arg, old >= arg][cmp] ?? null;
}

/**
 * Change the second word as `how` says, wake up to `n` waiters of the first, and up to `n2` of the
 * second if its old value compares. => how many; ENOSYS: `how` makes no sense. Sleeps.
 */
function* futex_wake_op(
	k: Kernel,
	p: proc,
	va: number,
	va2: number,
	isprivate: boolean,
	n: number,
	n2: number,
	how: number,
): Sleeps<number> {
	const first = futex_key(p, va, isprivate);
	if (typeof first === "number") return -first;
	const second = futex_key(p, va2, isprivate);
	if (typeof second === "number") return -second;
	let arg = (how << 8) >> 20;
	if (how < 0) arg = 1 << (arg & 31);
	const old = yield* fetch(k, p, va2);
	if (old === null) return -EFAULT;
	const value = new_value((how >>> 28) & 7, old, arg);
	const also = compares((how >>> 24) & 15, old, (how << 20) >> 20);
	if (value === null || also === null) return -ENOSYS;
	const bytes = new Uint8Array(Int32Array.of(value).buffer);
	if ((yield* copyout(k, p.p_vmspace!.vm_map, bytes, va2)) !== 0) return -EFAULT;
	const woken = futex_wake(k, first, n, MATCH_ANY);
	return also ? woken + futex_wake(k, second, n2, MATCH_ANY) : woken;
}
