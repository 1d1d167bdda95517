/**
 * PV lists against a model, which keeps the mappings of each page in a plain list; and how many
 * entries are looked at, which must not depend on how many mappings a page has.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PmapPage } from "../../pmap/host.ts";
import * as P from "../../pmap/pmap.ts";
import {
	PAGE_SIZE,
	VM_MAX_KERNEL_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_NONE,
	VM_PROT_READ,
} from "../../sys/vmparam.ts";
import { makeHost, makeMachine, problems, type TestHost, takePage } from "./host.ts";

const SPACES = 6;
const PAGES = 3;
const VAS = [0x1000, 0x2000, 0x3000, 0x40_0000, 0x40_1000, 0x7fff_f000];

const s = fc.nat(SPACES - 1);
const page = fc.nat(PAGES - 1);
const va = fc.nat(VAS.length - 1);
const is = <T extends string>(op: T) => fc.constant(op);
const ops = fc.oneof(
	{ weight: 8, arbitrary: fc.record({ op: is("enter"), s, va, page }) },
	{ weight: 3, arbitrary: fc.record({ op: is("remove"), s, va, to: va }) },
	{ weight: 1, arbitrary: fc.record({ op: is("protect"), page }) },
);

/** What the list of a page says: the latest mapping first. */
function listed(pg: PmapPage, spaces: readonly P.pmap[]): string[] {
	const found: string[] = [];
	for (let pv = pg.md_pvlist; pv !== null; pv = pv.pv_next) {
		found.push(`${spaces.indexOf(pv.pv_pmap!)}:${P.pmap_pv_va(pv)}`);
	}
	return found;
}

it("the list of a page has its mappings, the latest first", () => {
	const machine = makeMachine({ ramPages: 64 });
	fc.assert(
		fc.property(fc.array(ops, { maxLength: 150, size: "max" }), (list) => {
			const k = makeHost({}, machine);
			const spaces = Array.from({ length: SPACES }, () => P.pmap_create(k)!);
			const pages = Array.from({ length: PAGES }, () => takePage(k));
			const model: string[][] = pages.map(() => []);
			const forget = (name: string): void => {
				for (const [i, names] of model.entries()) model[i] = names.filter((n) => n !== name);
			};
			for (const op of list) {
				if (op.op === "enter") {
					const name = `${op.s}:${VAS[op.va]!}`;
					// Entered again with the page that it has, a mapping keeps its place.
					if (!model[op.page]!.includes(name)) {
						forget(name);
						model[op.page]!.unshift(name);
					}
					const pa = pages[op.page]!.phys_addr;
					P.pmap_enter(k, spaces[op.s]!, VAS[op.va]!, pa, VM_PROT_READ, 0);
				} else if (op.op === "remove") {
					const [from, to] = [Math.min(op.va, op.to), Math.max(op.va, op.to)];
					for (let i = from; i <= to; i++) forget(`${op.s}:${VAS[i]!}`);
					P.pmap_remove(k, spaces[op.s]!, VAS[from]!, VAS[to]! + PAGE_SIZE);
				} else {
					model[op.page] = [];
					P.pmap_page_protect(k, pages[op.page]!, VM_PROT_NONE);
				}
				// expect() would take most of the time.
				const found = pages.map((pg) => listed(pg, spaces));
				if (`${found.join(";")}` !== `${model.join(";")}`) expect(found).toEqual(model);
				if (k.pmap.pv_count !== model.flat().length) throw new Error("pv_count");
			}
			P.pmap_update(k, P.pmap_kernel(k));
			expect(problems(k)).toEqual([]);
		}),
		{ numRuns: 150, seed: 20_261_122 },
	);
});

const broken: [string, (k: TestHost, pv: P.PvEntry, other: PmapPage) => void][] = [
	["of another page", (_k, pv, other) => void (pv.pv_page = other)],
	["with a wrong link", (_k, pv) => void (pv.pv_prev = pv)],
	["that is not hashed", (k) => void k.pmap.pv_hash.fill(null)],
	[
		"in a wrong bucket",
		(k, pv) => {
			const at = k.pmap.pv_hash.indexOf(pv);
			k.pmap.pv_hash[at] = null;
			k.pmap.pv_hash[at ^ 1] = pv;
		},
	],
];
describe.each([0, 1])("with %i mappings before it, the checker sees", (mappings) => {
	// The first mapping of a page is the page itself, which is not hashed.
	it.each(broken.slice(0, mappings === 0 ? 2 : 4))("a PV entry %s", (_name, damage) => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		const [one, two, other] = [takePage(k), takePage(k), takePage(k)];
		const enter = (va: number, { phys_addr }: PmapPage): void => {
			P.pmap_enter(k, pm, va, phys_addr, VM_PROT_READ, 0);
		};
		for (let i = 0; i < mappings; i++) enter(0x1_0000 + i * PAGE_SIZE, one);
		enter(0x1000, one);
		enter(0x2000, two);
		enter(0x3000, two);
		expect(problems(k)).toEqual([]);
		expect(one.md_pvlist === one).toBe(mappings === 0);
		damage(k, one.md_pvlist!, other);
		expect(problems(k)).not.toEqual([]);
	});
});

/** Entries looked at for each mapping, when `n` spaces map the same pages and let go of them. */
function probes(k: TestHost, n: number, order: (n: number) => number[]): number {
	const pages = Array.from({ length: 8 }, () => takePage(k));
	const spaces = Array.from({ length: n }, () => P.pmap_create(k)!);
	for (const pm of spaces) {
		for (const [i, pg] of pages.entries()) {
			P.pmap_enter(k, pm, 0x1_0000 + i * PAGE_SIZE, pg.phys_addr, VM_PROT_READ, 0);
		}
	}
	const before = k.pmap.pv_probes;
	for (const i of order(n)) {
		P.pmap_remove(k, spaces[i]!, 0x1_0000, 0x1_0000 + pages.length * PAGE_SIZE);
		P.pmap_destroy(k, spaces[i]!);
	}
	expect(k.pmap.pv_count).toBe(0);
	return (k.pmap.pv_probes - before) / (n * pages.length);
}

const forwards = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
it.each([
	["the oldest first", forwards],
	["the latest first", (n: number) => forwards(n).reverse()],
])("a mapping goes in two steps whatever its page has, %s", (_what, order) => {
	for (const n of [10, 100, 1000]) {
		expect(probes(makeHost({ ramPages: 4096 }), n, order), `${n} spaces`).toBeLessThan(2);
	}
});

it("a mapping that spoilt page tables hide ends with a panic, not without an end", () => {
	const k = makeHost({}, makeMachine({ ramPages: 64 }));
	const pm = P.pmap_create(k)!;
	const [pg, other] = [takePage(k), takePage(k)];
	P.pmap_enter(k, pm, VAS[0]!, pg.phys_addr, VM_PROT_READ, 0);
	P.pmap_enter(k, pm, VAS[3]!, other.phys_addr, VM_PROT_READ, 0);
	// The first table of the root is the second one now, which has no entry there.
	k.port.storeWord(pm.pm_rootidx, k.port.ram32[pm.pm_rootidx + 1]!);
	P.pmap_remove(k, pm, VAS[3]!, VAS[3]! + PAGE_SIZE);
	expect(() => P.pmap_page_protect(k, pg, VM_PROT_NONE)).toThrow(/PV entry without a mapping/);
});

it.each([
	["the lowest", VM_MIN_KERNEL_ADDRESS],
	["the highest", VM_MAX_KERNEL_ADDRESS - PAGE_SIZE],
])("%s mapping of the kernel is listed by the address it was made with", (_, kva) => {
	const k = makeHost({}, makeMachine({ ramPages: 64 }));
	const kernel = P.pmap_kernel(k);
	const pg = takePage(k);
	P.pmap_enter(k, kernel, kva, pg.phys_addr, VM_PROT_READ, 0);
	expect(listed(pg, [kernel])).toEqual([`0:${kva}`]);
	P.pmap_page_protect(k, pg, VM_PROT_NONE);
	P.pmap_update(k, kernel);
	expect([P.pmap_pte(k, kernel, kva), pg.md_pvlist]).toEqual([0, null]);
	expect(problems(k)).toEqual([]);
});
