/**
 * pmap against a simple model, by random sequences of operations: which page each address maps,
 * with which rights, and which pages were modified or referenced. A change that waits for
 * pmap_update makes its address unsettled; everywhere else an access must do exactly what the
 * model says, without an update.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../machine/machine.ts";
import { ACCESS_LOAD, ACCESS_STORE } from "../../machine/port.ts";
import type { PmapPage } from "../../pmap/host.ts";
import * as P from "../../pmap/pmap.ts";
import { pmap_check } from "../../pmap/pmap_check.ts";
import { ENOMEM } from "../../sys/errno.ts";
import {
	PAGE_SIZE,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../sys/vmparam.ts";
import {
	access,
	makeHost,
	makeMachine,
	staleTranslations,
	type TestHost,
	takePage,
} from "./host.ts";

const SPACES = 4; // three of users and, last, the kernel
const KERNEL = SPACES - 1;
const PAGES = 4;
/** Neighbours in one table, a table's last and the next one's first page, and the last page. */
const USER_VAS = [0x1000, 0x2000, 0x3f_f000, 0x40_0000, 0x40_1000, 0x7fff_f000];
const KERNEL_VAS = [0, 0x1000, 0x3f_f000, 0x40_0000, 0x40_1000, 0x7f_f000].map(
	(offset) => VM_MIN_KERNEL_ADDRESS + offset,
);
/** For kenter_pa. */
const KENTER_VAS = [0x80_0000, 0x80_1000, 0xff_f000].map(
	(offset) => VM_MIN_KERNEL_ADDRESS + offset,
);

interface Mapping {
	page: number;
	prot: number;
	wired: boolean;
}

interface Model {
	/** By space, then by address. */
	readonly maps: Map<number, Mapping>[];
	readonly kenters: Map<number, Mapping>;
	readonly modified: boolean[];
	readonly referenced: boolean[];
	/** By space: unsettled addresses, with the pages that old and new mappings concern. */
	readonly unsettled: Map<number, Set<number>>[];
}

interface Real {
	readonly k: TestHost;
	readonly spaces: P.pmap[];
	readonly pages: PmapPage[];
	readonly adtrap: boolean;
}

type Op =
	| {
			op: "enter";
			s: number;
			va: number;
			page: number;
			prot: number;
			acc: number;
			wired: boolean;
			fail: boolean;
	  }
	| { op: "remove"; s: number; va: number; to: number }
	| { op: "protect"; s: number; va: number; to: number; prot: number }
	| { op: "unwire"; s: number; va: number }
	| { op: "page_protect"; page: number; prot: number }
	| { op: "clear_modify"; page: number }
	| { op: "clear_reference"; page: number }
	| { op: "access"; s: number; va: number; mapped: boolean; store: boolean; update: boolean }
	| { op: "update" }
	| { op: "collect"; s: number }
	| { op: "renew"; s: number }
	| { op: "kenter"; va: number; page: number; write: boolean }
	| { op: "kremove"; va: number; to: number }
	| { op: "kaccess"; va: number; store: boolean; update: boolean };

const s = fc.nat(SPACES - 1);
const va = fc.nat(USER_VAS.length - 1);
const kva = fc.nat(KENTER_VAS.length - 1);
const page = fc.nat(PAGES - 1);
const bool = fc.boolean();
const often = fc.constantFrom(true, true, true, false);
const is = <T extends string>(op: T) => fc.constant(op);

const ops = fc.oneof(
	{
		weight: 8,
		arbitrary: fc.record({
			op: is("enter"),
			s,
			va,
			page,
			prot: fc.integer({ min: 1, max: 7 }),
			acc: fc.constantFrom(0, 1, 2, 3, 4),
			wired: bool,
			fail: fc.constantFrom(false, false, false, true),
		}),
	},
	{
		weight: 12,
		arbitrary: fc.record({ op: is("access"), s, va, mapped: often, store: bool, update: bool }),
	},
	{ weight: 2, arbitrary: fc.record({ op: is("remove"), s, va, to: va }) },
	{ weight: 2, arbitrary: fc.record({ op: is("protect"), s, va, to: va, prot: fc.nat(7) }) },
	{ weight: 1, arbitrary: fc.record({ op: is("unwire"), s, va }) },
	{
		weight: 2,
		arbitrary: fc.record({ op: is("page_protect"), page, prot: fc.constantFrom(0, 1, 3, 5, 7) }),
	},
	{ weight: 2, arbitrary: fc.record({ op: is("clear_modify"), page }) },
	{ weight: 2, arbitrary: fc.record({ op: is("clear_reference"), page }) },
	{ weight: 1, arbitrary: fc.record({ op: is("update") }) },
	{ weight: 1, arbitrary: fc.record({ op: is("collect"), s }) },
	{ weight: 1, arbitrary: fc.record({ op: is("renew"), s }) },
	{ weight: 2, arbitrary: fc.record({ op: is("kenter"), va: kva, page, write: bool }) },
	{ weight: 1, arbitrary: fc.record({ op: is("kremove"), va: kva, to: kva }) },
	{ weight: 2, arbitrary: fc.record({ op: is("kaccess"), va: kva, store: bool, update: bool }) },
) satisfies fc.Arbitrary<Op>;

const vaOf = (space: number, i: number): number => (space === KERNEL ? KERNEL_VAS : USER_VAS)[i]!;
const rangeOf = (space: number, a: number, b: number): [number, number] => [
	vaOf(space, Math.min(a, b)),
	vaOf(space, Math.max(a, b)) + PAGE_SIZE,
];

/** expect() would take most of the time. */
function same<T>(actual: T, expected: T, what: string): void {
	if (actual !== expected) throw new Error(`${what}: ${actual}, by the model ${expected}`);
}

function unsettle(m: Model, space: number, at: number, ...pages: number[]): void {
	const set = m.unsettled[space]!.get(at) ?? new Set();
	for (const p of pages) set.add(p);
	m.unsettled[space]!.set(at, set);
}

function settle(m: Model): void {
	for (const map of m.unsettled) map.clear();
}

/** An operation that is in force at once has dealt with whatever concerns its page. */
function settlePage(m: Model, p: number): void {
	for (const map of m.unsettled) {
		for (const [at, pages] of map) if (pages.has(p)) map.delete(at);
	}
}

/** pmap(9): the rights of the hardware; WRITE includes READ. */
const withRead = (prot: number): number => (prot & VM_PROT_WRITE ? prot | VM_PROT_READ : prot);

function note(m: Model, p: number, acc: number): void {
	if (acc === 0) return;
	m.referenced[p] = true;
	if (acc & VM_PROT_WRITE) m.modified[p] = true;
}

function enter(m: Model, r: Real, op: Extract<Op, { op: "enter" }>): void {
	const acc = op.acc & op.prot;
	const at = vaOf(op.s, op.va);
	const flags = acc | (op.wired ? P.PMAP_WIRED : 0) | (op.fail ? P.PMAP_CANFAIL : 0);
	r.k.failinject = op.fail ? () => true : null;
	const pa = r.pages[op.page]!.phys_addr;
	const error = P.pmap_enter(r.k, r.spaces[op.s]!, at, pa, op.prot, flags);
	r.k.failinject = null;
	const old = m.maps[op.s]!.get(at);
	if (error !== 0) {
		same(error, ENOMEM, "error");
		same(op.fail && old === undefined, true, "fails only if it needs memory");
		return;
	}
	// Where traps keep A and D, a wired mapping counts as used from the start.
	const used = r.adtrap && op.wired ? op.prot : 0;
	note(m, op.page, acc | used);
	if (old !== undefined) unsettle(m, op.s, at, old.page, op.page);
	m.maps[op.s]!.set(at, { page: op.page, prot: withRead(op.prot), wired: op.wired });
}

function lower(
	m: Model,
	space: number,
	from: number,
	to: number,
	prot: number,
	keepWired: boolean,
): void {
	const map = m.maps[space]!;
	for (const [at, mapping] of map) {
		if (at < from || at >= to) continue;
		const left = mapping.prot & withRead(prot);
		if (left === mapping.prot && left !== 0) continue;
		unsettle(m, space, at, mapping.page);
		if (left === 0 && !(keepWired && mapping.wired)) map.delete(at);
		else mapping.prot = left;
	}
}

function pageProtect(m: Model, p: number, prot: number): void {
	if (prot & VM_PROT_WRITE) return;
	settlePage(m, p);
	for (const map of m.maps) {
		for (const [at, mapping] of map) {
			if (mapping.page !== p) continue;
			if (prot === 0) map.delete(at);
			else mapping.prot &= ~VM_PROT_WRITE;
		}
	}
}

/** With `mapped`, one of the mapped addresses: chance alone would mostly meet holes. */
function accessed(m: Model, op: Extract<Op, { op: "access" }>): number {
	const map = m.maps[op.s]!;
	if (!op.mapped || map.size === 0) return vaOf(op.s, op.va);
	return [...map.keys()][op.va % map.size]!;
}

function doAccess(m: Model, r: Real, op: Extract<Op, { op: "access" | "kaccess" }>): void {
	const space = op.op === "kaccess" ? KERNEL : op.s;
	const at = op.op === "kaccess" ? KENTER_VAS[op.va]! : accessed(m, op);
	const pm = r.spaces[space]!;
	if (!op.update && m.unsettled[space]!.has(at)) return;
	if (op.update) {
		P.pmap_update(r.k, pm);
		settle(m);
	}
	// pmap_activate does what is deferred; a kernel address needs no activation.
	if (space !== KERNEL && (r.k.port.satp & 0x3f_ffff) !== pm.pm_root / PAGE_SIZE) {
		P.pmap_activate(r.k, pm);
		settle(m);
	}
	const mapping = (op.op === "kaccess" ? m.kenters : m.maps[space]!).get(at);
	const need = op.store ? VM_PROT_WRITE : VM_PROT_READ;
	const pa = access(r.k, pm, at + 4, op.store ? ACCESS_STORE : ACCESS_LOAD);
	if (mapping === undefined || !(mapping.prot & need)) {
		same(pa, -1, "access without a right");
		return;
	}
	same(pa, r.pages[mapping.page]!.phys_addr + 4, "access within its rights");
	if (op.op === "access") note(m, mapping.page, need);
}

function renew(m: Model, r: Real, space: number): void {
	if (space === KERNEL) return;
	const pm = r.spaces[space]!;
	P.pmap_remove(r.k, pm, pm.pm_min, pm.pm_max);
	P.pmap_destroy(r.k, pm);
	m.maps[space]!.clear();
	m.unsettled[space]!.clear();
	r.spaces[space] = P.pmap_create(r.k)!;
}

function kenter(m: Model, r: Real, op: Extract<Op, { op: "kenter" }>): void {
	const at = KENTER_VAS[op.va]!;
	const prot = op.write ? VM_PROT_READ | VM_PROT_WRITE : VM_PROT_READ;
	P.pmap_kenter_pa(r.k, at, r.pages[op.page]!.phys_addr, prot);
	const old = m.kenters.get(at);
	if (old !== undefined) unsettle(m, KERNEL, at);
	m.kenters.set(at, { page: op.page, prot, wired: true });
}

function kremove(m: Model, r: Real, op: Extract<Op, { op: "kremove" }>): void {
	const from = KENTER_VAS[Math.min(op.va, op.to)]!;
	const to = KENTER_VAS[Math.max(op.va, op.to)]! + PAGE_SIZE;
	P.pmap_kremove(r.k, from, to - from);
	for (const at of [...m.kenters.keys()]) {
		if (at < from || at >= to) continue;
		m.kenters.delete(at);
		unsettle(m, KERNEL, at);
	}
}

function forgetUnwired(m: Model, space: number): void {
	for (const [at, mapping] of m.maps[space]!) {
		if (mapping.wired) continue;
		unsettle(m, space, at, mapping.page);
		m.maps[space]!.delete(at);
	}
}

function apply(m: Model, r: Real, op: Op): void {
	const { k, spaces, pages } = r;
	switch (op.op) {
		case "enter":
			enter(m, r, op);
			break;
		case "remove": {
			const [from, to] = rangeOf(op.s, op.va, op.to);
			P.pmap_remove(k, spaces[op.s]!, from, to);
			lower(m, op.s, from, to, 0, false);
			break;
		}
		case "protect": {
			const [from, to] = rangeOf(op.s, op.va, op.to);
			P.pmap_protect(k, spaces[op.s]!, from, to, op.prot);
			lower(m, op.s, from, to, op.prot, true);
			break;
		}
		case "unwire": {
			const mapping = m.maps[op.s]!.get(vaOf(op.s, op.va));
			if (mapping === undefined) break;
			P.pmap_unwire(k, spaces[op.s]!, vaOf(op.s, op.va));
			mapping.wired = false;
			if (mapping.prot === 0) m.maps[op.s]!.delete(vaOf(op.s, op.va));
			break;
		}
		case "page_protect":
			P.pmap_page_protect(k, pages[op.page]!, op.prot);
			pageProtect(m, op.page, op.prot);
			break;
		case "clear_modify":
			same(P.pmap_clear_modify(k, pages[op.page]!), m.modified[op.page]!, "clear_modify");
			m.modified[op.page] = false;
			settlePage(m, op.page);
			break;
		case "clear_reference":
			same(P.pmap_clear_reference(k, pages[op.page]!), m.referenced[op.page]!, "clear_reference");
			m.referenced[op.page] = false;
			settlePage(m, op.page);
			break;
		case "access":
		case "kaccess":
			doAccess(m, r, op);
			break;
		case "update":
			P.pmap_update(k, spaces[0]!);
			settle(m);
			break;
		case "collect":
			P.pmap_collect(k, spaces[op.s]!);
			if (op.s !== KERNEL) forgetUnwired(m, op.s);
			break;
		case "renew":
			renew(m, r, op.s);
			break;
		case "kenter":
			kenter(m, r, op);
			break;
		case "kremove":
			kremove(m, r, op);
			break;
	}
}

/** What may be asked at any time, and changes nothing. */
function compare(m: Model, r: Real): void {
	const { k, spaces, pages } = r;
	for (let i = 0; i < PAGES; i++) {
		same(P.pmap_is_modified(k, pages[i]!), m.modified[i]!, `page ${i} modified`);
		same(P.pmap_is_referenced(k, pages[i]!), m.referenced[i]!, `page ${i} referenced`);
	}
	for (let space = 0; space < SPACES; space++) {
		const map = m.maps[space]!;
		let resident = space === KERNEL ? m.kenters.size : 0;
		let wired = resident;
		for (let i = 0; i < USER_VAS.length; i++) {
			const at = vaOf(space, i);
			const mapping = map.get(at);
			const pa = mapping === undefined ? -1 : pages[mapping.page]!.phys_addr + 12;
			same(P.pmap_extract(k, spaces[space]!, at + 12), pa, `extract ${space} ${at}`);
			if (mapping === undefined) continue;
			resident++;
			if (mapping.wired) wired++;
		}
		same(P.pmap_resident_count(k, spaces[space]!), resident, `resident ${space}`);
		same(P.pmap_wired_count(k, spaces[space]!), wired, `wired ${space}`);
	}
	for (const at of KENTER_VAS) {
		const mapping = m.kenters.get(at);
		const pa = mapping === undefined ? -1 : pages[mapping.page]!.phys_addr;
		same(P.pmap_extract(k, spaces[KERNEL]!, at), pa, `extract kenter ${at}`);
	}
}

function check(k: TestHost): void {
	const wrong = pmap_check(k, k.pages);
	if (k.pmap.fence_n === 0) wrong.push(...staleTranslations(k));
	same(wrong.join("; "), "", "invariants");
}

function run(list: Op[], adtrap: boolean, machine: Machine): void {
	const k = makeHost({ adtrap }, machine);
	const spaces = [P.pmap_create(k)!, P.pmap_create(k)!, P.pmap_create(k)!, P.pmap_kernel(k)];
	const pages = Array.from({ length: PAGES }, () => takePage(k));
	const free = k.free.length;
	const r: Real = { k, spaces, pages, adtrap };
	const m: Model = {
		maps: Array.from({ length: SPACES }, () => new Map()),
		kenters: new Map(),
		modified: Array<boolean>(PAGES).fill(false),
		referenced: Array<boolean>(PAGES).fill(false),
		unsettled: Array.from({ length: SPACES }, () => new Map()),
	};
	list.forEach((op, i) => {
		apply(m, r, op);
		compare(m, r);
		// Dear, hence not after every operation.
		if (i % 8 === 7 || op.op === "page_protect") check(k);
	});
	check(k);
	for (const at of m.kenters.keys()) P.pmap_kremove(k, at, PAGE_SIZE);
	for (let space = 0; space < SPACES; space++) {
		P.pmap_remove(k, spaces[space]!, vaOf(space, 0), vaOf(space, 5) + PAGE_SIZE);
	}
	expect(k.free.length, "page table pages all returned").toBe(free);
	for (let space = 0; space < KERNEL; space++) P.pmap_destroy(k, spaces[space]!);
	P.pmap_update(k, P.pmap_kernel(k));
	expect(k.ptpages.size).toBe(0);
	expect(k.pmap.pv_count).toBe(0);
	expect(k.machine.hart.tlb.list()).toEqual([]);
	for (let i = 0; i < PAGES; i++) {
		expect(P.pmap_is_modified(k, pages[i]!)).toBe(m.modified[i]);
	}
}

const list = fc.array(ops, { minLength: 1, maxLength: 120, size: "max" });

describe.each([
	{ adtrap: false, tlbEntries: 1024 },
	{ adtrap: false, tlbEntries: 4 },
	{ adtrap: true, tlbEntries: 1024 },
	{ adtrap: true, tlbEntries: 4 },
])("adtrap $adtrap, TLB of $tlbEntries", ({ adtrap, tlbEntries }) => {
	it("mappings, rights, attributes and counts are those of the model", () => {
		const machine = makeMachine({ adtrap, tlbEntries, ramPages: 32 });
		fc.assert(
			fc.property(list, (sequence) => run(sequence as Op[], adtrap, machine)),
			{ numRuns: 200, seed: 20_011_121 },
		);
	});
});
