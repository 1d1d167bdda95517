/**
 * malloc(9) (sys/kern/kern_malloc.c, 2000): kernel memory of any size, in buckets of powers of two.
 * As with pools the caller makes the objects; only the memory is taken.
 */
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { MINBUCKET, PAGEBUCKET } from "./pools.ts";
import { type pool, pool_getn, pool_put } from "./subr_pool.ts";

function bucket(k: Kernel, size: number): pool {
	let shift = MINBUCKET;
	while (1 << shift < size && shift < PAGEBUCKET) shift++;
	return k.pools.kmembuckets[shift - MINBUCKET]!;
}

const items = (size: number): number => Math.max(Math.ceil(size / PAGE_SIZE), 1);

/** Memory for `count` objects of `size` bytes, or none (M_NOWAIT). => never sleeps. */
export const malloc = (k: Kernel, size: number, count = 1): boolean =>
	count * size === 0 || pool_getn(k, bucket(k, size), items(size) * count);

/** => `size` as it was given to malloc. Never sleeps. */
export function free(k: Kernel, size: number, count = 1): void {
	if (count * size > 0) pool_put(bucket(k, size), items(size) * count);
}
