/**
 * Read and write of memory objects by the kernel, in place of sys/uvm/uvm_bio.c: programs read and
 * write the pages that others have mapped.
 *
 * NetBSD maps windows of the object and copies through the MMU. Here pages are copied directly, one
 * at a time, so that none is busy while this waits for the next.
 */
import { EIO } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { PAGE_SIZE, trunc_page, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_loanbreak } from "./uvm_loanbreak.ts";
import { uvm_page_memerror } from "./uvm_memerror.ts";
import { PGO_SYNCIO, pagerops, type uvm_object } from "./uvm_object.ts";
import { PG_CLEAN, uvm_page_unbusy1, uvm_pageactivate, type vm_page } from "./uvm_page.ts";
import { uvm_wait_locked } from "./uvm_wait.ts";

/** Copying costs a cycle for each 8 bytes, as in copyin. */
const BYTES_PER_CYCLE = 8;

/**
 * Copy between `bytes` and the object, from byte `offset` on.
 *
 * => object unlocked; the caller has a reference. The range is inside the object. Sleeps.
 * => how many bytes were copied, or -errno if none were: EIO, ENOMEM. A page that memory cannot
 *    correct is given up (D54), and read again if it was clean.
 */
export function* ubc_uiomove(
	k: Kernel,
	uobj: uvm_object,
	offset: number,
	bytes: Uint8Array,
	write: boolean,
): Sleeps<number> {
	const { pgo_get } = pagerops(k, uobj);
	const pps: (vm_page | null)[] = [null];
	for (let done = 0; done < bytes.length; ) {
		const at = (offset + done) % PAGE_SIZE;
		const n = Math.min(PAGE_SIZE - at, bytes.length - done);
		const access = write ? VM_PROT_WRITE : VM_PROT_READ;
		pps[0] = null;
		simple_lock(k, uobj.vmobjlock);
		const page = trunc_page(offset + done);
		const error = yield* pgo_get(k, uobj, page, pps, 1, 0, access, PGO_SYNCIO);
		if (error !== 0) return done > 0 ? done : -error;
		let pg = pps[0] as vm_page | null;
		KASSERT(pg !== null, "ubc_uiomove: pgo_get succeeded without a page");
		if (write && pg.loan_count > 0) {
			simple_lock(k, uobj.vmobjlock);
			const copy = uvm_loanbreak(k, pg);
			if (copy === null) {
				uvm_page_unbusy1(k, pg);
				const short = yield* uvm_wait_locked(k, uobj.vmobjlock, "ubc_loan");
				simple_unlock(k, uobj.vmobjlock);
				if (short !== 0) return done > 0 ? done : -short;
				continue;
			}
			simple_unlock(k, uobj.vmobjlock);
			pg = copy;
		}
		let broken = false;
		if (write) {
			k.port.writeRam(pg.phys_addr + at, bytes.subarray(done, done + n));
			pg.flags &= ~PG_CLEAN;
		} else {
			broken = !k.port.readRam(pg.phys_addr + at, bytes, done, n);
		}
		k.port.charge(Math.ceil(n / BYTES_PER_CYCLE));
		simple_lock(k, uobj.vmobjlock);
		simple_lock(k, k.uvm.pageqlock);
		uvm_pageactivate(k, pg);
		uvm_page_unbusy1(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, uobj.vmobjlock);
		if (!broken) done += n;
		else if (!uvm_page_memerror(k, pg)) return done > 0 ? done : -EIO;
	}
	return bytes.length;
}
