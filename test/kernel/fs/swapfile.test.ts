/** Swapping to a regular file that lies on a disk. */
import { beforeEach, describe, expect, it } from "vitest";
import { swap_off_file, swap_on_file } from "../../../kernel/fs/vfs_swap.ts";
import { VOP, type vnode } from "../../../kernel/fs/vnode.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { uvn_attach } from "../../../kernel/uvm/uvm_vnode.ts";
import { EBUSY, EINVAL, EIO, ENOENT, ENOMEM, ENXIO, ETXTBSY } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { Agent } from "../../support/agents.ts";
import { ld } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";
import { tar } from "../../support/tar.ts";
import { Vfs } from "../../support/vfs.ts";

const PAGES = 64;
const BEFORE = new Uint8Array(3000).fill(1);
const AFTER = new Uint8Array(3000).fill(2);

let v: Vfs;
let file: vnode;

beforeEach(() => {
	v = new Vfs({
		root: tar([
			{ path: "before", data: BEFORE },
			// Not whole pages, and it does not begin at one.
			{ path: "swap", data: new Uint8Array(PAGES * PAGE_SIZE + 700).fill(0x77) },
			{ path: "after", data: AFTER },
			{ path: "small", data: "x" },
			{ path: "dir/", type: "5" },
		]),
	});
	// Nothing but the file to swap to.
	expect(v.t.run(swap_off(v.t.k, ld(0)))).toBe(0);
	file = v.vnode("/swap");
});

const on = (vp = file, path = "/swap"): number => v.t.run(swap_on_file(v.t.k, path, vp, 0));
const off = (vp = file): number => v.t.run(swap_off_file(v.t.k, vp));

/** A process with memory: page i begins with byte i + 1. */
function memory(pages: number): AddressSpace {
	const space = new AddressSpace(v.t);
	space.anon(BASE, pages);
	v.t.run(
		(function* (): Sleeps<void> {
			for (let i = 0; i < pages; i++) yield* space.store(BASE + i * PAGE_SIZE, i + 1);
		})(),
	);
	return space;
}

const read = (path: string, offset: number, size: number): Uint8Array => {
	const into = new Uint8Array(size);
	const vp = v.vnode(path);
	const n = v.t.run(VOP(v.t.k, vp).vop_read(v.t.k, vp, into, offset));
	return into.subarray(0, n);
};

describe("a file on a disk", () => {
	it("takes pages, gives them back, and nothing beside it changes", () => {
		expect(on()).toBe(0);
		expect(v.t.k.uvmexp).toMatchObject({ nswapdev: 1, swpages: PAGES - 1 });
		const space = memory(40);
		pageout(v.t);
		expect(v.t.k.uvmexp.swpgonly).toBe(40);
		v.t.check();
		for (let i = 0; i < 40; i++) expect(v.t.run(space.load(BASE + i * PAGE_SIZE))).toBe(i + 1);
		pageout(v.t);
		expect(off()).toBe(0);
		for (let i = 0; i < 40; i++) expect(v.t.run(space.load(BASE + i * PAGE_SIZE))).toBe(i + 1);
		expect(v.t.k.uvmexp).toMatchObject({ nswapdev: 0, swpages: 0, swpginuse: 0 });
		expect(read("/before", 0, 3000)).toEqual(BEFORE);
		expect(read("/after", 0, 3000)).toEqual(AFTER);
		v.t.check();
	});

	it("is written before, and read again afterwards", () => {
		const vp = v.vnode("/swap", O_RDWR);
		expect(v.t.run(VOP(v.t.k, vp).vop_write(v.t.k, vp, Uint8Array.of(9), 0))).toBe(1);
		expect(read("/swap", PAGE_SIZE, 2)).toEqual(Uint8Array.of(0x77, 0x77));
		expect(on()).toBe(0);
		// The label's page is not used.
		expect(read("/swap", 0, 2)).toEqual(Uint8Array.of(9, 0x77));
		read("/swap", PAGE_SIZE, 1);
		const space = memory(3);
		pageout(v.t);
		expect(off()).toBe(0);
		expect(read("/swap", PAGE_SIZE, 1)).toEqual(Uint8Array.of(1));
		expect(v.t.run(space.load(BASE))).toBe(1);
	});

	it("cannot be written, cut off, opened to write or mapped meanwhile", () => {
		const vp = v.vnode("/swap", O_RDWR);
		const { k } = v.t;
		const agent = Agent.create(v.t);
		const at = 0x10_0000;
		expect(agent.syscall(SYS.mmap2, at, PAGE_SIZE, 3, 0x32, -1, 0)).toBe(at);
		agent.run(() => agent.string(at, "/swap"));
		const fd = agent.syscall(SYS.openat, -100, at, O_RDWR, 0);
		expect(fd).toBeGreaterThanOrEqual(0);
		expect(on()).toBe(0);
		expect(v.t.run(VOP(k, vp).vop_write(k, vp, Uint8Array.of(9), 0))).toBe(-ETXTBSY);
		expect(v.t.run(VOP(k, vp).vop_truncate(k, vp, 0))).toBe(ETXTBSY);
		expect(v.open("/swap", O_RDWR)).toBe(ETXTBSY);
		expect(agent.syscall(SYS.mmap2, 0, PAGE_SIZE, 1, 1, fd, 0)).toBe(-ETXTBSY);
		expect(on()).toBe(EBUSY);
		expect(off()).toBe(0);
		expect(v.t.run(VOP(k, vp).vop_write(k, vp, Uint8Array.of(9), 0))).toBe(1);
		const mapped = agent.syscall(SYS.mmap2, 0, PAGE_SIZE, 1, 1, fd, 0);
		expect(mapped).toBeGreaterThan(0);
		expect(on()).toBe(EBUSY);
		agent.syscall(SYS.munmap, mapped, PAGE_SIZE);
		expect(on()).toBe(0);
		expect(off()).toBe(0);
		v.t.check();
	});
});

describe("refused:", () => {
	it("files in memory, directories, small files, what is no swap device", () => {
		expect(on(v.vnode("/tmp/f", O_RDWR | O_CREAT), "/tmp/f")).toBe(EINVAL);
		expect(on(v.vnode("/dir"), "/dir")).toBe(EINVAL);
		expect(on(v.vnode("/small"), "/small")).toBe(EINVAL);
		expect(off()).toBe(ENXIO);
		expect(v.t.k.uvm.swap_files).toEqual([]);
		expect(file.v_usecount).toBeGreaterThan(0);
	});

	it("to take out a file whose pages do not fit memory", () => {
		const { k } = v.t;
		expect(on()).toBe(0);
		const space = memory(4);
		pageout(v.t);
		k.failinject = (what) => what === "page";
		k.uvm.pdfruitless = 100;
		expect(off()).toBe(ENOMEM);
		k.failinject = null;
		expect(k.uvm.swap_files).toEqual([file]);
		expect(v.open("/swap", O_RDWR)).toBe(ETXTBSY);
		expect(v.t.run(space.load(BASE))).toBe(1);
		expect(off()).toBe(0);
		v.t.check();
	});

	it("a file that cannot be written back", () => {
		const { k } = v.t;
		const vp = v.vnode("/swap", O_RDWR);
		v.t.run(VOP(k, vp).vop_write(k, vp, Uint8Array.of(9), 0));
		const { blkno } = VOP(k, vp).vop_bmap!(k, vp);
		v.t.disks[1]!.failWrites(blkno, 8);
		expect(on()).toBe(EIO);
		expect([k.uvm.swap_files.length, k.uvmexp.nswapdev]).toEqual([0, 0]);
	});

	it("the disk that files are on", () => {
		expect(swap_on(v.t.k, "/dev/ld1", ld(1), 0)).toBe(EBUSY);
		uvn_attach(v.t.k, ld(2), 0, 512);
		expect(swap_on(v.t.k, "/dev/ld2", ld(2), 0)).toBe(EBUSY);
	});
});

describe("swapon and swapoff", () => {
	it("take the path of a file", () => {
		const agent = Agent.create(v.t);
		const at = 0x10_0000;
		expect(agent.syscall(SYS.mmap2, at, PAGE_SIZE, 3, 0x32, -1, 0)).toBe(at);
		const call = (number: number, path: string): number => {
			agent.run(() => agent.string(at, path));
			return agent.syscall(number, at, 0);
		};
		const { v_usecount } = file;
		expect(call(SYS.swapon, "/swap")).toBe(0);
		expect(v.t.k.uvm.swap_list[0]).toMatchObject({ swd_path: "/swap", swd_vp: file });
		expect(call(SYS.swapon, "/swap")).toBe(-EBUSY);
		expect(call(SYS.swapoff, "/swap")).toBe(0);
		expect(call(SYS.swapoff, "/swap")).toBe(-ENXIO);
		expect(call(SYS.swapon, "/none")).toBe(-ENOENT);
		expect(call(SYS.swapon, "/dev/ld0")).toBe(0);
		expect(call(SYS.swapoff, "/dev/ld0")).toBe(0);
		expect(file.v_usecount).toBe(v_usecount);
	});
});
