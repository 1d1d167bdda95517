/** The kernel in a trace: which thread runs, what each process waits for, and the page daemon. */

import type { lwp } from "../kernel/kern/core/kern_lwp.ts";
import type { kernel_trace } from "../kernel/kern/core/kern_trace.ts";
import { signame } from "../kernel/kern/core/signal.ts";
import { syscall_name } from "../kernel/kern/sys/sysnames.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { hex, TRACK_HART } from "./board-trace.ts";
import type { ChromeTrace } from "./chrome-trace.ts";

/** Numbers of tracks: kernel threads come before the disks, processes after them. */
const TRACK_THREADS = 10;
const TRACK_PROCESSES = 1000;

const ACCESS: Readonly<Record<number, string>> = { 1: "read", 2: "write", 4: "execute" };
const ERRNO_MAX = 4096;

const nameOf = ({ l_proc, l_name }: lwp): string =>
	l_proc === null ? l_name : `${l_proc.p_comm} (${l_proc.p_pid})`;

/** => reads only the time and the counters of `k`. */
export function kernelTrace(trace: ChromeTrace, k: Kernel): kernel_trace {
	const known = new Set<number>();
	trace.track(TRACK_HART, "hart");
	const now = (): number => k.port.cycles;
	/** The thread's own track. */
	const track = (l: lwp): number => {
		const tid = l.l_proc === null ? TRACK_THREADS + l.l_lid : TRACK_PROCESSES + l.l_proc.p_pid;
		if (!known.has(tid)) {
			known.add(tid);
			trace.track(tid, nameOf(l));
		}
		return tid;
	};
	const memory = (): void => {
		const { free, active, inactive, swpginuse } = k.uvmexp;
		trace.counter(now(), "pages", { free, active, inactive });
		trace.counter(now(), "swap slots in use", { pages: swpginuse });
	};
	return {
		oncpu(l) {
			const tid = track(l);
			trace.begin(TRACK_HART, now(), nameOf(l));
			if (l.l_proc === null) trace.begin(tid, now(), "runs");
		},
		offcpu(l) {
			if (l.l_proc === null) trace.end(track(l), now());
			trace.end(TRACK_HART, now());
			if (l.l_proc === null) memory();
		},
		syscall(l, number, args) {
			const name = syscall_name(number);
			trace.begin(track(l), now(), name, { args: [...args].map(hex).join(" ") });
		},
		sysret(l, value) {
			const failed = value < 0 && value > -ERRNO_MAX;
			trace.end(track(l), now(), failed ? { errno: -value } : { value: hex(value) });
		},
		fault(l, va, access) {
			trace.begin(track(l), now(), `fault: ${ACCESS[access] ?? access}`, { address: hex(va) });
		},
		faultdone(l, error, slept) {
			trace.end(track(l), now(), { error, slept: slept ? "yes" : "no" });
			if (slept) memory();
		},
		interrupt(source) {
			trace.instant(TRACK_HART, now(), `interrupt: ${source}`);
		},
		signal(l, sig) {
			trace.instant(track(l), now(), signame(sig));
		},
		exec(l) {
			trace.track(track(l), nameOf(l));
		},
	};
}
