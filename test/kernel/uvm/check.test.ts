/** The invariant checker: silent about a healthy system, and it names what is broken. */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import { pool_take } from "../../../kernel/kern/core/subr_pool.ts";
import { AMAP_SHARED, amap_lookup, type vm_amap } from "../../../kernel/uvm/uvm_amap.ts";
import {
	amap_chunk,
	amap_chunk_insert,
	type vm_amap_chunk,
} from "../../../kernel/uvm/uvm_amap_chunks.ts";
import {
	UAO_FLAG_NOSWAP,
	uao_set_swslot,
	type uvm_aobj,
} from "../../../kernel/uvm/uvm_aobj_slots.ts";
import { uvm_check, uvm_check_freeclean, uvm_check_panic } from "../../../kernel/uvm/uvm_check.ts";
import { UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map_lookup_entry, type vm_map_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import {
	memq_insert_tail,
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_MARKER,
	PG_PAGEOUT,
	PG_RELEASED,
	PG_TABLED,
	PG_WANTED,
	PG_ZERO,
	PQ_ACTIVE,
	PQ_ANON,
	PQ_AOBJ,
	PQ_INACTIVE,
	uvm_pagealloc,
	uvm_pagefree,
	uvm_pageidlezero,
	vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_pagermapin } from "../../../kernel/uvm/uvm_pagermap.ts";
import { uvm_swap_alloc, uvm_swap_free } from "../../../kernel/uvm/uvm_swap.ts";
import { pmap_enter, pmap_remove } from "../../../pmap/pmap.ts";
import { pmap_pte_index } from "../../../pmap/pmap_ptp.ts";
import { PTE_D, PTE_W } from "../../../pmap/pte.ts";
import { PAGE_SIZE, VM_PROT_READ } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, cowClone } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest, fill, pageout, residentPage, slotOf } from "../../support/paging.ts";
import { boot } from "../../support/workload.ts";

let t: TestKernel;
let space: AddressSpace;
let child: AddressSpace;
let small: uvm_aobj;
let large: uvm_aobj;

/** Where the objects are mapped. */
const SMALL = BASE + 0x10_0000;
const LARGE = BASE + 0x20_0000;

const page = (va: number, i: number): number => va + i * PAGE_SIZE;
const check = (): string[] => uvm_check(t.k, t.machine.hart.tlb.list());
const entry = (va = BASE, where = space): vm_map_entry => uvm_map_lookup_entry(where.map, va);
const amap = (): vm_amap => entry().amap!;
const chunk = (): vm_amap_chunk => amap_chunk(amap().am_chunks, 0)!;
const emptyChunk = (): vm_amap_chunk => ({
	ac_nused: 0,
	ac_anon: Array(16).fill(null),
	ac_bckptr: Array(16).fill(0),
});
/** Two runs, with these references, the second one from `at` on. */
const runs = (first: number, second: number, at: number): void =>
	void (amap().am_ppref = [
		{ at: 0, ref: first },
		{ at, ref: second },
	]);
const anon = (i: number) => amap_lookup(amap(), i)!;
/** Of the tree of entries. */
const leaf = (): vm_map_entry => space.map.rbhead!.rb_left!;
function swapChildren(): void {
	const root = space.map.rbhead!;
	[root.rb_left, root.rb_right] = [root.rb_right, root.rb_left];
}
const smallPage = (): vm_page => residentPage(t, small, 0)!;
const pteIndex = (va: number): number => pmap_pte_index(t.k, space.map.pmap, va);
const setPte = (va: number, change: (pte: number) => number): void =>
	t.k.port.storeWord(pteIndex(va), change(t.k.port.ram32[pteIndex(va)]!));

/** Private memory and two objects, each with pages in memory, in swap, and in both. */
beforeEach(() => {
	t = new TestKernel();
	space = new AddressSpace(t);
	small = t.aobj(8);
	large = t.aobj(200);
	space.object(SMALL, 8, small);
	space.object(LARGE, 200, large);
	space.anon(BASE, 8);
	for (const uobj of [small, large]) t.run(fill(t, uobj, Array(8).keys()));
	for (let i = 0; i < 8; i++) t.run(space.store(page(BASE, i), i + 1));
	pageout(t);
	for (let i = 0; i < 4; i++) {
		for (const va of [BASE, SMALL, LARGE]) t.run(space.load(page(va, i)));
	}
	t.run(space.store(SMALL, 99));
	t.run(space.store(BASE, 98));
	child = cowClone(space, BASE, 8);
	t.run(child.load(BASE));
	checkAtRest(t);
});

describe("uvm_check", () => {
	it("finds nothing wrong with a healthy system, at rest or not", () => {
		expect(check()).toEqual([]);
		const thread = t.spawn(child.load(page(BASE, 7)));
		expect(check()).toEqual([]);
		t.settle();
		expect(thread.result).toBe(8);
		checkAtRest(t);
	});

	it("finds nothing wrong with a system that has run a program", () => {
		const { system, report } = boot("sort", [1], { check: true });
		expect(report.exit.kind).toBe("exited");
		expect(uvm_check(system.kernel)).toEqual([]);
	});

	it("uvm_check_panic says the first thing that is wrong", () => {
		const tlb = t.machine.hart.tlb.list();
		uvm_check_panic(t.k, tlb);
		t.k.uvmexp.swpgonly++;
		expect(() => uvm_check_panic(t.k, tlb)).toThrow("invariant 6");
	});

	it("leaves alone what is in transit while a thread is inside UVM", () => {
		smallPage().flags |= PG_BUSY | PG_WANTED;
		expect(check()).not.toEqual([]);
		t.spawn(child.load(BASE));
		expect(check()).toEqual([]);
	});
});

const freePage = () => t.k.uvm.page_free.last ?? t.k.uvm.page_zeros.last!;

function dirtyZeros(): void {
	uvm_pageidlezero(t.k, 512);
	t.bytes(t.k.uvm.page_zeros.last!)[PAGE_SIZE - 1] = 1;
}

/** Number of the invariant, what is broken, and how. */
const breakages: [number, string, () => void][] = [
	[1, "a counter", () => void t.k.uvmexp.free++],
	[1, "another counter", () => void t.k.uvmexp.wired++],
	[1, "a page on two queues", () => void (smallPage().pqflags |= PQ_ACTIVE | PQ_INACTIVE)],
	[1, "a wired page on a queue", () => void smallPage().wire_count++],
	[1, "a queue with a page missing", () => void (t.k.uvm.page_active.first!.pageq_next = null)],
	[1, "the length of a queue", () => void t.k.uvm.page_free.count++],
	...[PG_BUSY, PG_WANTED, PG_RELEASED, PG_PAGEOUT, PG_FAKE].map(
		(flag): [number, string, () => void] => [
			2,
			`flag ${flag} at rest`,
			() => void (smallPage().flags |= flag),
		],
	),
	[2, "the emergency window in use", () => void (t.k.uvm.emerginuse = true)],
	[2, "a place holder in memq", () => memq_insert_tail(small, marker())],
	[2, "a simple lock held", () => simple_lock(t.k, small.vmobjlock)],
	[2, "a mapping in pager_map", () => leakPagerMap()],
	[3, "a free page with an owner", () => void (freePage().uobject = small)],
	[3, "a free page that is wired", () => void freePage().wire_count++],
	[3, "a page of zeros that is not", () => dirtyZeros()],
	[3, "a page of zeros that is not free", () => void (smallPage().flags |= PG_ZERO)],
	[1, "the number of pages of zeros", () => void t.k.uvmexp.zeropages++],
	[3, "a free page that is mapped", () => enterFree()],
	[4, "uo_npages", () => void small.uo_npages++],
	[4, "an object's page without TABLED", () => void (smallPage().flags &= ~PG_TABLED)],
	[4, "an object's page without PQ_AOBJ", () => void (smallPage().pqflags &= ~PQ_AOBJ)],
	[4, "an anon's page without PQ_ANON", () => void (anon(0).an_page!.pqflags &= ~PQ_ANON)],
	[4, "an anon that has another page", () => void (anon(0).an_page = anon(1).an_page)],
	[4, "two owners", () => void (smallPage().uanon = anon(0))],
	[4, "an offset inside a page", () => void (smallPage().offset += 512)],
	[4, "an offset behind the object", () => void (smallPage().offset = 8 * PAGE_SIZE)],
	[4, "a page that the hash does not know", () => void t.k.uvm.page_hash.fill(null)],
	[5, "two owners of one slot", () => void (anon(5).an_swslot = anon(6).an_swslot)],
	[5, "a slot recorded but free", () => uvm_swap_free(t.k, slotOf(t, small, 7), 1)],
	[5, "a slot that nobody records", () => void uvm_swap_alloc(t.k, 1, false)],
	[5, "a slot of no device", () => void (anon(5).an_swslot = 100_000)],
	[5, "a slot without a copy", () => withoutCopy()],
	[5, "swpginuse", () => void t.k.uvmexp.swpginuse--],
	[5, "swpages", () => void t.k.uvmexp.swpages++],
	[5, "a negative swpgonly", () => void (t.k.uvmexp.swpgonly = -1)],
	[5, "more bad slots than slots in use", () => void (t.k.uvm.swap_list[0]!.swd_npgbad = 999)],
	[6, "swpgonly", () => void t.k.uvmexp.swpgonly--],
	[7, "a clean page of an object without a slot", () => cleanWithoutSlot()],
	[7, "a clean page of an anon without a slot", () => cleanAnonWithoutSlot()],
	[8, "an_ref", () => void anon(0).an_ref++],
	[8, "an anon with nothing", () => void (anon(5).an_swslot = 0)],
	[8, "nanon", () => void t.k.uvmexp.nanon++],
	[9, "the count of a hash element", () => void bucket(0).count++],
	[9, "the count of hash elements", () => void large.u_swhashcnt++],
	[9, "an element in a wrong bucket", () => large.u_swhash!.reverse()],
	[9, "two elements with one tag", () => void (bucket(0).list = { ...bucket(0) })],
	[9, "slots of an object that is never swapped", () => void (small.u_flags |= UAO_FLAG_NOSWAP)],
	[10, "ac_bckptr", () => void (chunk().ac_bckptr[2] = 3)],
	[10, "ac_nused", () => void chunk().ac_nused--],
	[10, "an empty chunk", () => amap_chunk_insert(amap().am_chunks, 7, emptyChunk())],
	[10, "a slot that am_slots does not name", () => void amap().am_slots.pop()],
	[10, "amap_slots", () => void (t.k.uvm.amap_slots += 16)],
	[10, "am_nused", () => void amap().am_nused--],
	[10, "am_ref", () => void amap().am_ref++],
	[10, "an amap of nobody", () => void (entry().amap = entry(BASE, child).amap = null)],
	[10, "the mark of a shared amap", () => markShared()],
	[10, "am_ppref", () => void (amap().am_ppref = [{ at: 0, ref: 3 }])],
	[10, "am_ppref without a run", () => void (amap().am_ppref = [])],
	[10, "a run beyond the amap", () => runs(2, 2, 8)],
	[10, "runs that could be one", () => runs(2, 2, 4)],
	[10, "an entry longer than its amap", () => void (entry().pageoff = 4)],
	[11, "uo_refs", () => void small.uo_refs++],
	[11, "an object without references", () => void (small.uo_refs = 0)],
	[12, "entries that overlap", () => void (entry().end = SMALL + PAGE_SIZE)],
	[12, "nentries", () => void space.map.nentries++],
	[12, "a free entry that is in a map", () => void t.k.uvm.mapent_free.push(entry())],
	[12, "size", () => void (space.map.size += PAGE_SIZE)],
	[12, "first_free behind a gap", () => void (space.map.first_free = entry(LARGE))],
	[12, "a list that is torn", () => void (entry(SMALL).prev = entry(LARGE))],
	[12, "a tree in another order", () => void swapChildren()],
	[12, "a tree without an entry", () => void (space.map.rbhead = space.map.rbhead!.rb_left)],
	[12, "a node with a wrong parent", () => void (leaf().rb_parent = leaf())],
	[12, "a red root", () => void (space.map.rbhead!.rb_red = true)],
	[12, "ways with unlike numbers of black nodes", () => void (leaf().rb_red = !leaf().rb_red)],
	[12, "the gap behind an entry", () => void leaf().ownspace++],
	[12, "the largest gap of a subtree", () => void leaf().space++],
	[12, "NEEDSCOPY alone", () => void (entry(SMALL).etype |= UVM_ET_NEEDSCOPY)],
	[12, "a hint at a dead entry", () => void (space.map.hint = { ...entry() })],
	[13, "a mapping without a PV entry", () => void (smallPage().md_pvlist = null)],
	[13, "a PV entry without a mapping", () => setPte(SMALL, () => 0)],
	[13, "the count of mappings", () => void space.map.pmap.pm_resident++],
	[14, "a mapping of no entry", () => strayMapping()],
	[14, "a writable mapping of a read-only entry", () => readOnlyEntry()],
	[14, "a writable mapping of a shared anon", () => writable(BASE)],
	[14, "an object's page writable through copy-on-write", () => cowEntry()],
	[15, "a translation of a mapping that is gone", () => staleTranslation()],
	[15, "a right that was taken away", () => setPte(SMALL, (pte) => pte & ~PTE_W)],
	[17, "a page that belongs to nothing", () => uvm_pagealloc(t.k, null, 0, null, 0)],
	[17, "a pool without pages for its items", () => t.k.pools.filepl.pr_nout++],
	[17, "a page in two pools", () => t.k.pools.pvpl.pr_pages.push(t.k.pools.procpl.pr_pages[0]!)],
	[17, "a free page in a pool", () => uvm_pagefree(t.k, t.k.pools.procpl.pr_pages[0]!)],
	[17, "a map entry that no map has", () => pool_take(t.k, t.k.uvm.kmap_entry_pool)],
	[17, "a process that pools do not know", () => t.k.procs.push(t.k.procs[0]!)],
	[18, "a sleeper that no queue has", () => t.k.sleepq.sq_chan.clear()],
	[18, "a thread that is queued and does not sleep", () => void (sleeper().l_wchan = null)],
	[18, "a timeout that the heap does not know", () => void (sleeper().l_wakecycle = 1)],
	[15, "a dirty bit that was cleared", () => setPte(SMALL, (pte) => pte & ~PTE_D)],
];

describe("uvm_check finds", () => {
	it.each(breakages)("%i: %s", (invariant, _what, damage) => {
		damage();
		expect(check().map((what) => Number.parseInt(what, 10))).toContain(invariant);
	});
});

const sleeper = () => t.k.sleepq.sq_head!;
const bucket = (i: number) => large.u_swhash![i]!;

/** Two disks, neither of which could be written. */
function withoutCopy(): void {
	const sdp = t.k.uvm.swap_list[0]!;
	const stale = new Int32Array(sdp.swd_map.sm_bits.length).fill(-1);
	Object.assign(sdp, { swd_mirror: sdp.swd_dev, swd_stale: [stale, stale] });
}

function marker(): vm_page {
	const pg = new vm_page(-1);
	pg.flags = PG_BUSY | PG_MARKER;
	return pg;
}

function leakPagerMap(): void {
	const pg = smallPage();
	pg.flags |= PG_BUSY;
	t.run(uvm_pagermapin(t.k, [pg], 1, { waitok: true, read: false }));
	pg.flags &= ~PG_BUSY;
	t.k.lwps.pop();
}

function enterFree(): void {
	const pg = freePage();
	pmap_enter(t.k, space.map.pmap, page(SMALL, 7), pg.phys_addr, VM_PROT_READ, VM_PROT_READ);
}

function cleanWithoutSlot(): void {
	const slot = uao_set_swslot(t.k, small, 3, 0);
	uvm_swap_free(t.k, slot, 1);
	residentPage(t, small, 3)!.flags |= PG_CLEAN;
}

function cleanAnonWithoutSlot(): void {
	uvm_swap_free(t.k, anon(3).an_swslot, 1);
	anon(3).an_swslot = 0;
}

function markShared(): void {
	entry(BASE, child).amap = null;
	pmap_remove(t.k, child.map.pmap, BASE, page(BASE, 8));
	amap().am_ref = 1;
	amap().am_flags |= AMAP_SHARED;
}

function strayMapping(): void {
	const va = page(BASE, 20);
	pmap_enter(t.k, space.map.pmap, va, smallPage().phys_addr, VM_PROT_READ, VM_PROT_READ);
}

function readOnlyEntry(): void {
	entry(SMALL).protection = VM_PROT_READ;
}

function writable(va: number): void {
	t.run(space.load(va));
	setPte(va, (pte) => pte | PTE_W);
}

function cowEntry(): void {
	entry(SMALL).etype |= UVM_ET_COPYONWRITE;
}

function staleTranslation(): void {
	t.run(space.load(SMALL));
	setPte(SMALL, () => t.k.port.ram32[pteIndex(page(SMALL, 1))]!);
}

describe("uvm_check_freeclean", () => {
	const freeclean = (read: (unit: number, sector: number, into: Uint8Array) => number) => {
		const pg = residentPage(t, small, 2)!;
		uvm_check_freeclean(t.k, pg, slotOf(t, small, 2), read);
	};
	const medium = (unit: number, sector: number, into: Uint8Array): number =>
		t.disks[unit]!.read(sector, into);

	it("compares a clean page with its slot, byte by byte", () => {
		freeclean(medium);
		t.bytes(residentPage(t, small, 2)!)[PAGE_SIZE - 1]! ^= 1;
		expect(() => freeclean(medium)).toThrow("invariant 7");
	});

	it("says nothing about a slot that cannot be read", () => {
		t.bytes(residentPage(t, small, 2)!)[0]! ^= 1;
		freeclean(() => 1);
	});

	it("panics for a slot of no device", () => {
		const pg = residentPage(t, small, 2)!;
		expect(() => uvm_check_freeclean(t.k, pg, 100_000, medium)).toThrow("invariant 5");
	});
});
