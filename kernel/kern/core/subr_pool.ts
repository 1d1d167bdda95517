/**
 * pool(9), as far as its callers can tell: an allocation without PR_WAITOK may fail. Memory of the
 * host never runs out, so a pool has a limit, and tests can make any allocation fail.
 */
import { KASSERT } from "../../../sys/panic.ts";
import type { Kernel } from "../../kernel.ts";

export interface pool {
	readonly pr_wchan: string;
	/** Items handed out, the most there may be, and how often a request was refused. */
	pr_nout: number;
	pr_hardlimit: number;
	pr_nfail: number;
}

export const pool_init = (wchan: string): pool => ({
	pr_wchan: wchan,
	pr_nout: 0,
	pr_hardlimit: Number.POSITIVE_INFINITY,
	pr_nfail: 0,
});

/**
 * Account for one item. The caller makes the object itself.
 * => never sleeps; false if the pool is at its limit or the allocation was chosen to fail.
 */
export function pool_get(k: Kernel, pp: pool): boolean {
	if (pp.pr_nout >= pp.pr_hardlimit || k.failinject?.(pp.pr_wchan)) {
		pp.pr_nfail++;
		return false;
	}
	pp.pr_nout++;
	return true;
}

export function pool_put(pp: pool): void {
	KASSERT(pp.pr_nout > 0, "pool_put: nothing is out");
	pp.pr_nout--;
}
