/**
 * The pools of the kernel, and the sizes of their items: what sizeof says of the C structures of
 * NetBSD 1.6 (2002) on a 32-bit machine (int, long and pointers 4 bytes; off_t 8, aligned to 8),
 * without options for debugging. What belongs to a machine (pmap, pcb) is added up from the members
 * that it would have here.
 */
import { type pool, pool_init } from "./subr_pool.ts";

/** Bytes of an item, by the name of its pool. */
export const POOL_SIZES = {
	/** uvm_anon.h, struct vm_anon: lock, references, page, slot. */
	anonpl: 16,
	/** uvm_amap.h, struct vm_amap: lock, 4 counts, 3 lists, 2 links; the lists are malloc's. */
	amappl: 40,
	/**
	 * uvm_map.h, struct vm_map_entry: 2 links, 2 addresses, object, offset (8), type, 2 protections,
	 * inheritance, wirings, aref (2), advice, flags; 4 words and 2 gaps of the tree (2003), and two
	 * runs of am_ppref.
	 */
	vmmpepl: 112,
	/** The same, for maps of the kernel. */
	vmmpekpl: 112,
	/**
	 * uvm_extern.h, struct vmspace: a vm_map of 196 (lock 36, header entry 112, 12 words) and 12
	 * words; and pmap.h, struct pmap: 8 words beside its page tables.
	 */
	vmsppl: 276,
	/** uvm_aobj.c, struct uvm_aobj: uvm_object (6 words), 5 words, 2 links. */
	aobjpl: 52,
	/** uvm_aobj.c, struct uao_swhash_elt: 2 links, tag (8), count, 16 slots, padding. */
	uaoeltpl: 88,
	/**
	 * pmap.h, struct pv_entry: link, pmap, address (i386 has its page table as well).
	 * DEVIATION: PvEntry has the links of NetBSD 5 (2008, 20 bytes) too, which make it quick to find
	 * on the host and change nothing that a program could see.
	 */
	pvpl: 12,
	/** proc.h, struct proc: 118 words with two callouts and the signal context (112). */
	procpl: 472,
	/** signalvar.h, struct sigacts: 64 actions of 24 bytes, 1 word. */
	sigapl: 1540,
	/**
	 * user.h, struct user: its pcb and trap frame (32 registers, pc, 33 floating point registers of
	 * 8 bytes, 8 words) and pstats (224).
	 * DEVIATION: there is no kernel stack: a thread in the kernel is a generator.
	 */
	lwppl: 652,
	/** file.h, struct file: 2 links, 4 ints, 3 counts, lock, offset (8), 3 pointers. */
	filepl: 56,
	/** filedesc.h, struct filedesc0: filedesc of 24, 20 files, 20 flags; and struct cwdinfo. */
	fdescpl: 136,
	/** pipe.h, struct pipe: 136, twice: once for each end. */
	pipepl: 272,
	/** Contents of pipes, by pages. */
	pipebuf: 4096,
	/** buf.h, struct buf: 28 words. */
	bufpl: 112,
	/** vnode.h, struct vnode: 38 words; its uvm_object is a part of it. */
	vnodepl: 152,
	/** tmpfs.h (2005, so from the members): struct tmpfs_node and struct tmpfs_dirent. */
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
	/** What a process needs: itself, its signal actions, its thread, its descriptors. */
	readonly ofproc: readonly pool[];
}

export function pools_init(): pools {
	const named = Object.fromEntries(
		Object.entries(POOL_SIZES).map(([name, size]) => [name, pool_init(name, size)]),
	) as Record<pool_name, pool>;
	const kmembuckets: pool[] = [];
	for (let shift = MINBUCKET; shift <= PAGEBUCKET; shift++) {
		kmembuckets.push(pool_init(`kmem${2 ** shift}`, 2 ** shift));
	}
	const { procpl, sigapl, lwppl, fdescpl } = named;
	return { ...named, kmembuckets, ofproc: [procpl, sigapl, lwppl, fdescpl] };
}

/** All of them, in a fixed order. */
export const pool_list = ({ kmembuckets, ofproc: _, ...named }: pools): pool[] => [
	...Object.values(named),
	...kmembuckets,
];
