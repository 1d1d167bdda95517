/** Physical pages: reserves, identity, queues, wiring. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { uvm_analloc } from "../../../kernel/uvm/uvm_anon.ts";
import { UVM_PGA_USERESERVE, UVM_PGA_ZERO } from "../../../kernel/uvm/uvm_extern.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import {
	PFN_TO_VM_PAGE,
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_RELEASED,
	PG_TABLED,
	PHYS_TO_VM_PAGE,
	PQ_ACTIVE,
	PQ_ANON,
	PQ_FREE,
	PQ_INACTIVE,
	uvm_page_unbusy1,
	uvm_page_unused,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagedeactivate,
	uvm_pagefree,
	uvm_pageidlezero,
	uvm_pagelookup,
	uvm_pageunwire,
	uvm_pagewire,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { pmap_enter, pmap_kernel, pmap_remove } from "../../../pmap/pmap.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import { holdPage, readByte } from "../../support/paging.ts";
import { testObject } from "../../support/test-pager.ts";
import { MiB } from "../../support/workload.ts";

let t: TestKernel;
let uobj: uvm_object;
beforeEach(() => {
	t = new TestKernel();
	uobj = testObject(t);
});

const alloc = (pageidx = 0, flags = 0): vm_page | null =>
	uvm_pagealloc(t.k, uobj, pageidx * PAGE_SIZE, null, flags);

/** A page of the test object, not busy, on no queue. */
function page(pageidx = 0): vm_page {
	const pg = alloc(pageidx)!;
	pg.flags &= ~(PG_BUSY | PG_FAKE);
	return pg;
}

/** Allocate until there is none; how many pages are left free. */
function exhaust(flags: number): number {
	for (let i = uobj.uo_npages; alloc(i, flags) !== null; i++);
	return t.k.uvmexp.free;
}

describe("uvm_pagealloc", () => {
	it("keeps pages for the kernel, and the last one for the page daemon", () => {
		expect(exhaust(0)).toBe(t.k.uvmexp.reserve_kernel);
		expect(exhaust(UVM_PGA_USERESERVE)).toBe(t.k.uvmexp.reserve_pagedaemon);
		t.k.curlwp = t.k.uvm.pagedaemon!;
		expect(exhaust(0)).toBe(t.k.uvmexp.reserve_pagedaemon);
		expect(exhaust(UVM_PGA_USERESERVE)).toBe(0);
	});

	it("the kernel object may use the kernel's reserve", () => {
		exhaust(0);
		const kobj = t.k.uvm.kernel_object!;
		expect(uvm_pagealloc(t.k, kobj, 2000 * PAGE_SIZE, null, 0)).not.toBeNull();
	});

	it("wakes the page daemon when memory gets short", () => {
		exhaust(0);
		const woken = t.k.uvmexp.pdwoke;
		t.settle();
		expect(t.k.uvmexp.pdwoke).toBeGreaterThan(woken);
	});

	it("gives a page that is busy, clean and not valid yet, on no queue", () => {
		const pg = alloc(3)!;
		expect(pg.flags).toBe(PG_BUSY | PG_CLEAN | PG_FAKE | PG_TABLED);
		expect(pg).toMatchObject({ pqflags: 0, wire_count: 0, uobject: uobj, offset: 3 * PAGE_SIZE });
	});

	it("gives an anon its page", () => {
		const anon = uvm_analloc(t.k)!;
		const pg = uvm_pagealloc(t.k, null, 0, anon, 0)!;
		expect(anon.an_page).toBe(pg);
		expect(pg.pqflags).toBe(PQ_ANON);
		expect(() => uvm_pagealloc(t.k, uobj, 0, anon, 0)).toThrow("two owners");
	});

	it("zeroes a page if asked to, and then it is dirty", () => {
		PHYS_TO_VM_PAGE(t.k, t.k.uvm.avail_end - PAGE_SIZE);
		for (const pg of t.k.uvm.vm_pages) if ((pg.pqflags & PQ_FREE) !== 0) t.bytes(pg).fill(0xff);
		const pg = alloc(0, UVM_PGA_ZERO)!;
		expect(t.bytes(pg).every((byte) => byte === 0)).toBe(true);
		expect(pg.flags & PG_CLEAN).toBe(0);
	});

	it("changes the version of a page with its identity", () => {
		const pg = page();
		const versions = [pg.version];
		uvm_pagefree(t.k, pg);
		versions.push(pg.version);
		expect(new Set(versions).size).toBe(2);
	});
});

describe("pages that were never used", () => {
	it.each([16, 256])("have no vm_page, with %i MiB", (mib) => {
		t = new TestKernel({ ram: mib * MiB });
		uobj = testObject(t);
		const used = t.k.uvm.vm_pages.length;
		expect(used).toBeLessThan(400);
		for (let i = 0; i < 100; i++) page(i);
		expect(t.k.uvm.vm_pages).toHaveLength(used + 100);
		expect(t.k.uvm.page_hash.length).toBeLessThanOrEqual(1024);
		expect(uvm_page_unused(t.k)).toBe((mib * MiB) / PAGE_SIZE - used - 100);
		t.check();
	});

	it("are all looked up: the page hash grows with them", () => {
		t = new TestKernel({ ram: 4 * MiB });
		uobj = testObject(t);
		const pages = Array.from({ length: 600 }, (_, i) => page(i));
		expect(t.k.uvm.page_hash.length).toBeGreaterThanOrEqual(600);
		for (const [i, pg] of pages.entries()) {
			expect(uvm_pagelookup(t.k, uobj, i * PAGE_SIZE)).toBe(pg);
		}
		t.check();
	});

	it("come in the order of one queue of all free pages, whatever looks at them", () => {
		const step = fc.constantFrom("alloc", "alloc", "zero", "free", "idle", "look");
		fc.assert(
			fc.property(fc.array(step, { maxLength: 40 }), fc.nat(1000), (steps, where) => {
				t = new TestKernel();
				uobj = testObject(t);
				const { uvm, port } = t.k;
				// Physical addresses: the queue of free pages, that of zeroed ones, pages in use.
				const [free, zeros, used]: number[][] = [[], [], []];
				for (let pg = uvm.page_free.first; pg !== null; pg = pg.pageq_next)
					free!.push(pg.phys_addr);
				const fresh: number[] = [];
				const unused = uvm_page_unused(t.k);
				for (let i = unused; i > 0; i--) fresh.push(port.ramBase + port.ramSize - i * PAGE_SIZE);
				free!.unshift(...fresh);
				for (let pg = uvm.page_zeros.first; pg !== null; pg = pg.pageq_next) {
					zeros!.push(pg.phys_addr);
				}
				for (const [i, what] of steps.entries()) {
					if (what === "alloc" || what === "zero") {
						const pg = alloc(i, what === "zero" ? UVM_PGA_ZERO : 0);
						const next = (what === "zero" ? zeros!.shift() : undefined) ?? free!.shift();
						expect(pg!.phys_addr).toBe(next);
						pg!.flags &= ~(PG_BUSY | PG_FAKE);
						used!.push(pg!.phys_addr);
					} else if (what === "free" && used!.length > 0) {
						const pa = used!.shift()!;
						uvm_pagefree(t.k, PHYS_TO_VM_PAGE(t.k, pa)!);
						free!.push(pa);
					} else if (what === "idle") {
						uvm_pageidlezero(t.k, 512);
						zeros!.push(free!.shift()!);
					} else if (what === "look") {
						const pa = free![where % free!.length]!;
						expect(PHYS_TO_VM_PAGE(t.k, pa)!.phys_addr).toBe(pa);
					}
				}
				t.check();
			}),
			{ numRuns: 30 },
		);
	});
});

describe("uvm_pagefree", () => {
	it("forgets the owner, the queue and the wiring", () => {
		const pg = page();
		const { free, wired } = t.k.uvmexp;
		uvm_pagewire(t.k, pg);
		uvm_pagewire(t.k, pg);
		uvm_pagefree(t.k, pg);
		expect(t.k.uvmexp).toMatchObject({ free: free + 1, wired });
		expect(pg).toMatchObject({ uobject: null, flags: 0, pqflags: PQ_FREE, wire_count: 0 });
		expect(uvm_pagelookup(t.k, uobj, 0)).toBeNull();
		expect(uobj.uo_npages).toBe(0);
		t.check();
	});

	it("refuses a free page and one that is mapped", () => {
		const pg = page();
		pmap_enter(t.k, pmap_kernel(t.k), t.k.uvm.emergva, pg.phys_addr, 1, 1);
		expect(() => uvm_pagefree(t.k, pg)).toThrow("still mapped");
		pmap_remove(t.k, pmap_kernel(t.k), t.k.uvm.emergva, t.k.uvm.emergva + PAGE_SIZE);
		uvm_pagefree(t.k, pg);
		expect(() => uvm_pagefree(t.k, pg)).toThrow("free already");
	});
});

describe("lookup", () => {
	it("finds a page by its physical address", () => {
		const pg = page();
		expect(PHYS_TO_VM_PAGE(t.k, pg.phys_addr)).toBe(pg);
		expect(PFN_TO_VM_PAGE(t.k, pg.phys_addr / PAGE_SIZE)).toBe(pg);
		expect(PFN_TO_VM_PAGE(t.k, t.k.uvm.avail_end / PAGE_SIZE)).toBeNull();
		expect(PHYS_TO_VM_PAGE(t.k, pg.phys_addr + PAGE_SIZE - 1)).toBe(pg);
		for (const pa of [0, 0x1000_0000, t.k.uvm.avail_end, pg.phys_addr + 2 ** 32, 2 ** 34 - 1]) {
			expect(PHYS_TO_VM_PAGE(t.k, pa)).toBeNull();
		}
	});

	it("finds what was inserted and not removed, in any order of both", () => {
		const step = fc.record({
			object: fc.nat(2),
			// Far apart, so that buckets of the hash collide.
			pageidx: fc.constantFrom(0, 1, 256, 257, 512, 4096, 2 ** 19, 2 ** 30),
		});
		fc.assert(
			fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
				const objects = [0, 1, 2].map(() => testObject(t));
				const model = new Map<string, vm_page>();
				for (const { object, pageidx } of steps) {
					const key = `${object} ${pageidx}`;
					const old = model.get(key);
					const owner = objects[object]!;
					expect(uvm_pagelookup(t.k, owner, pageidx * PAGE_SIZE)).toBe(old ?? null);
					if (old === undefined) {
						model.set(key, uvm_pagealloc(t.k, owner, pageidx * PAGE_SIZE, null, 0)!);
					} else {
						uvm_pagefree(t.k, old);
						model.delete(key);
					}
				}
				for (const pg of model.values()) {
					expect(uvm_pagelookup(t.k, pg.uobject!, pg.offset)).toBe(pg);
					uvm_pagefree(t.k, pg);
				}
				expect(objects.map((o) => [o.uo_npages, o.memq_first, o.memq_last])).toEqual(
					objects.map(() => [0, null, null]),
				);
			}),
			{ numRuns: 50 },
		);
		t.check();
	});
});

describe("queues", () => {
	it("are first in, first out; activating again goes to the tail", () => {
		const pgs = [0, 1, 2].map(page);
		const { active } = t.k.uvmexp;
		for (const pg of pgs) uvm_pageactivate(t.k, pg);
		expect(t.k.uvm.page_active.last).toBe(pgs[2]);
		uvm_pageactivate(t.k, pgs[0]!);
		expect(t.k.uvm.page_active.last).toBe(pgs[0]);
		expect(pgs[1]!.pageq_next).toBe(pgs[2]);
		expect(t.k.uvmexp.active).toBe(active + 3);
		t.check();
	});

	it("deactivating moves a page once, and not again", () => {
		const [a, b] = [page(0), page(1)];
		for (const pg of [a, b, a]) uvm_pagedeactivate(t.k, pg);
		expect(t.k.uvm.page_inactive.last).toBe(b);
		expect(a.pqflags & (PQ_ACTIVE | PQ_INACTIVE)).toBe(PQ_INACTIVE);
		t.check();
	});

	it("a wired page is on none until its last unwiring makes it active", () => {
		const pg = page();
		const { wired } = t.k.uvmexp;
		uvm_pagedeactivate(t.k, pg);
		uvm_pagewire(t.k, pg);
		uvm_pagewire(t.k, pg);
		expect(t.k.uvmexp.wired).toBe(wired + 1);
		uvm_pageactivate(t.k, pg);
		expect(pg.pqflags).toBe(0);
		expect(() => uvm_pagedeactivate(t.k, pg)).toThrow("wired page");
		uvm_pageunwire(t.k, pg);
		expect(pg.pqflags).toBe(0);
		t.check();
		uvm_pageunwire(t.k, pg);
		expect(pg.pqflags).toBe(PQ_ACTIVE);
		expect(t.k.uvm.page_active.last).toBe(pg);
		expect(t.k.uvmexp.wired).toBe(wired);
		expect(() => uvm_pageunwire(t.k, pg)).toThrow("not wired");
		t.check();
	});
});

describe("uvm_page_unbusy", () => {
	it("frees a page that was released meanwhile", () => {
		const pg = page();
		pg.flags |= PG_BUSY | PG_RELEASED;
		expect(uvm_page_unbusy1(t.k, pg)).toBe(false);
		expect(pg.pqflags).toBe(PQ_FREE);
		expect(() => uvm_page_unbusy1(t.k, pg)).toThrow("not busy");
	});

	it("wakes everybody who waits", () => {
		const aobj = t.aobj(1);
		const holder = holdPage(t, aobj, 0);
		const readers = [1, 2, 3].map(() => t.spawn(readByte(t, aobj, 0)));
		t.settle();
		expect(readers.some((reader) => reader.done)).toBe(false);
		holder.letGo();
		expect(readers.every((reader) => reader.done)).toBe(true);
		simple_lock(t.k, aobj.vmobjlock);
		expect(holder.pg.flags & PG_BUSY).toBe(0);
		simple_unlock(t.k, aobj.vmobjlock);
	});
});
