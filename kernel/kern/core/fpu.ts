/**
 * Floating-point state of threads (sys/arch/riscv/riscv/fpu.c). The unit is on from the first
 * instruction of a program. Its registers are saved only if they have changed since they were
 * loaded (FS is Dirty); a thread that has never changed them has nothing to load.
 */
import { FS_CLEAN, FS_DIRTY, FS_INITIAL } from "../../../machine/port.ts";
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "./kern_lwp.ts";

/** The floating-point registers of a thread; out of date while the hart has newer ones. */
export interface fpreg {
	/** f0 to f31, two words each, the low one first. */
	readonly r_f: Int32Array;
	r_fcsr: number;
	/** Set once a register may be nonzero. */
	r_used: boolean;
}

export const fpreg_new = (): fpreg => ({
	r_f: new Int32Array(64),
	r_fcsr: 0,
	r_used: false,
});

/** As a new one. */
export function fpreg_clear(fp: fpreg): void {
	if (fp.r_used) fp.r_f.fill(0);
	fp.r_fcsr = 0;
	fp.r_used = false;
}

/** Bring `l.l_fpregs` up to date. */
export function fpu_save(k: Kernel, l: lwp): void {
	const { port } = k;
	if (k.hartlwp !== l || port.fs !== FS_DIRTY) return;
	l.l_fpregs.r_f.set(port.f);
	l.l_fpregs.r_fcsr = port.fcsr;
	l.l_fpregs.r_used = true;
	port.fs = FS_CLEAN;
}

// DEVIATION: NetBSD leaves the unit off and loads the registers when it is first used (pcu(9));
// here that trap would cost more than the copy.
/** Load the registers of `l` into the hart. => those of the thread before were saved. */
export function fpu_load(k: Kernel, l: lwp): void {
	const { port } = k;
	const { r_f, r_fcsr, r_used } = l.l_fpregs;
	if (!r_used && port.fs === FS_INITIAL) return;
	port.f.set(r_f);
	port.fcsr = r_fcsr;
	port.fs = r_used ? FS_CLEAN : FS_INITIAL;
}

/** Copy the registers to a new thread (fork). */
export function fpu_copy(k: Kernel, from: lwp, to: lwp): void {
	fpu_save(k, from);
	const { r_f, r_fcsr, r_used } = from.l_fpregs;
	fpu_set(k, to, r_f, r_fcsr);
	to.l_fpregs.r_used = r_used;
}

/** Set the registers of a thread, wherever they are. Bits that fcsr does not have are dropped. */
export function fpu_set(k: Kernel, l: lwp, f: Int32Array, fcsr: number): void {
	l.l_fpregs.r_f.set(f);
	l.l_fpregs.r_fcsr = fcsr & 0xff;
	l.l_fpregs.r_used = true;
	if (k.hartlwp === l) fpu_load(k, l);
}

/** Zero the registers for a new program (exec). => those on the hart will not be saved. */
export function fpu_reset(l: lwp): void {
	l.l_fpregs.r_f.fill(0);
	l.l_fpregs.r_fcsr = 0;
	l.l_fpregs.r_used = false;
}
