/**
 * Every allocation of pmap fails once: the operation works, or says ENOMEM and leaves nothing. An
 * entry that memory has spoilt is restored.
 */
import { expect, it } from "vitest";
import * as P from "../../pmap/pmap.ts";
import { pmap_pte_index } from "../../pmap/pmap_ptp.ts";
import { PTE_V } from "../../pmap/pte.ts";
import { ENOMEM } from "../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { load, makeHost, problems, type TestHost, takePage } from "./host.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;

/** Makes the n-th allocation fail, alone or with all that follow. */
function failAt(k: TestHost, n: number, persistent: boolean): { injected: number } {
	const state = { injected: 0 };
	let count = 0;
	k.failinject = () => {
		count++;
		if (persistent ? count < n : count !== n) return false;
		state.injected++;
		return true;
	};
	return state;
}

/** What a run of enters must not change when it fails. */
function snapshot(k: TestHost, pm: P.pmap): unknown {
	const leaves: number[] = [];
	P.pmap_foreach(k, pm, (va, pte) => leaves.push(va, pte));
	return {
		leaves,
		resident: P.pmap_resident_count(k, pm),
		wired: P.pmap_wired_count(k, pm),
		free: k.free.length,
		tables: k.ptpages.size,
		pvs: k.pmap.pv_count,
		attrs: k.pages.map((page) => page.md_attrs),
	};
}

it.each([false, true])("a failing pmap_enter changes nothing (persistent: %s)", (persistent) => {
	const vas = [0x1000, 0x2000, 0x40_0000, 0x1000, 0x7fff_f000];
	let n = 1;
	for (; n <= 100; n++) {
		const k = makeHost({ ramPages: 64 });
		const pm = P.pmap_create(k)!;
		P.pmap_activate(k, pm);
		const fault = failAt(k, n, persistent);
		for (const va of vas) {
			const page = takePage(k);
			const before = snapshot(k, pm);
			const flags = RW | P.PMAP_WIRED | P.PMAP_CANFAIL;
			const error = P.pmap_enter(k, pm, va, page.phys_addr, RW, flags);
			if (error === 0) {
				P.pmap_update(k, pm);
				expect(load(k, pm, va)).toBe(page.phys_addr);
				continue;
			}
			expect(error).toBe(ENOMEM);
			expect(snapshot(k, pm)).toEqual(before);
			expect(problems(k)).toEqual([]);
		}
		P.pmap_remove(k, pm, pm.pm_min, pm.pm_max);
		P.pmap_destroy(k, pm);
		expect(k.ptpages.size).toBe(0);
		expect(k.pmap.pv_count).toBe(0);
		if (fault.injected === 0) break;
	}
	// One PV entry for each of four fresh mappings, and three tables.
	expect(n).toBe(4 + 3 + 1);
});

it("replacing a managed page takes no memory; a device's does, or nothing changes", () => {
	const k = makeHost();
	const pm = P.pmap_create(k)!;
	const page = takePage(k);
	const other = takePage(k);
	P.pmap_enter(k, pm, 0x1000, page.phys_addr, RW, 0);
	P.pmap_enter(k, pm, 0x2000, 0x1000_0000, RW, 0);
	const fault = failAt(k, 1, true);
	expect(P.pmap_enter(k, pm, 0x1000, other.phys_addr, RW, P.PMAP_CANFAIL)).toBe(0);
	expect(fault.injected).toBe(0);
	const before = snapshot(k, pm);
	expect(P.pmap_enter(k, pm, 0x2000, other.phys_addr, RW, P.PMAP_CANFAIL)).toBe(ENOMEM);
	expect(snapshot(k, pm)).toEqual(before);
	expect(problems(k)).toEqual([]);
});

it("the PV entries of a steady state are always the same", () => {
	const k = makeHost();
	const pm = P.pmap_create(k)!;
	const pages = Array.from({ length: 8 }, () => takePage(k));
	// These are the pages themselves.
	pages.forEach((page, i) => {
		P.pmap_enter(k, pm, 0x10_0000 + i * PAGE_SIZE, page.phys_addr, RW, 0);
	});
	expect(pages.every((page) => page.md_pvlist === page)).toBe(true);
	const cycle = (): void => {
		pages.forEach((page, i) => {
			P.pmap_enter(k, pm, 0x1000 + i * PAGE_SIZE, page.phys_addr, RW, 0);
		});
		P.pmap_remove(k, pm, 0x1000, 0x1000 + 8 * PAGE_SIZE);
	};
	cycle();
	const known = new Set(k.pmap.pv_free);
	expect(known.size).toBe(8);
	for (let i = 0; i < 10; i++) cycle();
	expect(new Set(k.pmap.pv_free)).toEqual(known);
	expect(k.pmap.pv_free.length).toBe(8);
});

it("restores an entry that has lost V by a fault of memory", () => {
	const k = makeHost();
	const pm = P.pmap_create(k)!;
	const [page, other] = [takePage(k), takePage(k)];
	const va = 0x1000;
	for (const now of [page, other]) {
		P.pmap_enter(k, pm, va, page.phys_addr, RW, RW);
		const index = pmap_pte_index(k, pm, va);
		k.port.storeWord(index, k.port.ram32[index]! & ~PTE_V);
		expect(P.pmap_enter(k, pm, va, now.phys_addr, RW, RW)).toBe(0);
		expect(P.pmap_extract(k, pm, va)).toBe(now.phys_addr);
		expect(problems(k)).toEqual([]);
	}
});
