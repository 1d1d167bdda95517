/**
 * The end of a process (sys/kern/kern_exit.c), and of the system with its last one.
 */
import { KASSERT } from "../../pmap/panic.ts";
import { pmap_activate, pmap_kernel } from "../../pmap/pmap.ts";
import { vfs_shutdown } from "../fs/vfs.ts";
import type { Kernel } from "../kernel.ts";
import { uvmspace_free } from "../uvm/uvm_map.ts";
import { uvm_pause } from "../uvm/uvm_wait.ts";
import { fdfree } from "./kern_descrip.ts";
import { lwp_free } from "./kern_lwp.ts";
import type { proc, proc_exit } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";
import { shm_shutdown, shmexit } from "./sysv_shm.ts";

/**
 * End a process: its memory, its attachments, its thread. Sleeps.
 * => called by the process's own thread, which does not run again.
 */
export function* exit1(k: Kernel, p: proc, how: proc_exit): Sleeps<void> {
	KASSERT(p.p_exit === null, "exit1: process has ended already");
	p.p_exit = how;
	const vm = p.p_vmspace;
	if (vm !== null) {
		pmap_activate(k, pmap_kernel(k));
		yield* uvmspace_free(k, vm);
		p.p_vmspace = null;
	}
	yield* shmexit(k, p);
	if (p.p_fd !== null) yield* fdfree(k, p.p_fd);
	p.p_fd = null;
	if (k.procs.every((other) => other.p_exit !== null)) {
		yield* shm_shutdown(k);
		yield* vfs_shutdown(k);
		yield* cpu_reboot(k);
	}
	if (p.p_lwp !== null) lwp_free(k, p.p_lwp);
	p.p_lwp = null;
}

/** Power off, when the disks are done: "sifive_test" takes 0x5555 for success. Sleeps. */
function* cpu_reboot(k: Kernel): Sleeps<void> {
	while (k.uvmexp.paging > 0 || k.uvm.aio_done.length > 0) yield* uvm_pause(k, "reboot");
	k.halted = true;
	k.port.store(k.conf!.power, 4, 0x5555);
}

/** A signal that nobody handles. `addr` is the address of the access, or 0. */
export function killed(signal: number, pc: number, addr: number, reason = ""): proc_exit {
	return { code: 0, signal, pc, addr, reason };
}

export const exited = (code: number): proc_exit => ({
	code,
	signal: 0,
	pc: 0,
	addr: 0,
	reason: "",
});
