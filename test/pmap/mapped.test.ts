/** Which pages of a range are mapped. */
import { expect, it } from "vitest";
import * as P from "../../pmap/pmap.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { makeHost, takePage } from "./host.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;

it("pmap_mapped says of each page what extract says, with and without tables", () => {
	const k = makeHost();
	const pm = P.pmap_create(k)!;
	const page = takePage(k);
	const border = 4 << 20;
	// The upper table first: it does not lie behind the lower one in memory.
	for (const at of [3, 2, 0, -1, -4, -7]) {
		P.pmap_enter(k, pm, border + at * PAGE_SIZE, page.phys_addr, RW, 0);
	}
	P.pmap_enter(k, pm, 3 * border - PAGE_SIZE, page.phys_addr, RW, 0);
	for (const start of [border - 9 * PAGE_SIZE, border, 2 * border - 3 * PAGE_SIZE]) {
		for (const npages of [1, 8, 16, 32]) {
			let mapped = 0;
			for (let i = 0; i < npages; i++) {
				if (P.pmap_extract(k, pm, start + i * PAGE_SIZE) >= 0) mapped |= 1 << i;
			}
			expect(P.pmap_mapped(k, pm, start, npages)).toBe(mapped);
		}
	}
	expect(P.pmap_mapped(k, pm, 3 * border - 2 * PAGE_SIZE, 4)).toBe(2);
});
