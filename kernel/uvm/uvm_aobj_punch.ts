/**
 * A hole in an anonymous object: fallocate with PUNCH_HOLE, madvise with MADV_REMOVE. In its own
 * file because it writes through uvm_bio.ts. DEVIATION (D6): NetBSD (fdiscard) does it for disks
 * only.
 */
import type { Errno } from "../../sys/errno.ts";
import { PAGE_SIZE, ptoa, round_page, trunc_page } from "../../sys/vmparam.ts";
import { simple_lock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uao_put } from "./uvm_aobj.ts";
import type { uvm_aobj } from "./uvm_aobj_slots.ts";
import { ubc_uiomove } from "./uvm_bio.ts";
import { PGO_DISCARD, PGO_FREE } from "./uvm_object.ts";
import { uvm_pagelookup } from "./uvm_page.ts";

/**
 * Make the bytes [start, end) of an object zeros; uao_put frees the pages that are inside. What is
 * behind the object's end does not matter.
 *
 * => unlocked; the caller has a reference. Sleeps.
 * => wired and lent pages stay, and are zeroed. 0; EIO or ENOMEM: a page could not be zeroed.
 */
export function* uao_punch(k: Kernel, aobj: uvm_aobj, start: number, end: number): Sleeps<Errno> {
	const stop = Math.min(end, ptoa(aobj.u_pages));
	const [first, last] = [round_page(start), trunc_page(stop)];
	simple_lock(k, aobj.vmobjlock);
	yield* uao_put(k, aobj, first, last, PGO_FREE | PGO_DISCARD);
	for (let at = start; at < stop; at = trunc_page(at) + PAGE_SIZE) {
		const whole = at >= first && at < last;
		if (whole && uvm_pagelookup(k, aobj, at) === null) continue;
		const zeros = new Uint8Array(Math.min(trunc_page(at) + PAGE_SIZE, stop) - at);
		const n = yield* ubc_uiomove(k, aobj, at, zeros, true);
		if (n < 0) return -n;
	}
	return 0;
}
