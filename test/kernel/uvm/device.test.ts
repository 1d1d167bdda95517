/** The device pager: memory of a device in an address space, without pages. */
import { beforeEach, describe, expect, it } from "vitest";
import { makedev } from "../../../kernel/dev/conf.ts";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import type { uvm_device } from "../../../kernel/uvm/uvm_device.ts";
import { udv_attach } from "../../../kernel/uvm/uvm_device.ts";
import { uvm_fault } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_io } from "../../../kernel/uvm/uvm_io.ts";
import {
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_FREE,
	PGO_LOCKED,
	PGO_SYNCIO,
	pagerops,
} from "../../../kernel/uvm/uvm_object.ts";
import { pmap_extract } from "../../../pmap/pmap.ts";
import { EACCES, EFAULT, EIO, ENODEV } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";

const MAJOR = 7;
/** Where the test's device has three pages of registers: nothing is ever read from there. */
const WHERE = 0x3000_0000;
const PAGES = 3;

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
	const nobody = function* () {
		return 0;
	};
	t.k.cdevsw[MAJOR] = {
		d_name: "test",
		d_read: nobody,
		d_write: nobody,
		d_mmap: (_k, minor, offset, prot) => {
			if (minor === 1 && (prot & VM_PROT_WRITE) !== 0) return -1;
			return offset < PAGES * PAGE_SIZE ? WHERE + offset : -1;
		},
	};
	t.k.cdevsw[MAJOR + 1] = { d_name: "no memory", d_read: nobody, d_write: nobody };
});

function device(minor = 0): uvm_device {
	const udv = udv_attach(t.k, makedev(MAJOR, minor));
	if (typeof udv === "number") throw new Error(`errno ${udv}`);
	return udv;
}

const fault = (space: AddressSpace, va: number, access: number): number =>
	t.run(uvm_fault(t.k, space.map, va, 0, access));

describe("udv_attach", () => {
	it("gives one object for a device, and another for another", () => {
		const [a, b, c] = [device(), device(), device(1)];
		expect(a).toBe(b);
		expect(a.uo_refs).toBe(2);
		expect(c).not.toBe(a);
		for (const udv of [a, b, c]) t.run(pagerops(t.k, udv).pgo_detach(t.k, udv));
		expect(t.k.uvm.udv_list).toEqual([]);
	});

	it("refuses what is no device, and what has no memory", () => {
		expect(udv_attach(t.k, makedev(MAJOR + 1, 0))).toBe(ENODEV);
		expect(udv_attach(t.k, makedev(99, 0))).toBe(ENODEV);
	});
});

it("has no pages to get or to flush", () => {
	const udv = device();
	const { pgo_get, pgo_get_locked, pgo_put } = pagerops(t.k, udv);
	const pps = [null];
	simple_lock(t.k, udv.vmobjlock);
	expect(pgo_get_locked(t.k, udv, 0, pps, 1, 0, VM_PROT_READ, PGO_LOCKED)).toBe(EIO);
	expect(t.run(pgo_get(t.k, udv, 0, pps, 1, 0, VM_PROT_READ, PGO_SYNCIO))).toBe(EIO);
	expect([pps, udv.vmobjlock.locked]).toEqual([[null], false]);
	simple_lock(t.k, udv.vmobjlock);
	expect(t.run(pgo_put(t.k, udv, 0, 0, PGO_ALLPAGES | PGO_CLEANIT | PGO_FREE))).toBe(0);
	expect(udv.vmobjlock.locked).toBe(false);
	t.run(pagerops(t.k, udv).pgo_detach(t.k, udv));
	t.check();
});

describe("a fault", () => {
	it("enters the physical address, with its neighbours, and no page changes hands", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES, device())).toBe(0);
		const { free, active } = t.k.uvmexp;
		expect(fault(space, BASE + PAGE_SIZE, VM_PROT_WRITE)).toBe(0);
		for (let i = 0; i < PAGES; i++) {
			const pa = pmap_extract(t.k, space.map.pmap, BASE + i * PAGE_SIZE);
			expect(pa).toBe(WHERE + i * PAGE_SIZE);
		}
		// A page table, and nothing else.
		expect(t.k.uvmexp.free).toBe(free - 1);
		expect(t.k.uvmexp.active).toBe(active);
		t.check();
		t.run(space.free());
		t.check();
	});

	it("behind the end of the device is an I/O error, and where the driver refuses", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES + 2, device())).toBe(0);
		expect(fault(space, BASE + PAGES * PAGE_SIZE, VM_PROT_READ)).toBe(EIO);
		expect(fault(space, BASE, VM_PROT_READ)).toBe(0);
		expect(space.object(2 * BASE, PAGES, device(1))).toBe(0);
		expect(fault(space, 2 * BASE, VM_PROT_READ)).toBe(EIO);
		t.run(space.free());
		expect(t.k.uvm.udv_list).toEqual([]);
		t.check();
	});

	it("never makes a private copy", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES, device(), { cow: true, advice: 0 })).toBe(0);
		expect(fault(space, BASE, VM_PROT_READ)).toBe(EACCES);
		expect(fault(space, BASE, VM_PROT_WRITE)).toBe(EACCES);
		expect(pmap_extract(t.k, space.map.pmap, BASE)).toBe(-1);
		t.run(space.free());
		t.check();
	});

	it("does not enter it in a kernel map, where another process would look at it", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES, device())).toBe(0);
		const uio = { uio_offset: BASE, uio_resid: 8, uio_buf: new Uint8Array(8), uio_write: false };
		const entries = t.k.uvm.kernel_map!.nentries;
		expect(t.run(uvm_io(t.k, space.map, uio, 0))).toBe(EFAULT);
		expect(uio.uio_resid).toBe(8);
		expect(t.k.uvm.kernel_map!.nentries).toBe(entries);
		t.run(space.free());
		t.check();
	});

	it("waits for memory for a page table, and then succeeds", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES, device())).toBe(0);
		let refusals = 3;
		t.k.failinject = (what) => what === "page" && refusals-- > 0;
		expect(fault(space, BASE, VM_PROT_READ)).toBe(0);
		t.k.failinject = null;
		expect(refusals).toBeLessThan(1);
		expect(pmap_extract(t.k, space.map.pmap, BASE)).toBe(WHERE);
		t.run(space.free());
		t.check();
	});

	it("a system call cannot copy from or to where no device answers", () => {
		const space = new AddressSpace(t);
		expect(space.object(BASE, PAGES, device())).toBe(0);
		expect(t.run(space.load(BASE))).toBe(-EFAULT);
		expect(t.run(space.store(BASE, 1))).toBe(EFAULT);
		t.run(space.free());
		t.check();
	});
});
