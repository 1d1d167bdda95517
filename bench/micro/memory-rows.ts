/** Micro-benchmarks of pages and objects: pages taken and given back, those of aobjs, amap_copy. */
import type { Engine } from "../../index.ts";
import { simple_lock, simple_unlock } from "../../kernel/kern/core/kern_lock.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { amap_copy } from "../../kernel/uvm/uvm_amap.ts";
import { uao_create, uao_detach, uao_get_locked } from "../../kernel/uvm/uvm_aobj.ts";
import { UVM_ET_NEEDSCOPY, UVM_PGA_ZERO } from "../../kernel/uvm/uvm_extern.ts";
import type { vm_map_entry } from "../../kernel/uvm/uvm_map_entry.ts";
import { pagerops, type uvm_object } from "../../kernel/uvm/uvm_object.ts";
import {
	PG_CLEAN,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagefree,
	uvm_pagelookup,
	type vm_page,
} from "../../kernel/uvm/uvm_page.ts";
import { uvm_pageout_pages } from "../../kernel/uvm/uvm_pdaemon.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { found, Host, succeed } from "./host.ts";
import type { Counts, Micro, MicroRow } from "./micro.ts";
import { Space } from "./space.ts";

const PAGES = 256;

/** uvm_pagealloc with these flags. */
const alloc = (name: string, about: string, flags: number): MicroRow => ({
	...{ name, about, family: "memory" },
	start: (engine) => {
		const host = new Host(engine);
		const { k } = host;
		const pages: vm_page[] = [];
		// Free pages that are zeroed already would make it cheaper, until they are used up.
		const zeroed = found(takeZeroed(host));
		return {
			operations: PAGES,
			before: () => {
				for (const pg of pages) uvm_pagefree(k, pg);
				pages.length = 0;
			},
			work: () => {
				for (let i = 0; i < PAGES; i++) pages.push(uvm_pagealloc(k, null, 0, null, flags)!);
			},
			counts: () => ({ ...host.counts("free", "pga_zeromiss"), zeroed: zeroed.length }),
			grows: { free: -PAGES, pga_zeromiss: flags === UVM_PGA_ZERO ? PAGES : 0 },
		};
	},
});

/** Take all free pages that are zeroed already. */
function takeZeroed({ k }: Host): vm_page[] {
	const taken: vm_page[] = [];
	while (k.uvmexp.zeropages > 0) {
		taken.push(found(uvm_pagealloc(k, null, 0, null, UVM_PGA_ZERO)));
	}
	return taken;
}

const free: MicroRow = {
	...{ name: "uvm_pagefree", about: "a page given back", family: "memory" },
	start: (engine) => {
		const host = new Host(engine);
		let pages: vm_page[] = [];
		return {
			operations: PAGES,
			before: () => {
				pages = host.pages(PAGES);
			},
			work: () => {
				for (const pg of pages) uvm_pagefree(host.k, pg);
			},
			counts: () => host.counts("free"),
			grows: { free: PAGES },
		};
	},
};

/** An aobj whose pages are taken one by one, and what is needed for that. */
class Aobj {
	readonly host: Host;
	uobj: uvm_object;
	/** The page that was taken last. */
	readonly pps: (vm_page | null)[] = [null];

	constructor(engine: Engine) {
		this.host = new Host(engine);
		this.uobj = this.#create();
	}

	#create(): uvm_object {
		return found(uao_create(this.host.k, PAGES * PAGE_SIZE, 0));
	}

	/** Give the object up, for one without pages. */
	renew(): void {
		this.host.run(uao_detach(this.host.k, this.uobj));
		this.uobj = this.#create();
	}

	/** Take all pages, without sleeping. */
	takeAll(): void {
		const { k } = this.host;
		const { uobj, pps } = this;
		for (let i = 0; i < PAGES; i++) {
			pps[0] = null;
			simple_lock(k, uobj.vmobjlock);
			succeed(uao_get_locked(k, uobj, i * PAGE_SIZE, pps, 1, 0, 0, 0));
			this.#release();
		}
	}

	/** The same for pages that must be read. Sleeps. */
	*readAll(): Sleeps<void> {
		const { k } = this.host;
		const { uobj, pps } = this;
		const { pgo_get } = pagerops(k, uobj);
		for (let i = 0; i < PAGES; i++) {
			pps[0] = null;
			simple_lock(k, uobj.vmobjlock);
			succeed(yield* pgo_get(k, uobj, i * PAGE_SIZE, pps, 1, 0, 0, 0));
			simple_lock(k, uobj.vmobjlock);
			this.#release();
		}
	}

	/** => the object locked, the page busy; unlocked and not busy. */
	#release(): void {
		const { k } = this.host;
		const pg = this.pps[0]!;
		simple_lock(k, k.uvm.pageqlock);
		uvm_pageactivate(k, pg);
		uvm_page_unbusy1(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, this.uobj.vmobjlock);
	}

	/** Store the index of each page in it; all must be in memory. */
	write(): void {
		const { k } = this.host;
		for (let i = 0; i < PAGES; i++) {
			const pg = this.#page(i)!;
			k.port.storeWord((pg.phys_addr - k.port.ramBase) / 4, i + 1);
			pg.flags &= ~PG_CLEAN;
		}
	}

	/** Page everything out. */
	out(): void {
		const { k } = this.host;
		const pages = Array.from({ length: PAGES }, (_, i) => found(this.#page(i)));
		this.host.run(uvm_pageout_pages(k, pages));
	}

	#page(i: number): vm_page | null {
		return uvm_pagelookup(this.host.k, this.uobj, i * PAGE_SIZE);
	}

	/** Pages in memory, and the sum of their first words. */
	counts = (): Counts => {
		const { ram32, ramBase } = this.host.k.port;
		let sum = 0;
		for (let i = 0; i < PAGES; i++) {
			const pg = this.#page(i);
			if (pg !== null) sum += ram32[(pg.phys_addr - ramBase) / 4]!;
		}
		return { ...this.host.counts("pageins"), resident: this.uobj.uo_npages, sum };
	};
}

/** Of the numbers that `write` stores. */
const SUM = (PAGES * (PAGES + 1)) / 2;

const AOBJ_ROWS: readonly MicroRow[] = [
	{
		...{ name: "uao_get-resident", about: "a page of an aobj that is in memory", family: "memory" },
		start: (engine): Micro => {
			const o = new Aobj(engine);
			o.takeAll();
			let taken = 0;
			return {
				operations: PAGES,
				work: () => {
					o.takeAll();
					taken += o.pps[0]!.offset;
				},
				counts: () => ({ ...o.counts(), taken }),
				grows: { resident: 0, pageins: 0, taken: (PAGES - 1) * PAGE_SIZE },
			};
		},
	},
	{
		...{ name: "uao_get-zero", about: "a page of an aobj that is new: zeros", family: "memory" },
		start: (engine): Micro => {
			const o = new Aobj(engine);
			return {
				operations: PAGES,
				before: () => o.renew(),
				work: () => o.takeAll(),
				counts: o.counts,
				grows: { resident: PAGES, pageins: 0, sum: 0 },
			};
		},
	},
	{
		...{ name: "uao_get-swapped", about: "a page of an aobj that is in swap", family: "memory" },
		start: (engine): Micro => {
			const o = new Aobj(engine);
			return {
				operations: PAGES,
				before: () => {
					o.renew();
					o.takeAll();
					o.write();
					o.out();
				},
				work: () => o.host.run(o.readAll()),
				counts: o.counts,
				grows: { resident: PAGES, pageins: PAGES, sum: SUM },
			};
		},
	},
];

/** Mappings, and pages of each. */
const MAPPINGS = 32;
const EACH = 64;

const copy: MicroRow = {
	...{ name: "amap_copy", about: `an amap of ${EACH} pages copied after fork`, family: "memory" },
	start: (engine) => {
		const space = new Space(engine);
		const { k } = space.host;
		// A hole behind each, so that they stay entries of their own.
		for (let i = 0; i < MAPPINGS; i++) space.anon(i * (EACH + 1), EACH);
		for (let i = 0; i < MAPPINGS; i++) space.store(i * (EACH + 1), EACH);
		let entries: vm_map_entry[] = [];
		return {
			operations: MAPPINGS,
			before: () => {
				space.free();
				space.fork();
				entries = space.childEntries();
			},
			work: () => {
				for (const entry of entries) amap_copy(k, entry);
			},
			counts: () => ({
				copied: entries.filter(({ etype }) => (etype & UVM_ET_NEEDSCOPY) === 0).length,
				amaps: k.uvm.amap_pool.pr_nout,
				anons: k.uvmexp.nanon,
			}),
			grows: { copied: MAPPINGS, amaps: MAPPINGS, anons: 0 },
		};
	},
};

export const MEMORY_ROWS: readonly MicroRow[] = [
	alloc("uvm_pagealloc", "a page taken", 0),
	alloc("uvm_pagealloc-zero", "a page taken and zeroed", UVM_PGA_ZERO),
	free,
	...AOBJ_ROWS,
	copy,
];
