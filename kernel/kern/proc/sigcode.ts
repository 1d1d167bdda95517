/**
 * The signal trampoline: a page that every process has above its stack, with the two instructions
 * to which a handler returns (NetBSD's sigcode and its e_sigobject).
 */
import { ENOMEM, type Errno } from "../../../sys/errno.ts";
import { panic } from "../../../sys/panic.ts";
import { PAGE_SIZE, USRSTACK, VM_PROT_EXECUTE, VM_PROT_READ } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { uao_create, uao_detach, uao_reference } from "../../uvm/uvm_aobj.ts";
import { UVM_FLAG_FIXED, UVM_INH_SHARE } from "../../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args } from "../../uvm/uvm_map.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import { pagerops } from "../../uvm/uvm_object.ts";
import { uvm_page_unbusy1, uvm_pageactivate, type vm_page } from "../../uvm/uvm_page.ts";
import { simple_lock, simple_unlock } from "../core/kern_lock.ts";
import type { Sleeps } from "../core/kern_synch.ts";

/** The page above the stack. */
export const SIGCODE = USRSTACK;

/** li a7, SYS_rt_sigreturn; ecall */
const sigcode = new Int32Array([0x08b0_0893, 0x0000_0073]);

/** Make the page, before the first process. => sleeps. */
export function* sigcode_init(k: Kernel): Sleeps<void> {
	const aobj = uao_create(k, PAGE_SIZE, 0);
	if (aobj === null) panic("sigcode: no memory at boot");
	const pps: (vm_page | null)[] = [null];
	simple_lock(k, aobj.vmobjlock);
	const error = yield* pagerops(k, aobj).pgo_get(k, aobj, 0, pps, 1, 0, VM_PROT_READ, 0);
	if (error !== 0) panic("sigcode: no memory at boot");
	const pg = pps[0]!;
	k.port.writeRam(pg.phys_addr, new Uint8Array(sigcode.buffer));
	k.port.fenceI();
	simple_lock(k, aobj.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	uvm_pageactivate(k, pg);
	uvm_page_unbusy1(k, pg);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, aobj.vmobjlock);
	k.sigobject = aobj;
}

/** The system halts. => sleeps. */
export function* sigcode_fini(k: Kernel): Sleeps<void> {
	if (k.sigobject !== null) yield* uao_detach(k, k.sigobject);
	k.sigobject = null;
}

/** Map the page into a new address space. => sleeps. 0 or ENOMEM. */
export function* sigcode_map(k: Kernel, map: vm_map): Sleeps<Errno> {
	const args = uvm_map_args(SIGCODE, PAGE_SIZE);
	args.uobj = k.sigobject;
	args.offset = 0;
	args.prot = args.maxprot = VM_PROT_READ | VM_PROT_EXECUTE;
	args.inherit = UVM_INH_SHARE;
	args.flags = UVM_FLAG_FIXED;
	uao_reference(k, k.sigobject!);
	const error = yield* uvm_map(k, map, args);
	if (error === 0) return 0;
	yield* uao_detach(k, k.sigobject!);
	return ENOMEM;
}
