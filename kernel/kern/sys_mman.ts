/**
 * mmap, munmap, mprotect, brk (sys/uvm/uvm_mmap.c, uvm_unix.c), with Linux's flag values.
 */
import { EBADF, EFAULT, EINVAL, ENOMEM } from "../../pmap/errno.ts";
import {
	MAXSSIZ,
	PAGE_MASK,
	round_page,
	USRSTACK,
	VM_DEFAULT_ADDRESS,
	VM_MAXUSER_ADDRESS,
	VM_MIN_ADDRESS,
	VM_PROT_ALL,
} from "../../pmap/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import {
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_OVERLAY,
	UVM_INH_COPY,
	UVM_INH_SHARE,
} from "../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_map_protect, uvm_unmap } from "../uvm/uvm_map.ts";
import type { proc } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_TYPE = 0x0f;
const MAP_FIXED = 0x10;
const MAP_ANON = 0x20;

export const sysent_mman: sysent = {
	[SYS.brk]: (k, p, a) => sys_brk(k, p, a[0]!),
	[SYS.munmap]: (k, p, a) => sys_munmap(k, p, a[0]!, a[1]!),
	[SYS.mmap2]: (k, p, a) => sys_mmap2(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.mprotect]: (k, p, a) => sys_mprotect(k, p, a[0]!, a[1]!, a[2]!),
};

/** Whether [addr, addr + len) is page aligned, not empty, and in user space. */
const range_ok = (addr: number, len: number): boolean =>
	(addr & PAGE_MASK) === 0 && len > 0 && addr + round_page(len) <= VM_MAXUSER_ADDRESS;

/** Anonymous memory; there are no files to map yet. => the address, or -errno. */
function* sys_mmap2(
	k: Kernel,
	p: proc,
	addr: number,
	len: number,
	prot: number,
	flags: number,
): Sleeps<number> {
	const type = flags & MAP_TYPE;
	if (len === 0 || (type !== MAP_SHARED && type !== MAP_PRIVATE)) return -EINVAL;
	if ((flags & MAP_ANON) === 0) return -EBADF;
	const map = p.p_vmspace!.vm_map;
	const fixed = (flags & MAP_FIXED) !== 0;
	if (len > VM_MAXUSER_ADDRESS) return -ENOMEM;
	if (fixed) {
		if (!range_ok(addr, len) || addr < VM_MIN_ADDRESS) return -EINVAL;
		const error = yield* uvm_unmap(k, map, addr, addr + round_page(len));
		if (error !== 0) return -error;
	}
	const hint = addr === 0 ? VM_DEFAULT_ADDRESS : addr - (addr & PAGE_MASK);
	const args = uvm_map_args(fixed ? addr : hint, round_page(len));
	args.prot = prot & VM_PROT_ALL;
	if (type === MAP_SHARED) {
		args.flags = UVM_FLAG_OVERLAY;
		args.inherit = UVM_INH_SHARE;
	} else {
		args.flags = UVM_FLAG_COPYONW;
		args.inherit = UVM_INH_COPY;
	}
	if (fixed) args.flags |= UVM_FLAG_FIXED;
	let error = yield* uvm_map(k, map, args);
	if (error === ENOMEM && !fixed && args.start > VM_DEFAULT_ADDRESS) {
		// No room above the hint: anywhere will do.
		args.start = VM_DEFAULT_ADDRESS;
		error = yield* uvm_map(k, map, args);
	}
	return error === 0 ? args.start : -error;
}

function* sys_munmap(k: Kernel, p: proc, addr: number, len: number): Sleeps<number> {
	if (!range_ok(addr, len)) return -EINVAL;
	return -(yield* uvm_unmap(k, p.p_vmspace!.vm_map, addr, addr + round_page(len)));
}

function* sys_mprotect(
	k: Kernel,
	p: proc,
	addr: number,
	len: number,
	prot: number,
): Sleeps<number> {
	if (len === 0) return 0;
	if (!range_ok(addr, len)) return -EINVAL;
	const end = addr + round_page(len);
	const error = yield* uvm_map_protect(k, p.p_vmspace!.vm_map, addr, end, prot & VM_PROT_ALL);
	// Linux says ENOMEM for a range with a hole in it, where NetBSD says EFAULT.
	return error === 0 ? 0 : error === EFAULT ? -ENOMEM : -error;
}

/** Move the end of the heap. => the new end, or the old one if that is not possible. */
function* sys_brk(k: Kernel, p: proc, addr: number): Sleeps<number> {
	const vm = p.p_vmspace!;
	const old = round_page(vm.vm_break);
	const end = round_page(addr);
	if (addr < vm.vm_daddr || end > USRSTACK - MAXSSIZ) return vm.vm_break;
	if (end > old) {
		const args = uvm_map_args(old, end - old);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		if ((yield* uvm_map(k, vm.vm_map, args)) !== 0) return vm.vm_break;
	} else if (end < old) {
		if ((yield* uvm_unmap(k, vm.vm_map, end, old)) !== 0) return vm.vm_break;
	}
	vm.vm_break = addr;
	return addr;
}
