/** Files under memory pressure, and mapped: the vnode pager with the page daemon and the fault. */

import { beforeEach, describe, expect, it } from "vitest";
import { ubc_uiomove } from "../../../kernel/uvm/uvm_bio.ts";
import { VM_FAULT_WIRE } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_fault } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import { PGO_ALLPAGES, PGO_CLEANIT, PGO_FREE } from "../../../kernel/uvm/uvm_object.ts";
import { PG_CLEAN, type vm_page } from "../../../kernel/uvm/uvm_page.ts";
import {
	UVN_MAXFAILURES,
	type uvm_vnode,
	uvn_attach,
	uvn_reference,
} from "../../../kernel/uvm/uvm_vnode.ts";
import { EFAULT, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, uvm_unwire_page } from "../../support/address-space.ts";
import { FIRST, Files, original, SYNC } from "../../support/files.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

let f: Files;
let t: TestKernel;
beforeEach(() => {
	f = new Files();
	t = f.t;
});

describe("the page daemon", () => {
	it("frees clean pages without a transfer", () => {
		const uvn = f.file(16 * PAGE_SIZE);
		f.read(uvn, 0, 16 * PAGE_SIZE);
		const before = f.counters();
		pageout(t);
		expect(f.resident(uvn)).toEqual([]);
		expect(f.counters().writes).toBe(before.writes);
		t.check();
	});

	it("writes dirty pages in clusters and frees them", () => {
		const uvn = f.file(32 * PAGE_SIZE);
		f.read(uvn, 0, 32 * PAGE_SIZE);
		f.dirty(uvn, ...Array(32).keys());
		const before = f.counters();
		pageout(t);
		expect(f.resident(uvn)).toEqual([]);
		expect(f.counters().writes - before.writes).toBe(2);
		for (let i = 0; i < 32; i++) expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xd0 + i);
		expect(t.k.uvmexp.paging).toBe(0);
		t.check();
	});

	it("writes what was stored through a mapping, and the next access reads it back", () => {
		const uvn = f.file(4 * PAGE_SIZE);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 4, uvn)).toBe(0);
		for (let i = 0; i < 4; i++) t.run(space.store(BASE + i * PAGE_SIZE, 0x40 + i));
		pageout(t);
		expect(f.resident(uvn)).toEqual([]);
		for (let i = 0; i < 4; i++) {
			expect(t.run(space.load(BASE + i * PAGE_SIZE))).toBe(0x40 + i);
		}
		t.run(space.free());
		t.check();
	});

	it("works for files larger than memory, in both directions", () => {
		const pages = 512;
		const uvn = f.file(pages * PAGE_SIZE);
		for (let i = 0; i < pages; i++) f.write(uvn, i * PAGE_SIZE + 3, Uint8Array.of(i & 0xff));
		for (let i = 0; i < pages; i++) {
			expect(f.read(uvn, i * PAGE_SIZE + 3, 1)).toEqual(Uint8Array.of(i & 0xff));
		}
		expect(f.put(uvn, SYNC | PGO_FREE)).toBe(0);
		for (let i = 0; i < pages; i++) expect(f.onDisk(FIRST + i * 8, 512)[3]).toBe(i & 0xff);
		t.check();
	});

	it("works without swap", () => {
		f = new Files(0);
		t = f.t;
		const uvn = f.file(400 * PAGE_SIZE);
		for (let i = 0; i < 400; i++) expect(f.write(uvn, i * PAGE_SIZE, Uint8Array.of(9))).toBe(1);
		expect(f.put(uvn, SYNC)).toBe(0);
		t.check();
	});

	it("keeps pages that cannot be written, and does not try for ever", () => {
		const uvn = f.file(4 * PAGE_SIZE);
		f.dirty(uvn, 0, 1, 2, 3);
		t.disks[1]!.failWrites(FIRST, 4 * 8);
		for (let i = 0; i < 3 * UVN_MAXFAILURES; i++) pageout(t);
		expect(t.board.disks[1]!.counters.errors).toBeLessThan(UVN_MAXFAILURES + 4);
		expect(f.resident(uvn)).toEqual([0, 1, 2, 3]);
		t.disks[1]!.liftAll();
		expect(f.put(uvn, SYNC)).toBe(EIO);
		expect(f.put(uvn, SYNC)).toBe(0);
		for (let i = 0; i < 4; i++) expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xd0 + i);
		t.check();
	});

	it("one bad sector does not keep its neighbours in memory", () => {
		const uvn = f.file(8 * PAGE_SIZE);
		f.read(uvn, 0, 8 * PAGE_SIZE);
		f.dirty(uvn, ...Array(8).keys());
		t.disks[1]!.failWrites(FIRST + 3 * 8, 1);
		for (let i = 0; i < 4; i++) pageout(t);
		expect(f.resident(uvn)).toEqual([3]);
		expect(f.read(uvn, 3 * PAGE_SIZE, 1)).toEqual(Uint8Array.of(0xd3));
		t.check();
	});

	it("a memory full of pages that cannot be written is out of memory, not a hang", () => {
		f = new Files(0);
		t = f.t;
		const uvn = f.file(400 * PAGE_SIZE);
		t.disks[1]!.failWrites(0, t.disks[1]!.sectors);
		let n = 1;
		for (let i = 0; i < 400 && n === 1; i++) n = f.write(uvn, i * PAGE_SIZE, Uint8Array.of(9));
		expect(n).toBe(-ENOMEM);
		t.disks[1]!.liftAll();
		expect(f.put(uvn, SYNC)).toBe(EIO);
		expect(f.write(uvn, 399 * PAGE_SIZE, Uint8Array.of(9))).toBe(1);
		t.check();
	});
});

describe("clean and dirty", () => {
	/** A file that is mapped, shared, from BASE on. */
	function mapped(pages: number): { uvn: uvm_vnode; space: AddressSpace } {
		const uvn = f.file(pages * PAGE_SIZE);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, pages, uvn)).toBe(0);
		return { uvn, space };
	}

	it("a store while the page is being written waits, and is not lost", () => {
		const { uvn, space } = mapped(1);
		t.run(space.store(BASE + 8, 1));
		const put = t.spawn(f.putting(uvn, SYNC));
		const store = t.spawn(
			(function* () {
				expect(uvn.u_nio).toBe(1);
				return yield* space.store(BASE + 8, 2);
			})(),
		);
		t.settle();
		expect([put.result, store.result]).toEqual([0, 0]);
		expect(f.onDisk(FIRST, 512)[8]).toBe(1);
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.onDisk(FIRST, 512)[8]).toBe(2);
		t.run(space.free());
		t.check();
	});

	it("what was written asynchronously is clean then", () => {
		const { uvn, space } = mapped(2);
		t.run(space.store(BASE + 8, 1));
		t.run(space.store(BASE + PAGE_SIZE, 1));
		expect(f.put(uvn, PGO_CLEANIT | PGO_ALLPAGES)).toBe(0);
		const before = f.counters();
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.counters()).toEqual({ ...before, flushes: before.flushes + 1 });
		t.run(space.free());
	});

	it("clean pages that are mapped are freed, and come back", () => {
		const { uvn, space } = mapped(4);
		for (let i = 0; i < 4; i++) t.run(space.load(BASE + i * PAGE_SIZE));
		pageout(t);
		expect(f.resident(uvn)).toEqual([]);
		expect(t.run(space.load(BASE + PAGE_SIZE))).toBe(original(PAGE_SIZE));
		t.run(space.free());
		t.check();
	});

	it("the former life of a frame does not make a page dirty", () => {
		const space = new AddressSpace(t);
		const pages = t.k.uvmexp.free - t.k.uvmexp.freetarg;
		space.anon(BASE, pages);
		for (let i = 0; i < pages; i++) t.run(space.store(BASE + i * PAGE_SIZE, 1));
		t.run(space.free());
		const uvn = f.file(100 * PAGE_SIZE);
		f.read(uvn, 0, 100 * PAGE_SIZE);
		const before = f.counters();
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.counters()).toEqual(before);
	});

	it("nor does wiring it to be read", () => {
		const { uvn, space } = mapped(1);
		const end = BASE + PAGE_SIZE;
		expect(t.run(uvm_map_protect(t.k, space.map, BASE, end, VM_PROT_READ))).toBe(0);
		t.run(space.load(BASE));
		expect(t.run(uvm_fault(t.k, space.map, BASE, VM_FAULT_WIRE, VM_PROT_READ))).toBe(0);
		expect(f.page(uvn, 0)!.wire_count).toBe(1);
		const before = f.counters();
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.counters()).toEqual(before);
		uvm_unwire_page(space, BASE);
		t.run(space.free());
		t.check();
	});

	it("without swap, programs get the memory of all files before they are out of it", () => {
		t = new TestKernel({ ram: 24 << 20, disks: [4 << 20, 4 << 20], swapDisks: 0 });
		const uvn = uvn_attach(t.k, ld(1), FIRST, 400 * PAGE_SIZE);
		const aobj = t.aobj(8000);
		const dirty = (pg: vm_page): number => {
			pg.flags &= ~PG_CLEAN;
			return 0;
		};
		let filled = 0;
		const fill = (upto: number): void => {
			let error: number = 0;
			while (filled < upto && error === 0) error = t.run(t.page(aobj, filled++, dirty));
		};
		fill(t.k.uvmexp.free - 900);
		t.run(ubc_uiomove(t.k, uvn, 0, new Uint8Array(400 * PAGE_SIZE), false));
		expect(uvn.uo_npages).toBe(400);
		fill(8000);
		expect(uvn.uo_npages).toBe(0);
		expect(t.k.uvmexp.free).toBeLessThan(t.k.uvmexp.freemin);
	});
});

describe("mappings", () => {
	it("share their stores with each other and with read; private ones keep their own", () => {
		const uvn = f.file(2 * PAGE_SIZE);
		const [a, b, c] = [new AddressSpace(t), new AddressSpace(t), new AddressSpace(t)];
		for (const [space, cow] of [
			[a, false],
			[b, false],
			[c, true],
		] as const) {
			uvn_reference(t.k, uvn);
			expect(space.object(BASE, 2, uvn, { cow, advice: 0 })).toBe(0);
		}
		t.run(a.store(BASE + 5, 0xaa));
		expect(t.run(b.load(BASE + 5))).toBe(0xaa);
		expect(f.read(uvn, 5, 1)).toEqual(Uint8Array.of(0xaa));
		t.run(c.store(BASE + 5, 0xcc));
		expect(t.run(a.load(BASE + 5))).toBe(0xaa);
		f.write(uvn, 6, Uint8Array.of(0xbb));
		expect(t.run(a.load(BASE + 6))).toBe(0xbb);
		expect(f.put(uvn, SYNC)).toBe(0);
		expect([...f.onDisk(FIRST, 512).subarray(5, 7)]).toEqual([0xaa, 0xbb]);
		expect(t.run(c.load(BASE + 5))).toBe(0xcc);
		t.check();
		for (const space of [a, b, c]) t.run(space.free());
		expect(uvn.uo_refs).toBe(1);
		t.check();
	});

	it("end with the file: pages behind the last fault", () => {
		const uvn = f.file(PAGE_SIZE + 1);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 4, uvn)).toBe(0);
		expect(t.run(space.load(BASE + PAGE_SIZE))).toBe(original(PAGE_SIZE));
		expect(t.run(space.load(BASE + 2 * PAGE_SIZE - 1))).toBe(0);
		expect(t.run(space.load(BASE + 2 * PAGE_SIZE))).toBe(-EFAULT);
		expect(t.run(space.store(BASE + 3 * PAGE_SIZE, 1))).toBe(EFAULT);
		// What a program gets for that is SIGBUS.
		const behind = BASE + 2 * PAGE_SIZE;
		expect(t.run(uvm_fault(t.k, space.map, behind, 0, VM_PROT_READ))).toBe(EIO);
		t.run(space.free());
		t.check();
	});

	it("a read error is the access's own, and passes with its cause", () => {
		const uvn = f.file(4 * PAGE_SIZE);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 4, uvn)).toBe(0);
		t.disks[1]!.failReads(FIRST + 8, 1);
		expect(t.run(space.load(BASE))).toBe(original(0));
		expect(t.run(space.load(BASE + PAGE_SIZE))).toBe(-EFAULT);
		expect(t.run(space.load(BASE + 2 * PAGE_SIZE))).toBe(original(2 * PAGE_SIZE));
		t.disks[1]!.liftAll();
		expect(t.run(space.load(BASE + PAGE_SIZE))).toBe(original(PAGE_SIZE));
		t.run(space.free());
		t.check();
	});

	it("the file's pages stay when nobody maps it any more", () => {
		const uvn = f.file(PAGE_SIZE);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 1, uvn)).toBe(0);
		t.run(space.store(BASE, 0x11));
		t.run(space.free());
		const before = f.counters();
		expect(f.read(uvn, 0, 1)).toEqual(Uint8Array.of(0x11));
		expect(f.counters()).toEqual(before);
		t.check();
	});
});
