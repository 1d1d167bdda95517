/** A machine with a small page layer under pmap: what the tests of pmap stand on. */
import { Machine } from "../../machine/machine.ts";
import { ACCESS_LOAD, ACCESS_STORE, type Access, FENCE_ALL } from "../../machine/port.ts";
import type { PmapHost, PmapPage } from "../../pmap/host.ts";
import {
	type pmap,
	pmap_bootstrap,
	pmap_fault,
	pmap_init,
	pmap_pte,
	pmap_state,
} from "../../pmap/pmap.ts";
import { pmap_check } from "../../pmap/pmap_check.ts";
import { PTE_A, PTE_D, PTE_RWX, PTE_TO_PA, PTE_U, PTE_V } from "../../pmap/pte.ts";
import { panic } from "../../sys/panic.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";

export interface HostOptions {
	readonly adtrap?: boolean;
	readonly ramPages?: number;
	readonly tlbEntries?: number;
	readonly tlbWays?: number;
}

export interface TestHost extends PmapHost {
	readonly machine: Machine;
	/** All managed pages. */
	readonly pages: PmapPage[];
	/** Those that belong to nobody. */
	readonly free: PmapPage[];
	/** Page table pages handed out and not given back. */
	readonly ptpages: Set<PmapPage>;
	failinject: ((what: string) => boolean) | null;
}

export function makeMachine(options: HostOptions = {}): Machine {
	const { adtrap = false, ramPages = 256, tlbEntries = 1024, tlbWays = 4 } = options;
	return new Machine({
		ramSize: ramPages * PAGE_SIZE,
		adPolicy: adtrap ? "trap" : "hardware",
		tlbEntries,
		tlbWays,
	});
}

/** A kernel with nothing but pmap. => a machine that is used again starts with an empty TLB. */
export function makeHost(options: HostOptions = {}, machine = makeMachine(options)): TestHost {
	const { adtrap = false } = options;
	const port = machine.supervisor(panic);
	port.sfenceVma(FENCE_ALL, FENCE_ALL);
	const pages: PmapPage[] = [];
	const free: PmapPage[] = [];
	const ptpages = new Set<PmapPage>();
	const frames = new Map<number, PmapPage>();
	const host: TestHost = {
		machine,
		port,
		pmap: pmap_state(),
		pages,
		free,
		ptpages,
		failinject: null,
		pmap_ptpage_alloc() {
			if (host.failinject?.("page")) return null;
			const page = free.pop() ?? null;
			if (page === null) return null;
			port.zeroPage(page.phys_addr);
			ptpages.add(page);
			return page;
		},
		pmap_ptpage_free(page) {
			if (!ptpages.delete(page)) throw new Error("not a page table page");
			free.push(page);
		},
		pmap_pv_get: () => true,
		pmap_pv_put: () => {},
		PHYS_TO_VM_PAGE: (pa) => frames.get(pa - (pa % PAGE_SIZE)) ?? null,
		PFN_TO_VM_PAGE: (pfn) => frames.get(pfn * PAGE_SIZE) ?? null,
	};
	host.pmap.pm_adtrap = adtrap;
	// The first page stays with nobody: memory that the page layer does not own.
	const pv = {
		pv_pmap: null,
		pv_vpn: 0,
		pv_page: null,
		pv_next: null,
		pv_prev: null,
		pv_hash: null,
	};
	const first = pmap_bootstrap(host, port.ramBase + PAGE_SIZE);
	for (let pa = first; pa < port.ramBase + port.ramSize; pa += PAGE_SIZE) {
		const page: PmapPage = { ...pv, phys_addr: pa, md_pvlist: null, md_attrs: 0 };
		pages.push(page);
		free.push(page);
		frames.set(pa, page);
	}
	free.reverse();
	pmap_init(host);
	return host;
}

/** A page for a test to map. */
export function takePage(host: TestHost): PmapPage {
	const page = host.free.pop();
	if (page === undefined) throw new Error("test host is out of pages");
	return page;
}

/** The root table that walks for `asid` start at; null if no pmap owns it. */
function ownerOf(host: TestHost, asid: number, global: boolean): pmap | null {
	return global ? host.pmap.pm_kernel : (host.pmap.asid_owner[asid] ?? null);
}

/** Every right that the TLB grants beyond the page tables, one sentence each. */
export function staleTranslations(host: TestHost): string[] {
	const wrong: string[] = [];
	for (const entry of host.machine.hart.tlb.list()) {
		const pm = ownerOf(host, entry.asid, entry.global);
		const va = entry.vpn * PAGE_SIZE;
		const pte = pm === null ? 0 : pmap_pte(host, pm, va) >>> 0;
		const rights = PTE_RWX | PTE_U | PTE_D | PTE_A | PTE_V;
		const excess = entry.pte & ~pte & rights;
		if ((pte & PTE_V) === 0 || PTE_TO_PA(pte) !== PTE_TO_PA(entry.pte) || excess !== 0) {
			const cached = entry.pte.toString(16);
			wrong.push(`${va.toString(16)} asid ${entry.asid}: ${cached}, in memory ${pte.toString(16)}`);
		}
	}
	return wrong;
}

/** Everything that must hold after pmap_update. */
export function problems(host: TestHost): string[] {
	return [...pmap_check(host, host.pages), ...staleTranslations(host)];
}

/** Access `va` as the kernel does, with the repair of A and D where software keeps them. */
export function access(host: TestHost, pm: pmap, va: number, kind: Access): number {
	const pa = host.port.translate(va, kind);
	if (pa >= 0) return pa;
	const prot = kind === ACCESS_STORE ? VM_PROT_WRITE : VM_PROT_READ;
	return pmap_fault(host, pm, va, prot) ? host.port.translate(va, kind) : -1;
}

export const load = (host: TestHost, pm: pmap, va: number): number =>
	access(host, pm, va, ACCESS_LOAD);
export const store = (host: TestHost, pm: pmap, va: number): number =>
	access(host, pm, va, ACCESS_STORE);
