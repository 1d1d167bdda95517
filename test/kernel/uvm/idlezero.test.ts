/** Pages that are zeroed while the processor has nothing to do. */
import { beforeEach, describe, expect, it } from "vitest";
import { createSystem } from "../../../computer/system.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { UVM_PGA_ZERO } from "../../../kernel/uvm/uvm_extern.ts";
import {
	PG_ZERO,
	PHYS_TO_VM_PAGE,
	uvm_pagealloc,
	uvm_pagefree,
	uvm_pageidlezero,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import { MiB, workload } from "../../support/workload.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
	// Whatever booting has left.
	const taken: vm_page[] = [];
	while (t.k.uvmexp.zeropages > 0) taken.push(alloc(UVM_PGA_ZERO));
	for (const pg of taken) uvm_pagefree(t.k, pg);
	t.k.uvmexp.pga_zerohit = t.k.uvmexp.pga_zeromiss = t.k.uvmexp.zeroaborts = 0;
});

function alloc(flags: number): vm_page {
	const pg = uvm_pagealloc(t.k, null, 0, null, flags);
	if (pg === null) throw new Error("no page");
	return pg;
}

/** A thread that sleeps so long. */
function* pause(cycles: number): Sleeps<void> {
	yield* ltsleep(t.k, {}, "pause", cycles, null);
}

describe("uvm_pageidlezero", () => {
	it("zeroes a page in each 512 cycles, and gives up the last one", () => {
		const e = t.k.uvmexp;
		const { cycles } = t.k.port;
		// A page that had another owner before.
		PHYS_TO_VM_PAGE(t.k, t.k.uvm.avail_end - PAGE_SIZE);
		t.bytes(t.k.uvm.page_free.first!).fill(0x55);
		uvm_pageidlezero(t.k, 3 * 512 + 511);
		expect(e).toMatchObject({ zeropages: 3, zeroaborts: 1 });
		uvm_pageidlezero(t.k, 512);
		expect(e).toMatchObject({ zeropages: 4, zeroaborts: 1 });
		expect(t.k.port.cycles).toBe(cycles);
		t.check();
	});

	it("stops at 256 pages, or when all free ones are zeros", () => {
		uvm_pageidlezero(t.k, 1e9);
		expect(t.k.uvmexp.zeropages).toBe(t.k.uvmexp.free);
		expect(t.k.uvm.page_free.first).toBeNull();
		t.check();
		t = new TestKernel({ ram: 4 * MiB });
		uvm_pageidlezero(t.k, 1e9);
		expect(t.k.uvmexp).toMatchObject({ zeropages: 256, zeroaborts: 0 });
		t.check();
	});
});

describe("uvm_pagealloc", () => {
	it("gives pages of zeros to those who want zeros", () => {
		const e = t.k.uvmexp;
		uvm_pageidlezero(t.k, 2 * 512);
		const zeros = t.k.uvm.page_zeros.first!;
		expect(alloc(0)).not.toBe(zeros);
		const { cycles } = t.k.port;
		const pg = alloc(UVM_PGA_ZERO);
		expect(pg).toBe(zeros);
		expect(pg.flags & PG_ZERO).toBe(0);
		expect(t.k.port.cycles).toBe(cycles);
		expect(e).toMatchObject({ zeropages: 1, pga_zerohit: 1, pga_zeromiss: 0 });
		alloc(UVM_PGA_ZERO);
		expect(alloc(UVM_PGA_ZERO).phys_addr).toBeGreaterThan(0);
		expect(t.k.port.cycles).toBe(cycles + 512);
		expect(e).toMatchObject({ zeropages: 0, pga_zerohit: 2, pga_zeromiss: 1 });
	});

	it("gives them to others when nothing else is free", () => {
		uvm_pageidlezero(t.k, 1e9);
		const { zeropages } = t.k.uvmexp;
		alloc(0);
		expect(t.k.uvmexp).toMatchObject({ zeropages: zeropages - 1, pga_zerohit: 0 });
	});
});

describe("the idle processor", () => {
	it("zeroes pages, and no event is late", () => {
		const from = t.k.port.cycles;
		t.run(pause(100_000));
		const { zeropages } = t.k.uvmexp;
		expect(zeropages).toBeGreaterThan(100);
		expect(zeropages).toBeLessThanOrEqual(100_000 / 512 + 1);
		expect(t.k.port.cycles - from).toBeLessThan(102_000);
		t.check();
	});

	it("is as fast in steps as in one go", () => {
		const run = (step: number) => {
			const image = workload("touch");
			const system = createSystem({ program: "touch", image, args: ["6"], ram: 4 * MiB });
			while (system.run(system.kernel.port.cycles + step) !== "ended");
			const { uvmexp, cycles } = system.report(0);
			return { uvmexp, cycles };
		};
		const whole = run(1e15);
		expect(whole.uvmexp.zeropages + whole.uvmexp.pga_zerohit).toBeGreaterThan(0);
		expect(run(10_007)).toEqual(whole);
	});
});
