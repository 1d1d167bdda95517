/** Corners of mmap, mremap, madvise and mlockall, as Linux has them. */

import { beforeEach, describe, expect, it } from "vitest";
import { RLIMIT_MEMLOCK } from "../../../kernel/kern/core/rlimit.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uao_reference } from "../../../kernel/uvm/uvm_aobj.ts";
import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args } from "../../../kernel/uvm/uvm_map.ts";
import { uvm_map_lookup_entry, VM_MAP_WIREFUTURE } from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import { EAGAIN, EBUSY, EEXIST, EFAULT, EINVAL, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const READ = 1;
const WRITE = 2;
const RW = 3;
const PRIVATE = 0x32;
const SHARED = 0x31;
const NOREPLACE = 0x10_0022;
const MAYMOVE = 1;
const TO = 3;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20, disks: [1 << 20] });
	Agent.create(t);
	agent = Agent.create(t);
});

const mmap = (page: number, n: number, flags = PRIVATE, prot = RW): number =>
	agent.syscall(SYS.mmap2, at(page), n * PAGE_SIZE, prot, flags, -1, 0);
const load = (va: number): number | null => agent.run(() => agent.load(va));
const store = (va: number, value: number): number => agent.run(() => agent.store(va, value));
const mremap = (page: number, from: number, to: number, flags = MAYMOVE, where = 0): number =>
	agent.syscall(SYS.mremap, at(page), from * PAGE_SIZE, to * PAGE_SIZE, flags, where);

it("MAP_FIXED_NOREPLACE says EEXIST where something is mapped", () => {
	mmap(0, 2);
	expect(mmap(1, 2, NOREPLACE)).toBe(-EEXIST);
	expect(mmap(2, 2, NOREPLACE)).toBe(at(2));
	t.check();
});

it.each([
	["madvise DONTNEED", SYS.madvise, 4, EINVAL],
	["madvise COLD", SYS.madvise, 20, EINVAL],
	["madvise PAGEOUT", SYS.madvise, 21, EINVAL],
	["msync INVALIDATE", SYS.msync, 2, EBUSY],
] as const)("%s of locked memory behind a hole is refused", (_name, call, how, error) => {
	mmap(1, 3);
	agent.syscall(SYS.mlock, at(2), PAGE_SIZE);
	expect(agent.syscall(call, at(0), 4 * PAGE_SIZE, how)).toBe(-error);
	agent.syscall(SYS.munlock, at(2), PAGE_SIZE);
	expect(agent.syscall(call, at(0), 4 * PAGE_SIZE, how)).toBe(-ENOMEM);
});

describe("memory that may be written to, but not read", () => {
	it("can be read nevertheless, as on every RISC-V", () => {
		mmap(0, 2, PRIVATE, WRITE);
		expect([load(at(0)), store(at(0), 3), load(at(0))]).toEqual([0, 0, 3]);
		agent.syscall(SYS.mprotect, at(1), PAGE_SIZE, WRITE);
		expect([load(at(1)), store(at(1), 4), load(at(1))]).toEqual([0, 0, 4]);
	});

	it("is copied after a fork, though it cannot be mapped before", () => {
		mmap(0, 8);
		for (let page = 0; page < 8; page++) store(at(page), page);
		agent.run(() => uvm_map_protect(t.k, agent.map, at(0), at(8), WRITE));
		const child = agent.run(() => agent.fork()) as Agent;
		expect([store(at(4), 9), child.run(() => child.store(at(5), 9))]).toEqual([0, 0]);
		t.check();
		agent.run(() => uvm_map_protect(t.k, agent.map, at(0), at(8), READ));
		expect([3, 4, 5].map((page) => load(at(page)))).toEqual([3, 9, 5]);
	});

	it("is copied from a file page by page, too", () => {
		const id = agent.syscall(SYS.shmget, 0, 8 * PAGE_SIZE, 0o1600);
		expect(agent.syscall(SYS.shmat, id, at(0), 0)).toBe(at(0));
		for (let page = 0; page < 8; page++) store(at(page), page);
		const { uvm_obj } = uvm_map_lookup_entry(agent.map, at(0));
		uao_reference(t.k, uvm_obj!);
		const args = uvm_map_args(at(16), 8 * PAGE_SIZE);
		args.uobj = uvm_obj;
		args.offset = 0;
		args.prot = WRITE;
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		agent.run(() => uvm_map(t.k, agent.map, args));
		expect(store(at(20), 9)).toBe(0);
		t.check();
		expect(load(at(4))).toBe(4);
	});
});

describe("mremap", () => {
	it("of shared memory that cannot grow leaves it where it is", () => {
		mmap(0, 1, SHARED);
		mmap(1, 1);
		store(at(0), 7);
		expect(mremap(0, 1, 2)).toBe(-ENOMEM);
		expect([load(at(0)), store(at(0), 8), load(at(0))]).toEqual([7, 0, 8]);
		t.check();
	});

	it("of an object that has no room to grow takes no reference to it", () => {
		const id = agent.syscall(SYS.shmget, 0, 3 * PAGE_SIZE, 0o600);
		expect(agent.syscall(SYS.shmat, id, BASE, 0)).toBe(BASE);
		agent.syscall(SYS.munmap, at(2), PAGE_SIZE);
		mmap(2, 1);
		expect(mremap(0, 2, 3, 0)).toBe(-ENOMEM);
		t.check();
		agent.syscall(SYS.munmap, at(2), PAGE_SIZE);
		expect([mremap(0, 2, 3, 0), store(at(2), 7), load(at(2))]).toEqual([BASE, 0, 7]);
		t.check();
	});

	it("moves what locking has cut in pieces, and all of it", () => {
		const size = 300;
		mmap(0, size);
		mmap(size, 1);
		for (const page of [0, 100, 299]) store(at(page), page + 1);
		for (const call of [SYS.mlock, SYS.munlock]) {
			expect(agent.syscall(call, at(100), PAGE_SIZE)).toBe(0);
		}
		expect(agent.map.nentries).toBe(3);
		const to = mremap(0, size, 2 * size);
		expect(to).toBeGreaterThan(0);
		expect(load(at(0))).toBe(null);
		const found = [0, 50, 100, 299, 300, 599].map((page) => load(to + page * PAGE_SIZE));
		expect(found).toEqual([1, 0, 101, 300, 0, 0]);
		t.check();
	});

	it("grows again and again what was shared with a child", () => {
		mmap(0, 4);
		store(at(0), 1);
		const child = agent.run(() => agent.fork());
		expect(mremap(0, 4, 8)).toBe(at(0));
		store(at(7), 8);
		mmap(8, 1);
		const to = mremap(0, 8, 16);
		expect([load(to), load(to + 7 * PAGE_SIZE), load(to + 15 * PAGE_SIZE)]).toEqual([1, 8, 0]);
		expect(child).toBeInstanceOf(Agent);
		t.check();
	});

	it("with an old size of 0 maps shared memory a second time", () => {
		mmap(0, 4, SHARED);
		store(at(1), 5);
		const to = mremap(1, 0, 2);
		expect(to).toBeGreaterThan(0);
		expect([load(to), store(to + PAGE_SIZE, 6), load(at(2))]).toEqual([5, 0, 6]);
		t.check();
		// A child shares both.
		const child = agent.run(() => agent.fork()) as Agent;
		expect(child.run(() => child.store(at(1), 7))).toBe(0);
		expect([load(at(1)), load(to)]).toEqual([7, 7]);
		// It lasts when the first one is gone, and cannot be longer than what there is.
		agent.syscall(SYS.munmap, at(0), 4 * PAGE_SIZE);
		expect(load(to)).toBe(7);
		expect(agent.syscall(SYS.mremap, to, 0, 3 * PAGE_SIZE, MAYMOVE)).toBe(-ENOMEM);
		expect(agent.syscall(SYS.mremap, to, 0, PAGE_SIZE, 0)).toBe(-ENOMEM);
		mmap(0, 1);
		expect([mremap(0, 0, 1), mremap(1, 0, 1)]).toEqual([-EINVAL, -EFAULT]);
		t.check();
	});

	it("with an old size of 0 shows as much of an object as one asks for", () => {
		const id = agent.syscall(SYS.shmget, 0, 4 * PAGE_SIZE, 0o600);
		agent.syscall(SYS.shmat, id, BASE, 0);
		store(at(3), 4);
		agent.syscall(SYS.munmap, at(2), 2 * PAGE_SIZE);
		expect(mremap(1, 0, 3, TO, at(8))).toBe(at(8));
		expect([load(at(10)), store(at(8), 2), load(at(1))]).toEqual([4, 0, 2]);
		t.check();
	});

	it("takes a mapping back and forth without leaving entries behind", () => {
		mmap(0, 4);
		for (const page of [0, 3]) store(at(page), page + 1);
		for (let i = 0; i < 5; i++) {
			expect(mremap(0, 4 + 4 * i, 8 + 4 * i, TO, at(100))).toBe(at(100));
			expect(mremap(100, 8 + 4 * i, 8 + 4 * i, TO, at(0))).toBe(at(0));
		}
		expect(agent.map.nentries).toBe(1);
		expect([load(at(0)), load(at(3)), load(at(23))]).toEqual([1, 4, 0]);
		t.check();
	});

	it("refuses parts of several mappings", () => {
		mmap(0, 1);
		mmap(1, 1, PRIVATE, READ);
		mmap(2, 1, SHARED, READ);
		expect([mremap(0, 2, 4), mremap(1, 2, 4), mremap(2, 2, 4)]).toEqual(Array(3).fill(-EFAULT));
	});

	it("without memory leaves no reserved room behind", () => {
		mmap(0, 4);
		mmap(4, 1);
		store(at(1), 2);
		const { size } = agent.map;
		for (let fail = 0, n = 0; ; fail++, n = 0) {
			t.k.failinject = () => n++ >= fail;
			const result = mremap(0, 3, 5);
			t.k.failinject = null;
			if (result > 0) break;
			expect([result, agent.map.size, load(at(1))]).toEqual([-ENOMEM, size, 2]);
			t.check();
		}
		expect(agent.map.size).toBe(size + 2 * PAGE_SIZE);
	});

	it("moves what is wired, and wires what is new of it", () => {
		mmap(0, 2);
		store(at(1), 5);
		agent.syscall(SYS.mlock, at(0), 2 * PAGE_SIZE);
		const { wired } = t.k.uvmexp;
		expect(mremap(0, 2, 4, TO, at(8))).toBe(at(8));
		expect(t.k.uvmexp.wired).toBe(wired + 2);
		expect(load(at(9))).toBe(5);
		t.check();
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: 4 * PAGE_SIZE, rlim_max: 4 * PAGE_SIZE };
		expect(mremap(8, 4, 5, TO, at(0))).toBe(-EAGAIN);
		// An error leaves it wired where it is.
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
		expect(mremap(8, 4, 5, TO, at(9))).toBe(-EINVAL);
		expect([t.k.uvmexp.wired, load(at(9))]).toEqual([wired + 2, 5]);
		agent.syscall(SYS.munlock, at(8), PAGE_SIZE);
		expect(mremap(8, 4, 4, TO, at(0))).toBe(-EFAULT);
		t.check();
	});

	it("with DONTUNMAP leaves an empty mapping of private memory behind", () => {
		const [KEEP, MOVE] = [5, 7];
		mmap(0, 4);
		for (const page of [0, 1, 2, 3]) store(at(page), page + 1);
		agent.syscall(SYS.mprotect, at(3), PAGE_SIZE, READ);
		expect(mremap(0, 3, 3, MOVE, at(8))).toBe(at(8));
		expect([0, 1, 2, 8, 9, 10].map((page) => load(at(page)))).toEqual([0, 0, 0, 1, 2, 3]);
		expect(store(at(0), 9)).toBe(0);
		expect([load(at(0)), load(at(8))]).toEqual([9, 1]);
		const twin = mremap(8, 1, 1, KEEP);
		expect([load(twin), load(at(8))]).toEqual([1, 0]);
		t.check();
		mmap(20, 1, SHARED);
		store(at(20), 7);
		expect(mremap(20, 1, 1, MOVE, at(22))).toBe(at(22));
		store(at(22), 8);
		expect(load(at(20))).toBe(8);
		expect([mremap(20, 1, 2, KEEP), mremap(20, 1, 1, 4)]).toEqual([-EINVAL, -EINVAL]);
		t.check();
	});

	it("with DONTUNMAP but without memory for it takes nothing away, and leaves nothing", () => {
		const MOVE = 7;
		mmap(0, 4);
		for (const page of [0, 1, 2, 3]) store(at(page), page + 1);
		for (let fail = 0, result = -ENOMEM; result === -ENOMEM; fail++) {
			let asked = 0;
			t.k.failinject = (what) => what === "vmmpepl" && asked++ === fail;
			result = mremap(0, 3, 3, MOVE, at(8));
			t.k.failinject = null;
			t.check();
			if (result === -ENOMEM) expect([load(at(1)), load(at(8))]).toEqual([2, null]);
			else expect([result, asked <= fail, fail > 2]).toEqual([at(8), true, true]);
		}
		expect([1, 3, 9].map((page) => load(at(page)))).toEqual([0, 4, 2]);
	});
});

it("MADV_DOFORK makes shared memory shared again, not copied", () => {
	const [DONTFORK, DOFORK] = [10, 11];
	mmap(0, 1, SHARED);
	mmap(1, 1);
	store(at(0), 1);
	store(at(1), 1);
	for (const advice of [DONTFORK, DOFORK]) {
		agent.syscall(SYS.madvise, at(0), 2 * PAGE_SIZE, advice);
	}
	const child = agent.run(() => agent.fork()) as Agent;
	for (const page of [0, 1]) child.run(() => child.store(at(page), 9));
	expect([load(at(0)), load(at(1))]).toEqual([9, 1]);
	t.check();
});

it("mlockall that fails does not wire what is mapped later", () => {
	mmap(0, 4);
	agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: PAGE_SIZE, rlim_max: PAGE_SIZE };
	expect(agent.syscall(SYS.mlockall, 3)).toBe(-ENOMEM);
	expect(agent.map.flags & VM_MAP_WIREFUTURE).toBe(0);
	expect(mmap(8, 4)).toBe(at(8));
	agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
	expect(agent.syscall(SYS.mlockall, 3)).toBe(0);
	expect(agent.map.flags & VM_MAP_WIREFUTURE).not.toBe(0);
	t.check();
});
