/**
 * pool(9) (sys/kern/subr_pool.c, 2000-2002): kernel memory for items of one size.
 *
 * An item is a JavaScript object, which the caller makes; the pool takes the pages of memory that
 * a C kernel would keep it in.
 * DEVIATION: an item lies in no particular page. Items count as if they filled the pages from the
 * first one on, because a JavaScript object has no address; so a pool has as many idle pages as the
 * free items fill, and fragments never keep one from being returned.
 */
import { KASSERT, panic } from "../../../sys/panic.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import type { vm_page } from "../../uvm/uvm_page.ts";

export interface pool {
	readonly pr_wchan: string;
	/** Bytes of an item, and how many lie in a page. */
	readonly pr_size: number;
	readonly pr_itemsperpage: number;
	/** Its pages: without owner, on no queue. */
	readonly pr_pages: vm_page[];
	/** Pages that pool_reclaim leaves, and the most items handed out at a time. */
	pr_minpages: number;
	pr_hardlimit: number;
	/** Items handed out, and items in pr_pages that are free. */
	pr_nout: number;
	pr_nitems: number;
	/** Requests, those refused, pages taken and returned, and the most pages there were. */
	pr_nget: number;
	pr_nfail: number;
	pr_npagealloc: number;
	pr_npagefree: number;
	pr_hiwat: number;
}

/** A page begins with a header if items are small (pool_init: size < PAGE_SIZE / 16). */
const PAGE_HEADER = 40;

/** A pool without pages, of items of `size` bytes, at most a page. */
export function pool_init(wchan: string, size: number): pool {
	KASSERT(size > 0 && size <= PAGE_SIZE, "pool_init: size of an item");
	const header = size < PAGE_SIZE / 16 ? PAGE_HEADER : 0;
	return {
		pr_wchan: wchan,
		pr_size: size,
		pr_itemsperpage: Math.floor((PAGE_SIZE - header) / size),
		pr_pages: [],
		pr_minpages: 0,
		pr_hardlimit: Number.POSITIVE_INFINITY,
		pr_nout: 0,
		pr_nitems: 0,
		pr_nget: 0,
		pr_nfail: 0,
		pr_npagealloc: 0,
		pr_npagefree: 0,
		pr_hiwat: 0,
	};
}

/**
 * An item (pool_get with PR_NOWAIT). Callers that may sleep prime the pool first (pool_prime_wait).
 * => never sleeps; false at the hard limit, if memory is short, or if the allocation was chosen to
 *    fail.
 */
export function pool_get(k: Kernel, pp: pool): boolean {
	if (k.failinject?.(pp.pr_wchan)) {
		pp.pr_nfail++;
		return false;
	}
	return pool_getitem(k, pp);
}

/** pool_get that no test makes fail. */
export function pool_getitem(k: Kernel, pp: pool): boolean {
	if ((pp.pr_nitems === 0 && !pool_grow(k, pp, 1)) || pp.pr_nout >= pp.pr_hardlimit) {
		pp.pr_nfail++;
		return false;
	}
	pp.pr_nget++;
	pp.pr_nitems--;
	pp.pr_nout++;
	return true;
}

/** `n` items, or none. => as pool_get. */
export function pool_getn(k: Kernel, pp: pool, n: number): boolean {
	if (
		k.failinject?.(pp.pr_wchan) ||
		pp.pr_nout + n > pp.pr_hardlimit ||
		(pp.pr_nitems < n && !pool_grow(k, pp, n))
	) {
		pp.pr_nfail++;
		return false;
	}
	pp.pr_nget += n;
	pp.pr_nitems -= n;
	pp.pr_nout += n;
	return true;
}

/** An item that pool_prime has provided since the caller slept last, or at boot. */
export function pool_take(k: Kernel, pp: pool): void {
	if (!pool_getitem(k, pp)) panic("pool_take: no item was provided");
}

/** Return `n` items. => never sleeps, never frees a page: the page daemon asks for those. */
export function pool_put(pp: pool, n = 1): void {
	KASSERT(pp.pr_nout >= n, "pool_put: no item is allocated");
	pp.pr_nout -= n;
	pp.pr_nitems += n;
}

/** Have `n` items free. => never sleeps; false as pool_get. */
export function pool_prime(k: Kernel, pp: pool, n: number): boolean {
	const refused = k.failinject?.(pp.pr_wchan) === true || pp.pr_nout + n > pp.pr_hardlimit;
	if (!refused && (pp.pr_nitems >= n || pool_grow(k, pp, n))) return true;
	pp.pr_nfail++;
	return false;
}

/** Keep the pages of `n` items whoever asks. => the pages are made by pool_prime. */
export function pool_setlowat(pp: pool, n: number): void {
	pp.pr_minpages = Math.ceil(n / pp.pr_itemsperpage);
}

/** A page that another pool has idle (pool_allocator_alloc, 2002). => null: there is none. */
function steal(k: Kernel, pp: pool): vm_page | null {
	for (const other of k.pool_head) {
		if (other !== pp && pool_reclaim(k, other) > 0) return k.pool_page_alloc();
	}
	return null;
}

/** Take pages until `n` items are free. => false if memory is short. */
function pool_grow(k: Kernel, pp: pool, n: number): boolean {
	while (pp.pr_nitems < n) {
		const pg = k.pool_page_alloc() ?? steal(k, pp);
		if (pg === null) return false;
		pp.pr_pages.push(pg);
		pp.pr_npagealloc++;
		pp.pr_nitems += pp.pr_itemsperpage;
		if (pp.pr_pages.length > pp.pr_hiwat) pp.pr_hiwat = pp.pr_pages.length;
	}
	return true;
}

/** Pages that pool_reclaim would return. */
export function pool_idle(pp: pool): number {
	const idle = Math.floor(pp.pr_nitems / pp.pr_itemsperpage);
	return Math.max(Math.min(idle, pp.pr_pages.length - pp.pr_minpages), 0);
}

/** Return the idle pages. => how many. Never sleeps. */
export function pool_reclaim(k: Kernel, pp: pool): number {
	const n = pool_idle(pp);
	for (let i = 0; i < n; i++) {
		k.pool_page_free(pp.pr_pages.pop()!);
		pp.pr_npagefree++;
		pp.pr_nitems -= pp.pr_itemsperpage;
	}
	return n;
}

/**
 * The page daemon asks for idle pages. => how many were returned. Never sleeps.
 * DEVIATION: NetBSD asks one pool at a time, in turn. Here memory is so small that a process might
 * be refused memory before its pool's turn comes.
 */
export function pool_drain(k: Kernel): number {
	let n = 0;
	for (const pp of k.pool_head) n += pool_reclaim(k, pp);
	return n;
}

/** Whether the page daemon would get a page from pool_drain. */
export function pool_drainable(k: Kernel): boolean {
	for (const pp of k.pool_head) if (pool_idle(pp) > 0) return true;
	return false;
}
