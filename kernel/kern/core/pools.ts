/**
 * The pools of the kernel, and the sizes of their items: those of the C structures of NetBSD of
 * 2000 to 2002 on a 32-bit machine (int, long and pointers 4 bytes; off_t 8, aligned to 8). Each
 * size is added up from the structure's members, as the comment beside it says.
 */
import { type pool, pool_init } from "./subr_pool.ts";

/** Bytes of an item, by the name of its pool. */
export const POOL_SIZES = {
	/** uvm_anon.h, struct vm_anon: lock, references, page, slot. */
	anonpl: 16,
	/** uvm_amap.h, struct vm_amap: lock, 5 counts, 4 arrays; the arrays are malloc's. */
	amappl: 40,
	/**
	 * uvm_map.h, struct vm_map_entry: 2 links, 2 addresses, object, offset (8), type, 2 protections,
	 * inheritance, wirings, aref (2), advice, flags.
	 */
	vmmpepl: 72,
	/** The same, for maps of the kernel. */
	vmmpekpl: 72,
	/**
	 * uvm_extern.h, struct vmspace: a vm_map of 168 (lock 48, header entry 72, 12 words) and 11
	 * words; and pmap.h, struct pmap: 8 words beside its page tables.
	 */
	vmsppl: 244,
	/** uvm_aobj.c, struct uvm_aobj: uvm_object (6 words), 5 words. */
	aobjpl: 44,
	/** uvm_aobj.c, struct uao_swhash_elt: 2 links, tag, count, 16 slots. */
	uaoeltpl: 80,
	/** pmap.h, struct pv_entry: link, pmap, address. */
	pvpl: 12,
	/** proc.h, struct proc: about 100 words with two callouts and the signal context. */
	procpl: 400,
	/** signalvar.h, struct sigacts: 64 actions of 24 bytes, 3 words. */
	sigapl: 1548,
	/**
	 * user.h, struct user: its pcb and trap frame (32 registers, pc, 33 floating point registers of
	 * 8 bytes, 8 words) and pstats (2 rusage of 72 bytes, 3 timers of 16).
	 * DEVIATION: there is no kernel stack: a thread in the kernel is a generator.
	 */
	lwppl: 620,
	/** file.h, struct file: 2 links, 4 ints, 3 counts, lock, offset (8), 3 pointers. */
	filepl: 56,
	/** filedesc.h, struct filedesc0: filedesc of 24, 20 files, 20 flags; and struct cwdinfo. */
	fdescpl: 136,
	/** pipe.h, struct pipe: about 25 words, twice: once for each end. */
	pipepl: 200,
	/** Contents of pipes, by pages. */
	pipebuf: 4096,
	/** buf.h, struct buf: 28 words. */
	bufpl: 112,
	/** vnode.h, struct vnode: 42 words with its uvm_vnode. */
	vnodepl: 168,
	/** tmpfs.h (2005, the first to have them): struct tmpfs_node and struct tmpfs_dirent. */
	tmpfsnode: 124,
	tmpfsdirent: 20,
} as const;

export type pool_name = keyof typeof POOL_SIZES;

/** malloc(9)'s buckets: powers of two from 16 bytes to a page; larger sizes take whole pages. */
export const MINBUCKET = 4;
export const PAGEBUCKET = 12;

export interface pools extends Readonly<Record<pool_name, pool>> {
	/** By logarithm of the size, less MINBUCKET. */
	readonly kmembuckets: readonly pool[];
}

export function pools_init(): pools {
	const named = Object.fromEntries(
		Object.entries(POOL_SIZES).map(([name, size]) => [name, pool_init(name, size)]),
	) as Record<pool_name, pool>;
	const kmembuckets: pool[] = [];
	for (let shift = MINBUCKET; shift <= PAGEBUCKET; shift++) {
		kmembuckets.push(pool_init(`kmem${2 ** shift}`, 2 ** shift));
	}
	return { ...named, kmembuckets };
}

/** All of them, in a fixed order. */
export const pool_list = ({ kmembuckets, ...named }: pools): pool[] => [
	...Object.values(named),
	...kmembuckets,
];
