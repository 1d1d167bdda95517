/**
 * pool(9), reduced to accounting for allocations that may fail. The host's memory does not run out,
 * so they fail at the pool's limit, or when a test makes them.
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
	KASSERT(pp.pr_nout > 0, "pool_put: no item is allocated");
	pp.pr_nout--;
}
