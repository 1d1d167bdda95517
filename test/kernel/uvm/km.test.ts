/** The kernel's own memory: pages of the kernel object at kernel addresses. */
import { beforeEach, describe, expect, it } from "vitest";
import { uvm_km_free, uvm_km_zalloc } from "../../../kernel/uvm/uvm_km.ts";
import { uvm_pagelookup } from "../../../kernel/uvm/uvm_page.ts";
import { pmap_extract, pmap_kernel } from "../../../pmap/pmap.ts";
import { PAGE_MASK, PAGE_SIZE, VM_MIN_KERNEL_ADDRESS } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

const zalloc = (size: number): number => uvm_km_zalloc(t.k, t.k.uvm.kernel_map!, size);

describe("uvm_km_zalloc", () => {
	it("gives zeroed, wired pages, and uvm_km_free takes them all back", () => {
		const { free, wired } = t.k.uvmexp;
		const { nentries } = t.k.uvm.kernel_map!;
		for (let round = 0; round < 3; round++) {
			const kva = zalloc(3 * PAGE_SIZE - 100);
			expect(kva & PAGE_MASK).toBe(0);
			expect(t.k.uvmexp).toMatchObject({ free: free - 3, wired: wired + 3 });
			for (let off = 0; off < 3 * PAGE_SIZE; off += PAGE_SIZE) {
				const pa = pmap_extract(t.k, pmap_kernel(t.k), kva + off);
				const at = kva + off - VM_MIN_KERNEL_ADDRESS;
				const pg = uvm_pagelookup(t.k, t.k.uvm.kernel_object!, at)!;
				expect(pg.phys_addr).toBe(pa);
				expect(t.bytes(pg).every((byte) => byte === 0)).toBe(true);
				t.bytes(pg).fill(0xff);
			}
			t.check();
			uvm_km_free(t.k, t.k.uvm.kernel_map!, kva, 3 * PAGE_SIZE - 100);
			expect(pmap_extract(t.k, pmap_kernel(t.k), kva)).toBe(-1);
			expect(t.k.uvmexp).toMatchObject({ free, wired });
			expect(t.k.uvm.kernel_map!.nentries).toBe(nentries);
			t.check();
		}
	});

	it("without addresses or pages gives 0, and keeps nothing", () => {
		const { free, wired } = t.k.uvmexp;
		expect(zalloc(1 << 30)).toBe(0);
		let left = 2;
		t.k.failinject = (what) => what === "page" && left-- <= 0;
		expect(zalloc(4 * PAGE_SIZE)).toBe(0);
		t.k.failinject = null;
		expect(t.k.uvmexp).toMatchObject({ free, wired });
		t.check();
	});
});
