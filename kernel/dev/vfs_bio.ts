/**
 * The end of a transfer (sys/kern/vfs_bio.c): biodone, biowait.
 */
import type { Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { buf } from "./buf.ts";

/** End a transfer whose b_error the driver has set. => interrupt context, never sleeps. */
export function biodone(k: Kernel, bp: buf): void {
	KASSERT(!bp.b_done, "biodone: transfer is already done");
	bp.b_done = true;
	if (bp.b_iodone === "wakeup") {
		wakeup(k, bp);
	} else {
		k.uvm.aio_done.push(bp);
		wakeup(k, k.uvm.aiodoned_wchan);
	}
}

/** Sleep until the transfer is done. => its error. */
export function* biowait(k: Kernel, bp: buf): Sleeps<Errno> {
	while (!bp.b_done) yield* ltsleep(k, bp, "biowait", 0, null);
	return bp.b_error;
}
