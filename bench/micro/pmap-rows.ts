/** Micro-benchmarks of pmap: mappings of single pages made, taken away and protected. */
import type { Engine } from "../../index.ts";
import type { vm_page } from "../../kernel/uvm/uvm_page.ts";
import {
	type pmap,
	pmap_create,
	pmap_enter,
	pmap_extract,
	pmap_foreach,
	pmap_page_protect,
	pmap_protect,
	pmap_remove,
	pmap_update,
} from "../../pmap/pmap.ts";
import { PTE_W } from "../../pmap/pte.ts";
import { PAGE_SIZE, VM_PROT_NONE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { found, Host } from "./host.ts";
import type { Counts, Micro, MicroRow } from "./micro.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;
/** Of an address space; they share one page table. */
const PAGES = 512;
const BASE = 0x40_0000;
const END = BASE + PAGES * PAGE_SIZE;

class Mappings {
	readonly host: Host;
	readonly pm: pmap;
	readonly pages: readonly vm_page[];

	constructor(engine: Engine) {
		this.host = new Host(engine);
		this.pm = found(pmap_create(this.host.k));
		this.pages = this.host.pages(PAGES);
	}

	enter(): void {
		const { host, pm, pages } = this;
		for (let i = 0; i < PAGES; i++) {
			pmap_enter(host.k, pm, BASE + i * PAGE_SIZE, pages[i]!.phys_addr, RW, RW);
		}
		pmap_update(host.k, pm);
	}

	remove(): void {
		const { host, pm } = this;
		pmap_remove(host.k, pm, BASE, END);
		pmap_update(host.k, pm);
	}

	/** Mappings, and those that permit stores, as they are in the page tables. */
	counts = (): Counts => {
		let [mapped, writable] = [0, 0];
		pmap_foreach(this.host.k, this.pm, (_, pte) => {
			mapped++;
			if ((pte & PTE_W) !== 0) writable++;
		});
		return { mapped, writable, resident: this.pm.pm_resident };
	};
}

interface Parts {
	readonly before: (m: Mappings) => void;
	readonly work: (m: Mappings) => void;
	readonly grows: Counts;
}

const row = (name: string, about: string, parts: Parts): MicroRow => ({
	...{ name, about, family: "pmap" },
	start: (engine): Micro => {
		const m = new Mappings(engine);
		return {
			operations: PAGES,
			before: () => parts.before(m),
			work: () => parts.work(m),
			counts: m.counts,
			grows: parts.grows,
		};
	},
});

export const PMAP_ROWS: readonly MicroRow[] = [
	row("pmap_enter", "a mapping of a page", {
		before: (m) => m.remove(),
		work: (m) => m.enter(),
		grows: { mapped: PAGES, writable: PAGES, resident: PAGES },
	}),
	row("pmap_remove", "a mapping of a range taken away", {
		before: (m) => m.enter(),
		work: (m) => m.remove(),
		grows: { mapped: -PAGES, writable: -PAGES, resident: -PAGES },
	}),
	row("pmap_protect", "a mapping of a range made read-only", {
		before: (m) => m.enter(),
		work: ({ host: { k }, pm }) => {
			pmap_protect(k, pm, BASE, END, VM_PROT_READ);
			pmap_update(k, pm);
		},
		grows: { mapped: 0, writable: -PAGES, resident: 0 },
	}),
	row("pmap_page_protect", "all mappings of a page taken away; there is one", {
		before: (m) => m.enter(),
		work: ({ host: { k }, pm, pages }) => {
			for (let i = 0; i < PAGES; i++) pmap_page_protect(k, pages[i]!, VM_PROT_NONE);
			pmap_update(k, pm);
		},
		grows: { mapped: -PAGES, writable: -PAGES, resident: -PAGES },
	}),
	{
		...{ name: "pmap_extract", about: "the page at an address", family: "pmap" },
		start: (engine): Micro => {
			const m = new Mappings(engine);
			m.enter();
			const sum = m.pages.reduce((total, { phys_addr }) => total + phys_addr, 0);
			let addresses = 0;
			return {
				operations: PAGES,
				work: () => {
					const { host, pm } = m;
					for (let i = 0; i < PAGES; i++) {
						addresses += pmap_extract(host.k, pm, BASE + i * PAGE_SIZE);
					}
				},
				counts: () => ({ addresses }),
				grows: { addresses: sum },
			};
		},
	},
];
