/** Balancing of page types: which kinds of pages the page daemon spares, and its tunables. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { copyout } from "../../../kernel/kern/proc/copy.ts";
import { sysent_uvmctl, UVMCTL_SETVM } from "../../../kernel/kern/sys/sys_uvmctl.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import {
	REACT_ANON,
	REACT_EXEC,
	REACT_FILE,
	sysctl_vm,
	uvmpd_balance,
} from "../../../kernel/uvm/uvm_meter.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { type uvm_vnode, uvn_markexec, uvn_reference } from "../../../kernel/uvm/uvm_vnode.ts";
import { EFAULT, EINVAL, ENOENT, EPERM } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_EXECUTE, VM_PROT_READ } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { Files } from "../../support/files.ts";
import type { TestKernel } from "../../support/kernel.ts";
import { checkAtRest, fill, pageout } from "../../support/paging.ts";

let f: Files;
let t: TestKernel;
beforeEach(() => {
	f = new Files();
	t = f.t;
});

/** Percent of the memory that can be paged, in pages. */
function pages(percent: number): number {
	const { active, inactive, free } = t.k.uvmexp;
	return Math.floor(((active + inactive + free) * percent) / 100);
}
/** A file of `n` pages that are all in memory. */
function resident(n: number, sector?: number): uvm_vnode {
	const uvn = f.file(n * PAGE_SIZE, sector);
	f.read(uvn, 0, n * PAGE_SIZE);
	expect(uvn.uo_npages).toBe(n);
	return uvn;
}
/** `n` pages of anonymous memory. */
function anonymous(n: number): uvm_object {
	const uobj = t.aobj(n);
	t.run(fill(t, uobj, Array(n).keys()));
	return uobj;
}
const set = (name: string, percent: number): number => sysctl_vm(t.k, name, percent);
const spared = (): number[] => {
	const { pdreanon, pdrefile, pdreexec } = t.k.uvmexp;
	return [pdreanon, pdrefile, pdreexec];
};

describe("the page daemon", () => {
	it("spares files that have less than their minimum while anonymous memory has more", () => {
		const uvn = resident(pages(8));
		const uobj = anonymous(pages(40));
		const { filepages } = t.k.uvmexp;
		pageout(t);
		expect(uvn.uo_npages).toBe(filepages);
		expect(t.k.uvmexp.anonpages).toBeLessThan(pages(10));
		expect(spared()).toEqual([0, filepages, 0]);
		checkAtRest(t, uobj);
	});

	it("does not, if the minimum is lower", () => {
		const uvn = resident(pages(8));
		anonymous(pages(40));
		expect(set("vm.filemin", 2)).toBe(0);
		pageout(t);
		expect(uvn.uo_npages).toBe(0);
	});

	it("spares anonymous memory while files have more than their maximum", () => {
		const uvn = resident(pages(60));
		anonymous(pages(20));
		const { pgswapout, anonpages } = t.k.uvmexp;
		pageout(t);
		expect(uvn.uo_npages).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ pgswapout, anonpages });
		expect(spared()).toEqual([anonpages, 0, 0]);
	});

	it("does not, if the maximum is higher", () => {
		resident(pages(60));
		anonymous(pages(20));
		expect(set("vm.filemax", 70)).toBe(0);
		pageout(t);
		expect(t.k.uvmexp).toMatchObject({ anonpages: 0, filepages: 0 });
		expect(spared()).toEqual([0, 0, 0]);
	});

	it("spares programs apart from other files", () => {
		const other = resident(pages(30));
		const program = resident(pages(4), 1000);
		uvn_markexec(t.k, program);
		const n = program.uo_npages;
		expect(t.k.uvmexp).toMatchObject({ filepages: other.uo_npages, execpages: n });
		t.check();
		pageout(t);
		expect([other.uo_npages, program.uo_npages]).toEqual([0, n]);
		expect(spared()).toEqual([0, 0, n]);
		t.check();
	});

	it("a file becomes a program when mprotect lets it be executed", () => {
		const uvn = resident(4);
		const uobj = anonymous(1);
		const space = new AddressSpace(t);
		const counts = (): number[] => [t.k.uvmexp.filepages, t.k.uvmexp.execpages];
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 4, uvn, { cow: true, advice: 0 })).toBe(0);
		expect(space.object(BASE + 4 * PAGE_SIZE, 1, uobj)).toBe(0);
		const protect = (prot: number): number =>
			t.run(uvm_map_protect(t.k, space.map, BASE, BASE + 5 * PAGE_SIZE, prot));
		expect([protect(VM_PROT_READ), ...counts()]).toEqual([0, 4, 0]);
		expect([protect(VM_PROT_READ | VM_PROT_EXECUTE), ...counts()]).toEqual([0, 0, 4]);
		expect([protect(VM_PROT_READ), ...counts()]).toEqual([0, 0, 4]);
		t.check();
	});

	it("spares nothing if each kind is to be spared", () => {
		const uvn = resident(pages(5));
		pageout(t);
		expect(uvn.uo_npages).toBe(0);
	});

	it("spares nothing if only anonymous memory is left, and there is no swap for it", () => {
		f = new Files(0);
		t = f.t;
		const uvn = resident(pages(8));
		const uobj = anonymous(pages(40));
		const { anonpages } = t.k.uvmexp;
		pageout(t);
		expect([uvn.uo_npages, t.k.uvmexp.anonpages]).toEqual([0, anonpages]);
		expect(spared()).toEqual([0, 0, 0]);
		checkAtRest(t, uobj);
	});

	it("spares a kind with no more than its minimum, or while another exceeds its maximum", () => {
		const kinds = [REACT_ANON, REACT_FILE, REACT_EXEC];
		const all = REACT_ANON | REACT_FILE | REACT_EXEC;
		const limits = { anonminpct: 25, fileminpct: 25, execminpct: 25 };
		Object.assign(t.k.uvmexp, limits, { anonmaxpct: 50, filemaxpct: 50, execmaxpct: 50 });
		const balance = (anonpages: number, filepages: number, execpages: number): number => {
			const e = { ...t.k.uvmexp, active: 20, inactive: 30, free: 50 };
			return uvmpd_balance({ ...t.k, uvmexp: { ...e, anonpages, filepages, execpages } });
		};
		for (const [i, kind] of kinds.entries()) {
			const others = (n: number): [number, number, number] =>
				[26, 26, 26].with(i, n) as [number, number, number];
			expect(balance(...others(26))).toBe(0);
			expect(balance(...others(25))).toBe(kind);
			expect(balance(...others(50))).toBe(0);
			expect(balance(...others(51))).toBe(all & ~kind);
		}
	});

	it("spares nothing after scans in vain", () => {
		const uvn = resident(pages(8));
		anonymous(pages(40));
		t.k.uvm.pdfruitless = 1;
		pageout(t);
		expect(uvn.uo_npages).toBe(0);
	});
});

describe("tunables", () => {
	it("are percentages, and the minima together at most 95", () => {
		expect(set("vm.anonmin", 80)).toBe(0);
		expect(set("vm.anonmin", 81)).toBe(EINVAL);
		expect(set("vm.anonmax", 100)).toBe(0);
		for (const wrong of [101, -1, 1.5, Number.NaN]) expect(set("vm.anonmax", wrong)).toBe(EINVAL);
		expect(set("vm.nonesuch", 1)).toBe(ENOENT);
		expect(t.k.uvmexp).toMatchObject({ anonminpct: 80, anonmaxpct: 100 });
	});

	it("can be set by root, through uvmctl", () => {
		const space = new AddressSpace(t);
		space.anon(BASE, 1);
		const uvmctl = (text: string, va = BASE): number => {
			const bytes = new TextEncoder().encode(text);
			t.run(copyout(t.k, space.map, bytes, BASE));
			const args = Uint32Array.of(UVMCTL_SETVM, va, bytes.length);
			const call = sysent_uvmctl[SYS.uvmctl]!(t.k, space.proc, args);
			return t.run(call as Sleeps<number>, space.proc);
		};
		expect(uvmctl("vm.filemax=33")).toBe(0);
		expect(t.k.uvmexp.filemaxpct).toBe(33);
		for (const wrong of ["vm.filemax=101", "vm.filemax", "vm.nonesuch=1", "", "x".repeat(65)]) {
			expect(uvmctl(wrong)).toBe(-EINVAL);
		}
		expect(uvmctl("vm.filemax=34", 4 * PAGE_SIZE)).toBe(-EFAULT);
		space.proc.p_cred = { ...space.proc.p_cred, cr_euid: 1000 };
		expect(uvmctl("vm.filemax=34")).toBe(-EPERM);
		expect(t.k.uvmexp.filemaxpct).toBe(33);
	});
});
