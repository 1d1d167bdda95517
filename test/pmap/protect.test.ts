/** pmap_protect of many pages: entries, counts and fences. */
import { expect, it } from "vitest";
import * as P from "../../pmap/pmap.ts";
import { PTE_A, PTE_R, PTE_W, PTE_X } from "../../pmap/pte.ts";
import {
	PAGE_SIZE,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../sys/vmparam.ts";
import { makeHost, problems, takePage } from "./host.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;

it.each([5, 16, 17, 300])(
	"pmap_protect takes rights of %i pages in two tables, and of no others",
	(n) => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		const page = takePage(k);
		P.pmap_activate(k, pm);
		// Across the end of a table; beside them pages that were not used, or are not writable.
		const first = 0x40_0000 - 100 * PAGE_SIZE;
		const kinds = [
			{ prot: RW, access: VM_PROT_WRITE, flags: 0 },
			{ prot: RW, access: 0, flags: 0 },
			{ prot: VM_PROT_READ, access: VM_PROT_READ, flags: 0 },
			{ prot: VM_PROT_EXECUTE, access: VM_PROT_EXECUTE, flags: 0 },
			{ prot: VM_PROT_ALL, access: VM_PROT_READ, flags: P.PMAP_WIRED },
		];
		const pages = kinds.map(() => takePage(k));
		const vas: number[] = [];
		for (let i = 0; vas.length < n; i++) {
			const kind = kinds[i % 6];
			if (kind === undefined) continue;
			const va = first + i * PAGE_SIZE;
			const { phys_addr } = pages[i % 6]!;
			P.pmap_enter(k, pm, va, phys_addr, kind.prot, kind.access | kind.flags);
			vas.push(va);
		}
		const end = vas.at(-1)! + PAGE_SIZE;
		P.pmap_enter(k, pm, end, page.phys_addr, RW, VM_PROT_WRITE);
		P.pmap_update(k, pm);
		const before = vas.map((va) => P.pmap_pte(k, pm, va));
		const [resident, wired] = [P.pmap_resident_count(k, pm), P.pmap_wired_count(k, pm)];
		P.pmap_protect(k, pm, first, end, VM_PROT_ALL & ~VM_PROT_WRITE);
		expect(vas.map((va) => P.pmap_pte(k, pm, va))).toEqual(before.map((pte) => pte & ~PTE_W));
		expect(P.pmap_pte(k, pm, end) & PTE_W).toBe(PTE_W);
		expect([P.pmap_resident_count(k, pm), P.pmap_wired_count(k, pm)]).toEqual([resident, wired]);
		const lowered = before.filter((pte) => (pte & PTE_W) !== 0 && (pte & PTE_A) !== 0).length;
		expect(k.pmap.fence_n).toBe(lowered > 16 ? 1 : lowered);
		if (lowered > 16) expect(k.pmap.fence_va[0]).toBe(-1);
		P.pmap_update(k, pm);
		// Reading is what stays of the wired ones, and what runs alone goes.
		P.pmap_protect(k, pm, first, end, VM_PROT_READ);
		const left = before.map((pte) => ((pte & PTE_R) === 0 ? 0 : pte & ~(PTE_W | PTE_X)));
		expect(vas.map((va) => P.pmap_pte(k, pm, va))).toEqual(left);
		P.pmap_update(k, pm);
		expect(problems(k)).toEqual([]);
	},
);
