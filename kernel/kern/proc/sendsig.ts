/**
 * Entering and leaving signal handlers (sys/arch/riscv/riscv/sig_machdep.c), with the frame of
 * Linux on riscv32 (struct rt_sigframe): siginfo, then ucontext, whose machine context is pc, x1 to
 * x31, f0 to f31 (64 bits each) and fcsr.
 */
import { EFAULT, type Errno } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { fpu_save, fpu_set } from "../core/fpu.ts";
import { type lwp, lwp_pc, lwp_regs, lwp_setpc } from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import {
	type ksiginfo,
	SA_NODEFER,
	SA_ONSTACK,
	SA_RESETHAND,
	SIG_DFL,
	sigmask,
	sigminusset,
	sigplusset,
	sigset,
} from "../core/signal.ts";
import { copyin, copyout } from "./copy.ts";
import type { proc } from "./kern_proc.ts";
import { SIGS_CANTMASK } from "./kern_sig.ts";
import { SIGINFO_SIZE, siginfo_bytes } from "./sigabi.ts";
import { SIGCODE } from "./sigcode.ts";

const UC_STACK = SIGINFO_SIZE + 8;
const UC_SIGMASK = SIGINFO_SIZE + 20;
const UC_MCONTEXT = SIGINFO_SIZE + 160;
const UC_FPREGS = UC_MCONTEXT + 128;
const UC_FCSR = UC_FPREGS + 256;
/** The frame has room for the registers of Q; those of D are stored. */
const FRAME_SIZE = UC_FPREGS + 528;
const SS_DISABLE = 2;

/** Address of the frame: on the alternate stack, if there is one and it is not in use yet. */
function frame_address(p: proc, sp: number, flags: number): number {
	const { ss_sp, ss_size } = p.p_sigstk;
	const inside = sp > ss_sp && sp <= ss_sp + ss_size;
	const top = (flags & SA_ONSTACK) !== 0 && ss_size > 0 && !inside ? ss_sp + ss_size : sp;
	return Math.floor((top - FRAME_SIZE) / 16) * 16;
}

/**
 * Make a thread enter its handler for `info`.
 * => sleeps for page faults. EFAULT, with nothing changed: there is no room on its stack.
 */
export function* sendsig(k: Kernel, l: lwp, info: ksiginfo): Sleeps<Errno> {
	const p = l.l_proc!;
	const sig = info.ksi_signo;
	const action = p.p_sigacts[sig]!;
	const frame = frame_address(p, lwp_regs(k, l)[2]! >>> 0, action.sa_flags);
	if (frame < 0) return EFAULT;
	const bytes = new Uint8Array(FRAME_SIZE);
	const view = new DataView(bytes.buffer);
	bytes.set(siginfo_bytes(info));
	view.setUint32(UC_STACK, p.p_sigstk.ss_sp, true);
	view.setUint32(UC_STACK + 4, p.p_sigstk.ss_size === 0 ? SS_DISABLE : 0, true);
	view.setUint32(UC_STACK + 8, p.p_sigstk.ss_size, true);
	const { lo, hi } = p.p_sigoldmask ?? p.p_sigmask;
	view.setInt32(UC_SIGMASK, lo, true);
	view.setInt32(UC_SIGMASK + 4, hi, true);
	view.setUint32(UC_MCONTEXT, lwp_pc(k, l), true);
	const x = lwp_regs(k, l);
	for (let i = 1; i < 32; i++) view.setInt32(UC_MCONTEXT + i * 4, x[i]!, true);
	fpu_save(k, l);
	const { r_f, r_fcsr } = l.l_fpregs;
	for (let i = 0; i < r_f.length; i++) view.setInt32(UC_FPREGS + i * 4, r_f[i]!, true);
	view.setUint32(UC_FCSR, r_fcsr, true);
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, frame);
	if (error !== 0) return error;
	const now = lwp_regs(k, l);
	now[1] = SIGCODE;
	now[2] = frame;
	now[10] = sig;
	now[11] = frame;
	now[12] = frame + SIGINFO_SIZE;
	lwp_setpc(k, l, action.sa_handler);
	p.p_sigoldmask = null;
	p.p_sigmask = sigplusset(p.p_sigmask, action.sa_mask);
	if ((action.sa_flags & SA_NODEFER) === 0) p.p_sigmask = sigplusset(p.p_sigmask, sigmask(sig));
	if ((action.sa_flags & SA_RESETHAND) !== 0) {
		p.p_sigacts[sig] = { ...action, sa_handler: SIG_DFL };
	}
	return 0;
}

/** rt_sigreturn: restore the frame at the stack pointer. => sleeps. EFAULT: it is not there. */
export function* sigreturn(k: Kernel, l: lwp): Sleeps<Errno> {
	const p = l.l_proc!;
	const bytes = new Uint8Array(FRAME_SIZE);
	const frame = lwp_regs(k, l)[2]! >>> 0;
	const error = yield* copyin(k, p.p_vmspace!.vm_map, frame, bytes);
	if (error !== 0) return error;
	const view = new DataView(bytes.buffer);
	const mask = sigset(view.getInt32(UC_SIGMASK, true), view.getInt32(UC_SIGMASK + 4, true));
	p.p_sigmask = sigminusset(mask, SIGS_CANTMASK);
	const x = lwp_regs(k, l);
	for (let i = 1; i < 32; i++) x[i] = view.getInt32(UC_MCONTEXT + i * 4, true);
	lwp_setpc(k, l, view.getUint32(UC_MCONTEXT, true) & ~1);
	const f = new Int32Array(64);
	for (let i = 0; i < f.length; i++) f[i] = view.getInt32(UC_FPREGS + i * 4, true);
	fpu_set(k, l, f, view.getUint32(UC_FCSR, true));
	return 0;
}
