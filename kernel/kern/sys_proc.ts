/** System calls about processes. */
import type { Kernel } from "../kernel.ts";
import { exit1, exited } from "./kern_exit.ts";
import type { proc } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_proc: sysent = {
	[SYS.exit]: (k, p, a) => sys_exit(k, p, a[0]! & 0xff),
	[SYS.exit_group]: (k, p, a) => sys_exit(k, p, a[0]! & 0xff),
	[SYS.getpid]: (_k, p) => p.p_pid,
};

function* sys_exit(k: Kernel, p: proc, code: number): Sleeps<number> {
	yield* exit1(k, p, exited(code));
	return 0;
}
