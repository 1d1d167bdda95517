/** System calls: the memory of another process (Linux's process_vm_readv and process_vm_writev). */

import { EFAULT, EINVAL, EPERM, type Errno, ESRCH } from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { type uio, uvm_io } from "../../uvm/uvm_io.ts";
import { uvmspace_free } from "../../uvm/uvm_map.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import { uvmspace_addref } from "../../uvm/uvm_map_fork.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { pfind, type proc } from "../proc/kern_proc.ts";
import { candebug } from "../proc/kern_prot.ts";
import { copyin_iov, type iovec } from "./sys_generic.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_process_vm: sysent = {
	[SYS.process_vm_readv]: (k, p, a) => sys_process_vm(k, p, a, false),
	[SYS.process_vm_writev]: (k, p, a) => sys_process_vm(k, p, a, true),
};

/** Bytes on their way between two processes. */
const MAXIO = 64 * 1024;

/** => bytes, or -errno if there were none. */
function* sys_process_vm(k: Kernel, p: proc, a: Uint32Array, write: boolean): Sleeps<number> {
	const [pid, liov, liovcnt, riov, riovcnt, flags] = a as unknown as number[] as [
		number,
		number,
		number,
		number,
		number,
		number,
	];
	if (flags !== 0) return -EINVAL;
	const local = yield* copyin_iov(k, p, liov, liovcnt);
	if (typeof local === "number") return -local;
	if (total(local) === 0) return 0;
	const remote = yield* copyin_iov(k, p, riov, riovcnt);
	if (typeof remote === "number") return -remote;
	if (total(remote) === 0) return 0;
	const target = pfind(k, pid);
	if (target === undefined) return -ESRCH;
	if (!candebug(p, target)) return -EPERM;
	const vm = target.p_vmspace;
	if (vm === null) return -ESRCH;
	// The target may end meanwhile, and what is moved cannot be moved twice.
	p.p_lwp!.l_again = false;
	uvmspace_addref(vm);
	const [done, error] = yield* transfer(k, p, vm.vm_map, local, remote, write);
	yield* uvmspace_free(k, vm);
	return done > 0 ? done : -error;
}

const total = (iov: readonly iovec[]): number => iov.reduce((sum, [, size]) => sum + size, 0);

/** Move what both lists have room for. => bytes, and why it stopped. */
function* transfer(
	k: Kernel,
	p: proc,
	map: vm_map,
	local: readonly iovec[],
	remote: readonly iovec[],
	write: boolean,
): Sleeps<[number, Errno]> {
	const own = p.p_vmspace!.vm_map;
	let done = 0;
	let [i, used] = [0, 0];
	for (const [base, length] of remote) {
		for (let at = 0; at < length && i < local.length; ) {
			const [va, room] = local[i]!;
			const size = Math.min(length - at, room - used, MAXIO);
			const bytes = new Uint8Array(size);
			const ready = write ? yield* user_copy(k, own, va + used, bytes, false) : size;
			const uio: uio = {
				uio_offset: base + at,
				uio_resid: ready,
				uio_buf: bytes.subarray(0, ready),
				uio_write: write,
			};
			const error = yield* uvm_io(k, map, uio, 0);
			let n = ready - uio.uio_resid;
			if (!write) n = yield* user_copy(k, own, va + used, bytes.subarray(0, n), true);
			done += n;
			if (n < size) return [done, error !== 0 ? error : EFAULT];
			at += n;
			used += n;
			while (i < local.length && used === local[i]![1]) [i, used] = [i + 1, 0];
		}
	}
	return [done, 0];
}

/** Copy page by page. => bytes up to the first page that could not be copied. */
function* user_copy(
	k: Kernel,
	map: vm_map,
	va: number,
	bytes: Uint8Array,
	out: boolean,
): Sleeps<number> {
	for (let done = 0; done < bytes.length; ) {
		const n = Math.min(PAGE_SIZE - ((va + done) & PAGE_MASK), bytes.length - done);
		const part = bytes.subarray(done, done + n);
		const error = out
			? yield* copyout(k, map, part, va + done)
			: yield* copyin(k, map, va + done, part);
		if (error !== 0) return done;
		done += n;
	}
	return bytes.length;
}
