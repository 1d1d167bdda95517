/**
 * uvmctl, uvmachine's own system call: the counters of the VM system, the swap devices, the
 * processes and the pools of kernel memory, for programs such as vmstat and ps. docs/uvmctl.md
 * describes it for those who use it.
 *
 *   a0 what, a1 buffer, a2 size
 *   => with buffer 0: how many bytes the answer has now; otherwise how many were written, which
 *      are as many whole records as fit. EINVAL, EFAULT.
 *
 * UVMCTL_SETVM changes a tunable: the buffer has its name, "=" and the number. => 0; EPERM: not
 * root; EINVAL: not of that form, no such tunable, or a number that it cannot have.
 *
 * Everything is little-endian:
 *   UVMCTL_UVMEXP   u32 count; count times u64, in the order of `COUNTERS`
 *   UVMCTL_SWAP     48 bytes each: char path[32]; i32 priority; u32 pages, in use, bad
 *   UVMCTL_PROC     56 bytes each: i32 pid, ppid, pgid; u32 state; u32 resident, virtual (pages);
 *                   u32 minflt, majflt; u64 user time (ns); char name[16]
 *   UVMCTL_POOL     64 bytes each: char name[16]; u32 size, in use, pages, most pages, idle pages,
 *                   items in a page; u64 requests, refused; u32 pages taken, returned
 */

import { pmap_resident_count } from "../../../pmap/pmap.ts";
import { EINVAL, EPERM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import type { uvmexp } from "../../uvm/uvm_extern.ts";
import { sysctl_vm } from "../../uvm/uvm_meter.ts";
import { LSSLEEP, type Sleeps } from "../core/kern_synch.ts";
import { pool_idle } from "../core/subr_pool.ts";
import { copyin, copyout } from "../proc/copy.ts";
import type { proc } from "../proc/kern_proc.ts";
import { suser } from "../proc/kern_prot.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const UVMCTL_UVMEXP = 0;
export const UVMCTL_SWAP = 1;
export const UVMCTL_PROC = 2;
export const UVMCTL_SETVM = 16;
export const UVMCTL_POOL = 3;

const SWAP_RECORD = 48;
const SWAP_PATH = 32;
const PROC_RECORD = 56;
const PROC_NAME = 16;
const POOL_RECORD = 64;
const POOL_NAME = 16;

/** The counters of UVMCTL_UVMEXP. Programs index them by position, so add new ones at the end. */
export const COUNTERS: readonly (keyof uvmexp)[] = [
	"npages",
	"free",
	"active",
	"inactive",
	"paging",
	"wired",
	"reserve_pagedaemon",
	"reserve_kernel",
	"freemin",
	"freetarg",
	"inactarg",
	"wiredmax",
	"nswapdev",
	"swpages",
	"swpgavail",
	"swpginuse",
	"swpgonly",
	"swpgbad",
	"faults",
	"traps",
	"intrs",
	"swtch",
	"syscalls",
	"pageins",
	"pgswapin",
	"pgswapout",
	"pga_zeromiss",
	"nanon",
	"fltnoram",
	"fltnoanon",
	"fltpgwait",
	"fltrelck",
	"fltnamap",
	"fltnomap",
	"fltamcopy",
	"fltlget",
	"fltget",
	"flt_anon",
	"flt_acow",
	"flt_obj",
	"flt_prcopy",
	"flt_przero",
	"pdwoke",
	"pdrevs",
	"pdscans",
	"pdanscan",
	"pdobscan",
	"pdreact",
	"pdbusy",
	"pdfreed",
	"pdpageouts",
	"pdpending",
	"pddeact",
	"fltcownow",
	"pdswout",
	"anonpages",
	"filepages",
	"execpages",
	"anonminpct",
	"fileminpct",
	"execminpct",
	"anonmaxpct",
	"filemaxpct",
	"execmaxpct",
	"pdreanon",
	"pdrefile",
	"pdreexec",
	"loanpages",
	"loans",
	"loanbreaks",
	"zeropages",
	"pga_zerohit",
	"zeroaborts",
	"poolpages",
];

export const sysent_uvmctl: sysent = {
	[SYS.uvmctl]: (k, p, a) => sys_uvmctl(k, p, a[0]!, a[1]!, a[2]!),
};

function* sys_uvmctl(k: Kernel, p: proc, what: number, va: number, size: number): Sleeps<number> {
	if (what === UVMCTL_SETVM) return yield* set_tunable(k, p, va, size);
	const table = uvmctl_table(k, what, va === 0 ? Number.POSITIVE_INFINITY : size);
	if (table === null) return -EINVAL;
	if (va === 0) return table.length;
	const error = yield* copyout(k, p.p_vmspace!.vm_map, table, va);
	return error === 0 ? table.length : -error;
}

/** The longest text that is looked at: a name and a number. */
const TUNABLE_MAX = 64;

function* set_tunable(k: Kernel, p: proc, va: number, size: number): Sleeps<number> {
	if (!suser(p)) return -EPERM;
	if (size > TUNABLE_MAX) return -EINVAL;
	const text = new Uint8Array(size);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, text);
	if (error !== 0) return -error;
	const [, name, value] = /^([a-z.]+)=(\d+)$/.exec(new TextDecoder().decode(text)) ?? [];
	if (name === undefined) return -EINVAL;
	return sysctl_vm(k, name, Number(value)) === 0 ? 0 : -EINVAL;
}

/** => null: no such table. */
function uvmctl_table(k: Kernel, what: number, size: number): Uint8Array | null {
	const room = (record: number): number => Math.floor(size / record);
	switch (what) {
		case UVMCTL_UVMEXP:
			return counters(k, Math.max(0, Math.floor((size - 4) / 8)));
		case UVMCTL_SWAP:
			return swap_devices(k, room(SWAP_RECORD));
		case UVMCTL_PROC:
			return processes(k, room(PROC_RECORD));
		case UVMCTL_POOL:
			return pools(k, room(POOL_RECORD));
		default:
			return null;
	}
}

function counters(k: Kernel, fit: number): Uint8Array {
	const names = COUNTERS.slice(0, fit);
	const view = new DataView(new ArrayBuffer(4 + 8 * names.length));
	view.setUint32(0, names.length, true);
	for (const [i, name] of names.entries()) put_u64(view, 4 + 8 * i, k.uvmexp[name]);
	return new Uint8Array(view.buffer);
}

function put_u64(view: DataView, at: number, value: number): void {
	view.setUint32(at, value, true);
	view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** At most `size` bytes, the last of which is 0. */
function put_string(view: DataView, at: number, size: number, text: string): void {
	const bytes = new TextEncoder().encode(text).subarray(0, size - 1);
	new Uint8Array(view.buffer, at, size).set(bytes);
}

function swap_devices(k: Kernel, fit: number): Uint8Array {
	const list = k.uvm.swap_list.slice(0, fit);
	const view = new DataView(new ArrayBuffer(SWAP_RECORD * list.length));
	for (const [i, sdp] of list.entries()) {
		const at = SWAP_RECORD * i;
		put_string(view, at, SWAP_PATH, sdp.swd_path);
		// As swapon takes it: the higher one is used first.
		view.setInt32(at + 32, -sdp.swd_priority, true);
		view.setUint32(at + 36, sdp.swd_npages, true);
		view.setUint32(at + 40, sdp.swd_npginuse, true);
		view.setUint32(at + 44, sdp.swd_npgbad, true);
	}
	return new Uint8Array(view.buffer);
}

/** R: runnable; S: sleeping; D: sleeping, without signals; T: stopped; Z: exited. */
function state(p: proc): string {
	const l = p.p_lwp;
	if (p.p_exit !== null || l === null) return "Z";
	if (p.p_stopsig !== 0) return "T";
	if (l.l_stat !== LSSLEEP) return "R";
	return l.l_sinterruptible ? "S" : "D";
}

function processes(k: Kernel, fit: number): Uint8Array {
	const list = k.procs.slice(0, fit);
	const view = new DataView(new ArrayBuffer(PROC_RECORD * list.length));
	for (const [i, p] of list.entries()) {
		const at = PROC_RECORD * i;
		const vm = p.p_vmspace;
		const l = p.p_lwp;
		view.setInt32(at, p.p_pid, true);
		view.setInt32(at + 4, p.p_pptr?.p_pid ?? 0, true);
		view.setInt32(at + 8, p.p_pgid, true);
		view.setUint32(at + 12, state(p).charCodeAt(0), true);
		view.setUint32(at + 16, vm === null ? 0 : pmap_resident_count(k, vm.vm_map.pmap), true);
		view.setUint32(at + 20, vm === null ? 0 : vm.vm_map.size / PAGE_SIZE, true);
		view.setUint32(at + 24, l?.l_minflt ?? p.p_ru.ru_minflt, true);
		view.setUint32(at + 28, l?.l_majflt ?? p.p_ru.ru_majflt, true);
		put_u64(view, at + 32, l?.l_utime ?? p.p_ru.ru_utime);
		put_string(view, at + 40, PROC_NAME, p.p_comm);
	}
	return new Uint8Array(view.buffer);
}

function pools(k: Kernel, fit: number): Uint8Array {
	const list = k.pool_head.slice(0, fit);
	const view = new DataView(new ArrayBuffer(POOL_RECORD * list.length));
	for (const [i, pp] of list.entries()) {
		const at = POOL_RECORD * i;
		put_string(view, at, POOL_NAME, pp.pr_wchan);
		view.setUint32(at + 16, pp.pr_size, true);
		view.setUint32(at + 20, pp.pr_nout, true);
		view.setUint32(at + 24, pp.pr_pages.length, true);
		view.setUint32(at + 28, pp.pr_hiwat, true);
		view.setUint32(at + 32, pool_idle(pp), true);
		view.setUint32(at + 36, pp.pr_itemsperpage, true);
		put_u64(view, at + 40, pp.pr_nget);
		put_u64(view, at + 48, pp.pr_nfail);
		view.setUint32(at + 56, pp.pr_npagealloc, true);
		view.setUint32(at + 60, pp.pr_npagefree, true);
	}
	return new Uint8Array(view.buffer);
}
