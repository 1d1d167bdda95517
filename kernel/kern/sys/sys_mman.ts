/**
 * The address space of a process (sys/uvm/uvm_mmap.c, uvm_unix.c): mmap, munmap, mprotect, brk,
 * msync, madvise, mincore, wiring. With Linux's flag values and errors.
 */
import {
	EAGAIN,
	EBADF,
	EBUSY,
	EEXIST,
	EFAULT,
	EINVAL,
	ENOMEM,
	ENOTSUP,
	EPERM,
	type Errno,
} from "../../../sys/errno.ts";
import {
	atop,
	MAXSSIZ,
	PAGE_MASK,
	PAGE_SIZE,
	round_page,
	USRSTACK,
	VM_DEFAULT_ADDRESS,
	VM_MAXUSER_ADDRESS,
	VM_MIN_ADDRESS,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_NONE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import {
	UVM_ADV_NORMAL,
	UVM_ADV_RANDOM,
	UVM_ADV_SEQUENTIAL,
	UVM_ET_ONFAULT,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_OVERLAY,
	UVM_INH_COPY,
	UVM_INH_NONE,
	UVM_INH_SHARE,
	UVM_INH_ZERO,
} from "../../uvm/uvm_extern.ts";
import {
	type uvm_map_args as map_args,
	uvm_map,
	uvm_map_args,
	uvm_unmap,
} from "../../uvm/uvm_map.ts";
import {
	uvm_map_advice,
	uvm_map_clean,
	uvm_map_dontneed,
	uvm_map_inherit,
	uvm_map_mincore,
	uvm_map_pages,
	uvm_map_remove,
	uvm_map_willneed,
} from "../../uvm/uvm_map_advice.ts";
import {
	entry_contains,
	uvm_map_findspace,
	uvm_map_lookup_entry,
	uvm_map_wired_size,
	VM_MAP_ONFAULT,
	VM_MAP_WIREFUTURE,
	type vm_map,
} from "../../uvm/uvm_map_entry.ts";
import { uvm_map_protect } from "../../uvm/uvm_map_protect.ts";
import {
	range_entries,
	uvm_map_pageable_all,
	uvm_map_unwire,
	uvm_map_wire,
} from "../../uvm/uvm_map_wire.ts";
import { uvm_mremap } from "../../uvm/uvm_mremap.ts";
import {
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_FREE,
	PGO_SYNCIO,
	pagerops,
} from "../../uvm/uvm_object.ts";
import { uvm_pageout_pages } from "../../uvm/uvm_pdaemon.ts";
import { uvn_markexec } from "../../uvm/uvm_vnode.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from "../core/rlimit.ts";
import { copyout } from "../proc/copy.ts";
import { fd_getfile } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { vn_mmap, vn_punch } from "./vfs_vnops.ts";

export const sysent_mman: sysent = {
	[SYS.brk]: (k, p, a) => sys_brk(k, p, a[0]!),
	[SYS.munmap]: (k, p, a) => sys_munmap(k, p, a[0]!, a[1]!),
	[SYS.mmap2]: (k, p, a) => sys_mmap2(k, p, a),
	[SYS.mremap]: (k, p, a) => sys_mremap(k, p, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!),
	[SYS.mprotect]: (k, p, a) => sys_mprotect(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.msync]: (k, p, a) => sys_msync(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.mlock]: (k, p, a) => sys_mlock(k, p, a[0]!, a[1]!, 0),
	[SYS.mlock2]: (k, p, a) => sys_mlock(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.munlock]: (k, p, a) => sys_munlock(k, p, a[0]!, a[1]!),
	[SYS.mlockall]: (k, p, a) => sys_mlockall(k, p, a[0]!),
	[SYS.munlockall]: (k, p) => sys_munlockall(k, p),
	[SYS.mincore]: (k, p, a) => sys_mincore(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.madvise]: (k, p, a) => sys_madvise(k, p, a[0]!, a[1]!, a[2]!),
};

const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_SHARED_VALIDATE = 0x03;
const MAP_TYPE = 0x0f;
const MAP_FIXED = 0x10;
const MAP_ANON = 0x20;
const MAP_LOCKED = 0x2000;
const MAP_FIXED_NOREPLACE = 0x10_0000;
/** What MAP_SHARED_VALIDATE accepts: LEGACY_MAP_MASK of Linux. MAP_SYNC needs persistent memory. */
const MAP_KNOWN = 0x7c07_f933;

/** Whether [addr, addr + len) is page aligned, not empty, and in user space. */
const range_ok = (addr: number, len: number): boolean =>
	(addr & PAGE_MASK) === 0 && len > 0 && addr + round_page(len) <= VM_MAXUSER_ADDRESS;

/** The protection for `prot`: write implies read, as Sv32 has no write-only pages. */
const protection = (prot: number): number =>
	(prot & VM_PROT_WRITE) !== 0 ? (prot & VM_PROT_ALL) | VM_PROT_READ : prot & VM_PROT_ALL;

/** Linux says ENOMEM for a range with a hole in it, where NetBSD says EFAULT. */
const hole_is_enomem = (error: Errno): number => (error === EFAULT ? -ENOMEM : -error);

/** May the process have `more` bytes of address space? */
export const as_allowed = (p: proc, more: number): boolean =>
	p.p_vmspace!.vm_map.size + more <= p.p_rlimit[RLIMIT_AS]!.rlim_cur;

/** Are `more` wired bytes beyond the limit of the process? */
const lock_limited = (p: proc, more: number): boolean =>
	uvm_map_wired_size(p.p_vmspace!.vm_map) + more > p.p_rlimit[RLIMIT_MEMLOCK]!.rlim_cur;

/**
 * May `more` bytes be wired: by the process, and, if that is not left to faults, by the system as a
 * whole?
 */
function lock_allowed(k: Kernel, p: proc, more: number, onfault: boolean): boolean {
	if (lock_limited(p, more)) return false;
	return onfault || k.uvmexp.wired + atop(more) <= k.uvmexp.wiredmax;
}

/** Is nothing mapped in a range? */
const range_free = (map: vm_map, addr: number, size: number): boolean =>
	uvm_map_findspace(map, addr, size, { start: 0 }, true) !== null;

/** mmap2: the offset counts pages. => the address, or -errno. */
function* sys_mmap2(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const [addr, len, prot, flags, fd, pgoff] = a as unknown as number[] as [
		number,
		number,
		number,
		number,
		number,
		number,
	];
	const type = flags & MAP_TYPE;
	const shared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
	// As in Linux, a wrong descriptor is found before anything else.
	if ((flags & MAP_ANON) === 0 && fd_getfile(p, fd) === null) return -EBADF;
	if (len === 0 || (!shared && type !== MAP_PRIVATE)) return -EINVAL;
	if (type === MAP_SHARED_VALIDATE) {
		// As in Linux, only for files.
		if ((flags & MAP_ANON) !== 0) return -EINVAL;
		if ((flags & ~(MAP_KNOWN | MAP_TYPE)) !== 0) return -ENOTSUP;
	}
	if (len > VM_MAXUSER_ADDRESS) return -ENOMEM;
	const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
	if (fixed && (!range_ok(addr, len) || addr < VM_MIN_ADDRESS)) return -EINVAL;
	const size = round_page(len);
	if (!as_allowed(p, size)) return -ENOMEM;
	const { vm_map: map } = p.p_vmspace!;
	const wire = (map.flags & VM_MAP_WIREFUTURE) !== 0 || (flags & MAP_LOCKED) !== 0;
	const onfault = (map.flags & VM_MAP_ONFAULT) !== 0;
	if (wire && !lock_allowed(k, p, size, onfault)) return lock_limited(p, size) ? -EAGAIN : -ENOMEM;
	const hint = addr === 0 ? VM_DEFAULT_ADDRESS : addr - (addr & PAGE_MASK);
	const args = uvm_map_args(fixed ? addr : hint, size);
	args.prot = protection(prot);
	args.inherit = shared ? UVM_INH_SHARE : UVM_INH_COPY;
	args.flags = (fixed ? UVM_FLAG_FIXED : 0) | (shared ? 0 : UVM_FLAG_COPYONW);
	if ((flags & MAP_ANON) !== 0) {
		if (shared) args.flags |= UVM_FLAG_OVERLAY;
	} else {
		const found = yield* vn_mmap(k, p, fd, args.prot, shared);
		if (typeof found === "number") return -found;
		args.uobj = found.uobj;
		// /dev/zero is anonymous memory.
		if (found.uobj === null && shared) args.flags |= UVM_FLAG_OVERLAY;
		args.maxprot = found.maxprot;
		if (found.uobj !== null) {
			args.offset = pgoff * PAGE_SIZE;
			if ((args.prot & VM_PROT_EXECUTE) !== 0) uvn_markexec(k, found.uobj);
		}
	}
	const error = yield* map_args_enter(k, map, args, (flags & MAP_FIXED_NOREPLACE) !== 0);
	if (error !== 0) {
		if (args.uobj !== null) yield* pagerops(k, args.uobj).pgo_detach(k, args.uobj);
		const taken = (flags & MAP_FIXED_NOREPLACE) !== 0 && !range_free(map, addr, size);
		return taken ? -EEXIST : -error;
	}
	if (wire && args.prot !== VM_PROT_NONE) {
		const failed = yield* uvm_map_wire(k, map, args.start, args.start + size, onfault);
		if (failed !== 0) {
			yield* uvm_unmap(k, map, args.start, args.start + size);
			return -ENOMEM;
		}
	}
	return args.start;
}

/** Enter a mapping; at a fixed address it replaces what is there, unless `keep`. => sleeps. */
function* map_args_enter(k: Kernel, map: vm_map, args: map_args, keep: boolean): Sleeps<Errno> {
	const fixed = (args.flags & UVM_FLAG_FIXED) !== 0;
	if (fixed && !keep) {
		const error = yield* uvm_unmap(k, map, args.start, args.start + args.size);
		if (error !== 0) return error;
	}
	const error = yield* uvm_map(k, map, args);
	if (error !== ENOMEM || fixed || args.start <= VM_DEFAULT_ADDRESS) return error;
	// No room above the hint: anywhere will do.
	args.start = VM_DEFAULT_ADDRESS;
	return yield* uvm_map(k, map, args);
}

function* sys_munmap(k: Kernel, p: proc, addr: number, len: number): Sleeps<number> {
	if (!range_ok(addr, len)) return -EINVAL;
	return -(yield* uvm_unmap(k, p.p_vmspace!.vm_map, addr, addr + round_page(len)));
}

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;
const MREMAP_FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

function* sys_mremap(
	k: Kernel,
	p: proc,
	addr: number,
	oldlen: number,
	newlen: number,
	flags: number,
	newaddr: number,
): Sleeps<number> {
	const fixed = (flags & MREMAP_FIXED) !== 0;
	const keep = (flags & MREMAP_DONTUNMAP) !== 0;
	if ((flags & ~MREMAP_FLAGS) !== 0 || (keep && oldlen !== newlen)) return -EINVAL;
	if ((fixed || keep) && (flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
	// An old size of 0 asks for a second mapping of shared memory.
	if (!range_ok(addr, Math.max(oldlen, 1)) || newlen === 0 || newlen > VM_MAXUSER_ADDRESS) {
		return -EINVAL;
	}
	if (fixed && (!range_ok(newaddr, newlen) || newaddr < VM_MIN_ADDRESS)) return -EINVAL;
	const [oldsize, newsize] = [round_page(oldlen), round_page(newlen)];
	if (!as_allowed(p, keep ? newsize : newsize - oldsize)) return -ENOMEM;
	const { vm_map: map } = p.p_vmspace!;
	const { wired_count, etype } = uvm_map_lookup_entry(map, addr);
	const onfault = (etype & UVM_ET_ONFAULT) !== 0;
	const more = wired_count > 0 && oldsize > 0 ? newsize - oldsize : 0;
	if (more > 0 && !lock_allowed(k, p, more, onfault)) return -EAGAIN;
	const how = flags & (MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	return yield* uvm_mremap(k, map, addr, oldsize, newsize, how, fixed ? newaddr : null);
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
	const { vm_map: map } = p.p_vmspace!;
	const limit = p.p_rlimit[RLIMIT_MEMLOCK]!.rlim_cur;
	return hole_is_enomem(yield* uvm_map_protect(k, map, addr, end, protection(prot), limit));
}

/** Move the end of the heap. => the new end, or the old one if that is not possible. */
function* sys_brk(k: Kernel, p: proc, addr: number): Sleeps<number> {
	const vm = p.p_vmspace!;
	const { vm_map: map } = vm;
	const old = round_page(vm.vm_break);
	const end = round_page(addr);
	if (addr < vm.vm_daddr || end > USRSTACK - MAXSSIZ) return vm.vm_break;
	if (end > old) {
		if (!as_allowed(p, end - old)) return vm.vm_break;
		if (end - vm.vm_daddr > p.p_rlimit[RLIMIT_DATA]!.rlim_cur) return vm.vm_break;
		const wire = (map.flags & VM_MAP_WIREFUTURE) !== 0;
		const onfault = (map.flags & VM_MAP_ONFAULT) !== 0;
		if (wire && !lock_allowed(k, p, end - old, onfault)) return vm.vm_break;
		const args = uvm_map_args(old, end - old);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		if ((yield* uvm_map(k, map, args)) !== 0) return vm.vm_break;
		if (wire && (yield* uvm_map_wire(k, map, old, end, onfault)) !== 0) {
			yield* uvm_unmap(k, map, old, end);
			return vm.vm_break;
		}
	} else if (end < old) {
		if ((yield* uvm_unmap(k, map, end, old)) !== 0) return vm.vm_break;
	}
	vm.vm_break = addr;
	return addr;
}

const MS_ASYNC = 1;
const MS_INVALIDATE = 2;
const MS_SYNC = 4;

function* sys_msync(k: Kernel, p: proc, addr: number, len: number, flags: number): Sleeps<number> {
	if ((addr & PAGE_MASK) !== 0 || (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0) {
		return -EINVAL;
	}
	if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -EINVAL;
	if (len === 0) return 0;
	if (!range_ok(addr, len)) return -ENOMEM;
	const how = PGO_CLEANIT | ((flags & MS_SYNC) !== 0 ? PGO_SYNCIO : 0);
	const { vm_map: map } = p.p_vmspace!;
	// With one page cache nothing can be out of date, so MS_INVALIDATE only asks for locked pages.
	if ((flags & MS_INVALIDATE) !== 0 && range_wired(map, addr, addr + round_page(len)))
		return -EBUSY;
	return hole_is_enomem(yield* uvm_map_clean(k, map, addr, addr + round_page(len), how));
}

/** Is a part of a range wired? Linux, too, goes on behind a hole. */
function range_wired(map: vm_map, start: number, end: number): boolean {
	let e = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, e, start)) e = e.next;
	for (; e !== map.header && e.start < end; e = e.next) if (e.wired_count > 0) return true;
	return false;
}

/** The pages that [addr, addr + len) touches, or null if it is not in user space. */
function touched(addr: number, len: number): { start: number; end: number } | null {
	const start = addr - (addr & PAGE_MASK);
	const end = round_page(addr + len);
	return end <= VM_MAXUSER_ADDRESS ? { start, end } : null;
}

const MLOCK_ONFAULT = 1;

/** => EPERM: not allowed to wire at all; ENOMEM: beyond a limit, a hole, or no memory. */
function* sys_mlock(k: Kernel, p: proc, addr: number, len: number, flags: number): Sleeps<number> {
	if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
	const onfault = (flags & MLOCK_ONFAULT) !== 0;
	const range = touched(addr, len);
	if (range === null) return -ENOMEM;
	const { start, end } = range;
	if (end === start) return 0;
	if (p.p_rlimit[RLIMIT_MEMLOCK]!.rlim_cur === 0) return -EPERM;
	if (!lock_allowed(k, p, end - start, onfault)) return -ENOMEM;
	const error = yield* uvm_map_wire(k, p.p_vmspace!.vm_map, start, end, onfault);
	return error === 0 ? 0 : -ENOMEM;
}

function* sys_munlock(k: Kernel, p: proc, addr: number, len: number): Sleeps<number> {
	const range = touched(addr, len);
	if (range === null) return -ENOMEM;
	if (range.end === range.start) return 0;
	return hole_is_enomem(yield* uvm_map_unwire(k, p.p_vmspace!.vm_map, range.start, range.end));
}

function* sys_mlockall(k: Kernel, p: proc, flags: number): Sleeps<number> {
	const limit = p.p_rlimit[RLIMIT_MEMLOCK]!.rlim_cur;
	if (flags === 0) return -EINVAL;
	if (limit === 0) return -EPERM;
	const error = yield* uvm_map_pageable_all(k, p.p_vmspace!.vm_map, flags, limit);
	return error === 0 || error === EINVAL ? -error : -ENOMEM;
}

function* sys_munlockall(k: Kernel, p: proc): Sleeps<number> {
	return -(yield* uvm_map_pageable_all(k, p.p_vmspace!.vm_map, 0, 0));
}

function* sys_mincore(k: Kernel, p: proc, addr: number, len: number, vec: number): Sleeps<number> {
	if ((addr & PAGE_MASK) !== 0) return -EINVAL;
	if (len === 0) return 0;
	if (!range_ok(addr, len)) return -ENOMEM;
	const { vm_map: map } = p.p_vmspace!;
	const found = yield* uvm_map_mincore(k, map, addr, addr + round_page(len));
	if (found === null) return -ENOMEM;
	return -(yield* copyout(k, map, found, vec));
}

const MADV_NORMAL = 0;
const MADV_RANDOM = 1;
const MADV_SEQUENTIAL = 2;
const MADV_WILLNEED = 3;
const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MADV_REMOVE = 9;
const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;
const MADV_WIPEONFORK = 18;
const MADV_KEEPONFORK = 19;
const MADV_COLD = 20;
const MADV_PAGEOUT = 21;

const ADVICE = new Map([
	[MADV_NORMAL, UVM_ADV_NORMAL],
	[MADV_RANDOM, UVM_ADV_RANDOM],
	[MADV_SEQUENTIAL, UVM_ADV_SEQUENTIAL],
] as const);

function* sys_madvise(
	k: Kernel,
	p: proc,
	addr: number,
	len: number,
	behav: number,
): Sleeps<number> {
	if ((addr & PAGE_MASK) !== 0) return -EINVAL;
	if (len === 0) return 0;
	if (!range_ok(addr, len)) return -EINVAL;
	const error = yield* madvise(k, p.p_vmspace!.vm_map, addr, addr + round_page(len), behav);
	return hole_is_enomem(error);
}

function* madvise(
	k: Kernel,
	map: vm_map,
	start: number,
	end: number,
	behav: number,
): Sleeps<Errno> {
	switch (behav) {
		case MADV_NORMAL:
		case MADV_RANDOM:
		case MADV_SEQUENTIAL:
			return yield* uvm_map_advice(k, map, start, end, ADVICE.get(behav)!);
		case MADV_WILLNEED:
			return yield* uvm_map_willneed(k, map, start, end);
		case MADV_DONTNEED: {
			const error = yield* uvm_map_dontneed(k, map, start, end);
			// What is shared stays, but this process does not need it.
			if (error === 0) yield* uvm_map_clean(k, map, start, end, PGO_DEACTIVATE);
			return error;
		}
		case MADV_COLD:
			// What NetBSD calls MADV_DONTNEED.
			if (range_wired(map, start, end)) return EINVAL;
			return yield* uvm_map_clean(k, map, start, end, PGO_DEACTIVATE);
		case MADV_FREE: {
			const error = yield* uvm_map_clean(k, map, start, end, PGO_FREE);
			return error === 0 || error === EFAULT ? error : EINVAL;
		}
		case MADV_REMOVE:
			return yield* uvm_map_remove(k, map, start, end, vn_punch);
		case MADV_DONTFORK:
			return yield* uvm_map_inherit(k, map, start, end, UVM_INH_NONE);
		case MADV_DOFORK:
			return yield* uvm_map_inherit(k, map, start, end, "default");
		case MADV_WIPEONFORK:
			return yield* uvm_map_inherit(k, map, start, end, UVM_INH_ZERO);
		case MADV_KEEPONFORK:
			return yield* uvm_map_inherit(k, map, start, end, "keep");
		case MADV_PAGEOUT: {
			// What is not wired goes, also beside a hole.
			const wired = range_wired(map, start, end);
			const hole = range_entries(map, start, end) === null;
			yield* uvm_pageout_pages(k, uvm_map_pages(k, map, start, end));
			if (wired) return EINVAL;
			return hole ? EFAULT : 0;
		}
		default:
			return EINVAL;
	}
}
