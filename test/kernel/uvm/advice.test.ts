/** What a process may say of its memory: inheritance, msync and MADV_FREE. */

import { beforeEach, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { UVM_INH_COPY } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map_inherit } from "../../../kernel/uvm/uvm_map_advice.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { PQ_ACTIVE, PQ_INACTIVE } from "../../../kernel/uvm/uvm_page.ts";
import { EINVAL, ENOMEM, ENOTSUP } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const BASE = 0x1000_0000;
const RW = 3;
const PRIVATE = 0x32;
const SHARED = 0x31;
const MADV_RANDOM = 1;
const MADV_SEQUENTIAL = 2;
const MADV_WILLNEED = 3;
const MADV_FREE = 8;
const MADV_WIPEONFORK = 18;
const MADV_KEEPONFORK = 19;
const MADV_COLD = 20;
const MADV_PAGEOUT = 21;
const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;
const MS_ASYNC = 1;
const MS_SYNC = 4;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;

beforeEach(() => {
	t = new TestKernel();
	Agent.create(t);
	agent = Agent.create(t);
});

/** Eight pages that hold their number + 1. */
function map(flags: number): void {
	agent.syscall(SYS.mmap2, BASE, 8 * PAGE_SIZE, RW, flags, -1, 0);
	for (let i = 0; i < 8; i++) expect(agent.run(() => agent.store(at(i), i + 1))).toBe(0);
}

const contents = (who: Agent): (number | null)[] =>
	Array.from({ length: 8 }, (_, i) => who.run(() => who.load(at(i))));
const range = (number: number, from: number, n: number, ...args: number[]): number =>
	agent.syscall(number, at(from), n * PAGE_SIZE, ...args);

it.each([PRIVATE, SHARED])("DONTFORK keeps a part of a mapping from children (%i)", (flags) => {
	map(flags);
	expect(range(SYS.madvise, 2, 3, MADV_DONTFORK)).toBe(0);
	const child = agent.run(() => agent.fork()) as Agent;
	expect(contents(child)).toEqual([1, 2, null, null, null, 6, 7, 8]);
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	expect(range(SYS.madvise, 6, 4, MADV_DONTFORK)).toBe(-ENOMEM);
	t.check();
});

it("RANDOM and SEQUENTIAL hold for a part of a mapping", () => {
	map(PRIVATE);
	expect(range(SYS.madvise, 2, 2, MADV_RANDOM)).toBe(0);
	expect(range(SYS.madvise, 4, 1, MADV_SEQUENTIAL)).toBe(0);
	const advice = Array.from({ length: 8 }, (_, i) => uvm_map_lookup_entry(agent.map, at(i)).advice);
	expect(advice).toEqual([0, 0, 1, 1, 2, 0, 0, 0]);
	expect(range(SYS.madvise, 6, 4, MADV_RANDOM)).toBe(-ENOMEM);
	t.check();
});

it("WILLNEED brings in what is on disk, while memory is plentiful", () => {
	map(PRIVATE);
	range(SYS.madvise, 0, 8, MADV_PAGEOUT);
	t.settle();
	expect(t.k.uvmexp.swpgonly).toBe(8);
	expect(range(SYS.madvise, 2, 3, MADV_WILLNEED)).toBe(0);
	expect(t.k.uvmexp.swpgonly).toBe(5);
	const { freetarg } = t.k.uvmexp;
	t.k.uvmexp.freetarg = t.k.uvmexp.free;
	expect(range(SYS.madvise, 0, 8, MADV_WILLNEED)).toBe(0);
	t.k.uvmexp.freetarg = freetarg;
	expect(t.k.uvmexp.swpgonly).toBe(5);
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

it("DOFORK takes that back: the child has a copy of its own", () => {
	map(PRIVATE);
	range(SYS.madvise, 2, 3, MADV_DONTFORK);
	expect(range(SYS.madvise, 0, 8, MADV_DOFORK)).toBe(0);
	const child = agent.run(() => agent.fork()) as Agent;
	agent.run(() => agent.store(at(3), 99));
	expect(contents(child)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	t.check();
});

it("DOFORK leaves shared memory shared", () => {
	map(SHARED);
	range(SYS.madvise, 0, 8, MADV_DOFORK);
	const child = agent.run(() => agent.fork()) as Agent;
	agent.run(() => agent.store(at(0), 100));
	child.run(() => child.store(at(1), 200));
	expect(contents(agent)).toEqual([100, 200, 3, 4, 5, 6, 7, 8]);
	expect(contents(child)).toEqual(contents(agent));
	t.check();
});

it("WIPEONFORK gives children zeros, and theirs too; KEEPONFORK takes that back", () => {
	map(PRIVATE);
	pageout(t);
	expect(range(SYS.madvise, 2, 3, MADV_WIPEONFORK)).toBe(0);
	expect(range(SYS.madvise, 4, 4, MADV_KEEPONFORK)).toBe(0);
	const child = agent.run(() => agent.fork()) as Agent;
	expect(contents(child)).toEqual([1, 2, 0, 0, 5, 6, 7, 8]);
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	child.run(() => child.store(at(2), 9));
	const grandchild = child.run(() => child.fork()) as Agent;
	expect(contents(grandchild)).toEqual([1, 2, 0, 0, 5, 6, 7, 8]);
	expect(contents(child)).toEqual([1, 2, 9, 0, 5, 6, 7, 8]);
	t.check();
	agent.end();
	expect(t.k.uvm.anon_pool.pr_nout).toBe(0);
	t.check();
});

it("WIPEONFORK is for private memory only", () => {
	map(SHARED);
	expect(range(SYS.madvise, 2, 3, MADV_WIPEONFORK)).toBe(-EINVAL);
	expect(range(SYS.madvise, 2, 3, MADV_KEEPONFORK)).toBe(0);
});

it("a copy of shared memory does not see what its sharers store afterwards", () => {
	map(SHARED);
	const sharer = agent.run(() => agent.fork()) as Agent;
	contents(sharer);
	agent.run(() => uvm_map_inherit(t.k, agent.map, BASE, at(8), UVM_INH_COPY));
	const copy = agent.run(() => agent.fork()) as Agent;
	t.check();
	agent.run(() => agent.store(at(0), 100));
	sharer.run(() => sharer.store(at(1), 200));
	expect(contents(copy)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	expect(contents(sharer)).toEqual([100, 200, 3, 4, 5, 6, 7, 8]);
	expect(contents(agent)).toEqual([100, 200, 3, 4, 5, 6, 7, 8]);
	t.check();
});

it.each([false, true])("FREE gives up private memory that nobody else has (in swap: %s)", (out) => {
	map(PRIVATE);
	if (out) pageout(t);
	expect(range(SYS.madvise, 2, 3, MADV_FREE)).toBe(0);
	expect(t.k.uvmexp).toMatchObject({ nanon: 5, swpginuse: out ? 5 : 0 });
	expect(contents(agent)).toEqual([1, 2, 0, 0, 0, 6, 7, 8]);
	t.check();
	const child = agent.run(() => agent.fork()) as Agent;
	expect(range(SYS.madvise, 0, 8, MADV_FREE)).toBe(0);
	expect(contents(child)).toEqual([1, 2, 0, 0, 0, 6, 7, 8]);
	t.check();
	// With an amap of its own again, but the child's anons in it.
	agent.run(() => agent.store(at(0), 9));
	expect(range(SYS.madvise, 5, 3, MADV_FREE)).toBe(0);
	expect(contents(agent)).toEqual([9, 2, 0, 0, 0, 0, 0, 0]);
	expect(contents(child)).toEqual([1, 2, 0, 0, 0, 6, 7, 8]);
	t.check();
	expect(range(SYS.mlock, 0, 1)).toBe(0);
	expect(range(SYS.madvise, 0, 1, MADV_FREE)).toBe(-EINVAL);
});

it.each([PRIVATE, SHARED])("msync of memory without a file changes nothing (%i)", (flags) => {
	map(flags);
	expect([range(SYS.msync, 0, 8, MS_SYNC), range(SYS.msync, 1, 2, MS_ASYNC)]).toEqual([0, 0]);
	expect(range(SYS.msync, 6, 4, MS_SYNC)).toBe(-ENOMEM);
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	t.check();
});

it("MAP_SHARED_VALIDATE refuses flags that it does not know, and MAP_SHARED does not", () => {
	const flags = { known: 0x4010, unknown: 0x20_0010, sync: 0x8_0010, anon: 0x30 };
	t.run(vfs_mountroot(t.k, null, null));
	map(PRIVATE);
	agent.run(() => agent.string(BASE, "/tmp/f"));
	const fd = agent.syscall(SYS.openat, -100, BASE, O_CREAT | O_RDWR, 0o600);
	const mmap = (type: number, flag: number): number =>
		agent.syscall(SYS.mmap2, BASE, PAGE_SIZE, RW, flag | type, fd, 0);
	expect([mmap(3, flags.unknown), mmap(3, flags.sync)]).toEqual([-ENOTSUP, -ENOTSUP]);
	expect([mmap(3, flags.known), mmap(1, flags.unknown)]).toEqual([BASE, BASE]);
	expect(mmap(3, flags.anon)).toBe(-EINVAL);
});

it.each([PRIVATE, SHARED])("COLD makes pages the next to go, with what they hold (%i)", (flags) => {
	map(flags);
	const queues = (): number[] => {
		const { amap, pageoff } = uvm_map_lookup_entry(agent.map, BASE);
		return [...Array(8).keys()].map((i) => amap_lookup(amap!, pageoff + i)!.an_page!.pqflags);
	};
	expect(queues().every((q) => (q & PQ_ACTIVE) !== 0)).toBe(true);
	expect(range(SYS.madvise, 2, 3, MADV_COLD)).toBe(0);
	expect(queues().map((q) => (q & PQ_INACTIVE) !== 0)).toEqual(
		[0, 0, 1, 1, 1, 0, 0, 0].map((cold) => cold === 1),
	);
	t.check();
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	expect(range(SYS.madvise, 6, 4, MADV_COLD)).toBe(-ENOMEM);
	range(SYS.mlock, 0, 1);
	expect(range(SYS.madvise, 0, 8, MADV_COLD)).toBe(-EINVAL);
	t.check();
});

it("FREE leaves shared memory to the others", () => {
	map(SHARED);
	const child = agent.run(() => agent.fork()) as Agent;
	range(SYS.madvise, 0, 8, MADV_FREE);
	t.settle();
	expect(contents(child)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	expect(contents(agent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	t.check();
});
