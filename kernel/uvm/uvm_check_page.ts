/** Invariants 1 to 4 and 16: pages, their classes, their owners, and loans. */

import { PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { PAGER_AOBJ, PAGER_VNODE } from "./uvm_object.ts";
import {
	PG_BUSY,
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
	PQ_FREE,
	PQ_INACTIVE,
	pageq_length,
	type pglist,
	uvm_page_unused,
	uvm_pagelookup,
	type vm_page,
} from "./uvm_page.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";

const IN_TRANSIT = PG_BUSY | PG_WANTED | PG_RELEASED | PG_PAGEOUT | PG_FAKE;

/** Every page is in one class, and the counters agree. */
export function check_pages(k: Kernel, quiet: boolean, wrong: string[]): void {
	const e = k.uvmexp;
	let [npages, free, zeros, active, inactive, wired] = [0, 0, 0, 0, 0, 0];
	const kinds = { anon: 0, file: 0, exec: 0 };
	for (const pg of k.uvm.vm_pages) {
		if (pg.phys_addr < k.uvm.avail_start || pg.phys_addr >= k.uvm.avail_end) continue;
		npages++;
		const kind = kind_of(k, pg);
		if (kind !== null) kinds[kind]++;
		const queues = pg.pqflags & (PQ_FREE | PQ_ACTIVE | PQ_INACTIVE);
		if ((queues & (queues - 1)) !== 0) wrong.push("1: a page is on two queues");
		if ((queues & PQ_FREE) !== 0) free++;
		if ((pg.flags & PG_ZERO) !== 0) {
			zeros++;
			if ((queues & PQ_FREE) === 0) wrong.push("3: a page is marked as zeros, and not free");
			else if (!is_zero(k, pg, quiet)) wrong.push("3: a free page that is marked as zeros is not");
		}
		if ((queues & PQ_ACTIVE) !== 0) active++;
		if ((queues & PQ_INACTIVE) !== 0) inactive++;
		if (pg.wire_count > 0) {
			wired++;
			if (queues !== 0) wrong.push("1: a wired page is on a queue");
		}
		if (quiet && (pg.flags & IN_TRANSIT) !== 0) wrong.push("2: a page is in transit at rest");
		check_owner(k, pg, wrong);
	}
	const unused = uvm_page_unused(k);
	if (unused < 0) wrong.push("1: there are more pages than memory");
	const { queues: own } = k.uvm.pdpolicy;
	if (own !== null && own.length(k) !== active + inactive) {
		wrong.push("1: the queues of the page-replacement policy have a wrong length");
	}
	const counts: [string, number, number, pglist | null][] = [
		["npages", npages + unused, e.npages, null],
		["free", free + unused, e.free, null],
		["page_free", free - zeros, e.free - unused - e.zeropages, k.uvm.page_free],
		["zeropages", zeros, e.zeropages, k.uvm.page_zeros],
		["active", active, e.active, own === null ? k.uvm.page_active : null],
		["inactive", inactive, e.inactive, own === null ? k.uvm.page_inactive : null],
		["wired", wired, e.wired, null],
		["anonpages", kinds.anon, e.anonpages, null],
		["filepages", kinds.file, e.filepages, null],
		["execpages", kinds.exec, e.execpages, null],
	];
	for (const [name, found, counter, queue] of counts) {
		if (found !== counter) wrong.push(`1: uvmexp.${name} is ${counter}, counted ${found}`);
		if (queue !== null && pageq_length(queue) !== found)
			wrong.push(`1: queue ${name} has a wrong length`);
	}
	for (const pg of k.uvm.page_retired) {
		const used = pg.uobject !== null || pg.uanon !== null || pg.pqflags !== 0;
		if (used || pg.md_pvlist !== null) wrong.push("3: a page whose memory is broken is in use");
	}
	for (const pg of k.uvm.holds.flatMap(({ h_pages }) => h_pages)) {
		const used = pg.uobject !== null || pg.uanon !== null || pg.pqflags !== 0 || pg.flags !== 0;
		const lent = pg.wire_count !== 0 || pg.loan_count !== 0;
		if (used || lent || pg.md_pvlist !== null) wrong.push("3: a page that is held is in use");
	}
	check_loans(k, wrong);
	if (quiet) check_rest(k, wrong);
}

/** What a page is counted as. null: a page of the kernel, or without owner. */
function kind_of(k: Kernel, { uanon, uobject }: vm_page): "anon" | "file" | "exec" | null {
	if (uanon !== null) return "anon";
	if (uobject === null || uobject === k.uvm.kernel_object) return null;
	if (uobject.pgops === PAGER_AOBJ) return "anon";
	if (uobject.pgops !== PAGER_VNODE) return null;
	return (uobject as uvm_vnode).u_text ? "exec" : "file";
}

/** Whether a page holds zeros; a sample of its words if not `whole`, because there are many. */
function is_zero(k: Kernel, pg: vm_page, whole: boolean): boolean {
	const { ram32, ramBase } = k.port;
	const first = (pg.phys_addr - ramBase) / 4;
	const step = whole ? 1 : 31;
	for (let i = first; i < first + PAGE_SIZE / 4; i += step) if (ram32[i] !== 0) return false;
	return true;
}

/** loan_count is how often a page is on loan. */
function check_loans(k: Kernel, wrong: string[]): void {
	const loans = new Map<vm_page, number>();
	for (const pg of k.uvm.loans.flat()) loans.set(pg, (loans.get(pg) ?? 0) + 1);
	let count = 0;
	for (const pg of k.uvm.vm_pages) {
		count += pg.loan_count;
		if (pg.loan_count !== (loans.get(pg) ?? 0)) wrong.push("16: loan_count counts wrongly");
		if (pg.loan_count === 0) continue;
		if (pg.wire_count > 0) wrong.push("16: a page on loan is wired");
		const owned = pg.uobject !== null || pg.uanon !== null;
		if (!owned && pg.pqflags !== 0) wrong.push("16: a page on loan without owner is on a queue");
	}
	if (count !== k.uvmexp.loanpages) wrong.push("16: uvmexp.loanpages counts wrongly");
}

/** Checks for a quiet system. */
function check_rest(k: Kernel, wrong: string[]): void {
	if (k.uvm.pager_map !== null && k.uvm.pager_map.nentries > 0) {
		wrong.push("2: pager_map is in use at rest");
	}
	if (k.uvm.vslocks.length > 0) wrong.push("2: a device uses user memory at rest");
	if (k.uvm.emerginuse) wrong.push("2: the emergency window is in use at rest");
	if (k.simplelocks !== 0) wrong.push("2: a simple lock is held at rest");
}

function check_owner(k: Kernel, pg: vm_page, wrong: string[]): void {
	const { uobject: uobj, uanon: anon } = pg;
	if ((pg.pqflags & PQ_FREE) !== 0) {
		if (uobj !== null || anon !== null) wrong.push("3: a free page has an owner");
		if (pg.wire_count !== 0 || pg.loan_count !== 0) wrong.push("3: a free page is wired or lent");
		if (pg.md_pvlist !== null) wrong.push("3: a free page is mapped");
		return;
	}
	if (uobj !== null && anon !== null) wrong.push("4: a page has two owners");
	if (((pg.flags & PG_TABLED) !== 0) !== (uobj !== null)) wrong.push("4: TABLED without an object");
	if (((pg.pqflags & PQ_ANON) !== 0) !== (anon !== null)) wrong.push("4: PQ_ANON without an anon");
	if (anon !== null && anon.an_page !== pg) wrong.push("4: an anon has another page");
	if (uobj === null) return;
	const swapbacked = uobj.pgops === PAGER_AOBJ && uobj !== k.uvm.kernel_object;
	if (swapbacked && (pg.pqflags & PQ_AOBJ) === 0) wrong.push("4: a page of an aobj is not PQ_AOBJ");
	if (pg.offset < 0 || pg.offset % PAGE_SIZE !== 0) wrong.push("4: an offset is not page aligned");
	if (uvm_pagelookup(k, uobj, pg.offset) !== pg) wrong.push("4: lookup does not find a page");
}

/** The number of pages, and of markers, in an object's memq. */
export function memq_length(first: vm_page | null): { pages: number; markers: number } {
	let [pages, markers] = [0, 0];
	for (let pg = first; pg !== null; pg = pg.listq_next) {
		if ((pg.flags & PG_MARKER) !== 0) markers++;
		else pages++;
	}
	return { pages, markers };
}
