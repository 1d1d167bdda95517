/** Sets of signals and siginfo as programs see them: sigset_t and siginfo_t of Linux riscv32. */
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import {
	type ksiginfo,
	SI_KERNEL,
	SI_USER,
	SIGCHLD,
	type sigset,
	sigset as sigset_of,
} from "../core/signal.ts";
import { copyin, copyout } from "./copy.ts";
import type { proc } from "./kern_proc.ts";

export const SIGSET_SIZE = 8;
export const SIGINFO_SIZE = 128;

/** => null: EFAULT. Sleeps. */
export function* copyin_sigset(k: Kernel, p: proc, va: number): Sleeps<sigset | null> {
	const words = new Int32Array(SIGSET_SIZE / 4);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, new Uint8Array(words.buffer));
	return error === 0 ? sigset_of(words[0]!, words[1]!) : null;
}

/** => an errno. Sleeps. */
export function* copyout_sigset(k: Kernel, p: proc, set: sigset, va: number): Sleeps<number> {
	const words = new Int32Array([set.lo, set.hi]);
	return yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(words.buffer), va);
}

/** Cycles of a clock tick: children's times are in hundredths of a second. */
const CYCLES_PER_CLOCK_TICK = 10_000_000;

/** siginfo_t: signal, errno, code, and then what depends on the two. */
export function siginfo_bytes(info: ksiginfo): Uint8Array {
	const words = new Int32Array(SIGINFO_SIZE / 4);
	const { ksi_signo, ksi_code } = info;
	words[0] = ksi_signo;
	words[2] = ksi_code;
	if (ksi_signo === SIGCHLD && ksi_code > SI_USER) {
		words[3] = info.ksi_pid;
		words[4] = info.ksi_uid;
		words[5] = info.ksi_status;
		words[6] = Math.floor(info.ksi_utime / CYCLES_PER_CLOCK_TICK);
		words[7] = Math.floor(info.ksi_stime / CYCLES_PER_CLOCK_TICK);
	} else if (ksi_code <= SI_USER || ksi_code === SI_KERNEL) {
		words[3] = info.ksi_pid;
		words[4] = info.ksi_uid;
		words[5] = info.ksi_value;
	} else {
		words[3] = info.ksi_addr;
	}
	return new Uint8Array(words.buffer);
}
