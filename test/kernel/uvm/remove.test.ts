/** MADV_REMOVE: a hole in shared memory, for all who have it. */
import { beforeEach, describe, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import { O_CREAT, O_RDONLY, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EACCES, EINVAL, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const BASE = 0x1000_0000;
const NAME = 0x2000_0000;
const PAGES = 8;
const RW = 3;
const [SHARED, PRIVATE, ANON, FIXED] = [0x01, 0x02, 0x20, 0x10];
const MADV_DONTNEED = 4;
const MADV_REMOVE = 9;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let a: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20, disks: [1 << 20] });
	Agent.create(t);
	a = Agent.create(t);
	a.syscall(SYS.mmap2, NAME, PAGE_SIZE, RW, PRIVATE | ANON | FIXED, -1, 0);
	t.run(vfs_mountroot(t.k, null, null));
});

const map = (flags: number, fd = -1, prot = RW): number =>
	a.syscall(SYS.mmap2, BASE, PAGES * PAGE_SIZE, prot, flags | FIXED, fd, 0);
const remove = (from: number, n: number, who = a): number =>
	who.syscall(SYS.madvise, at(from), n * PAGE_SIZE, MADV_REMOVE);
const load = (who: Agent, page: number): number | null => who.run(() => who.load(at(page)));
const loads = (who: Agent): (number | null)[] =>
	Array.from({ length: PAGES }, (_, i) => load(who, i));
const fill = (): void => {
	for (let i = 0; i < PAGES; i++) a.run(() => a.store(at(i), i + 1));
};
function open(path: string, flags: number): number {
	a.run(() => a.string(NAME, path));
	return a.syscall(SYS.openat, -100, NAME, flags, 0o600);
}
/** A file of the right size. */
function file(path: string): number {
	const fd = open(path, O_CREAT | O_RDWR);
	expect(a.syscall(SYS.ftruncate64, fd, PAGES * PAGE_SIZE, 0)).toBe(0);
	return fd;
}
/** Pages in memory and in swap. */
const used = (): number => t.k.uvmexp.npages - t.k.uvmexp.free + t.k.uvmexp.swpgonly;

const kinds: [string, () => number][] = [
	["without a file", () => map(SHARED | ANON)],
	[
		"of System V",
		() => a.syscall(SYS.shmat, a.syscall(SYS.shmget, 0, PAGES * PAGE_SIZE, 0o600), BASE, 0),
	],
	["of a file in /tmp", () => map(SHARED, file("/tmp/f"))],
	["of a file in /dev/shm", () => map(SHARED, file("/dev/shm/f"))],
	[
		"of a file that is gone",
		() => {
			const fd = file("/tmp/f");
			const start = map(SHARED, fd);
			a.syscall(SYS.unlinkat, -100, NAME, 0);
			a.syscall(SYS.close, fd);
			return start;
		},
	],
	["of /dev/zero", () => map(SHARED, open("/dev/zero", O_RDWR))],
];

describe.each(kinds)("shared memory %s", (_, make) => {
	let child: Agent;

	beforeEach(() => {
		expect(make()).toBe(BASE);
		fill();
		child = a.run(() => a.fork()) as Agent;
		expect(loads(child)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
	});

	it.each(["in memory", "in swap"])(
		"%s reads as zeros for all, and its pages are free",
		(where) => {
			if (where === "in swap") pageout(t);
			const before = used();
			expect(remove(2, 3)).toBe(0);
			t.settle();
			t.check();
			expect(used()).toBe(before - 3);
			expect([loads(child), loads(a)]).toEqual([
				[1, 2, 0, 0, 0, 6, 7, 8],
				[1, 2, 0, 0, 0, 6, 7, 8],
			]);
			child.run(() => child.store(at(3), 33));
			expect([load(a, 3), load(child, 3), load(a, 4)]).toEqual([33, 33, 0]);
			t.check();
		},
	);

	it("that one process does not need (DONTNEED) is the first to go, and whole", () => {
		const { inactive } = t.k.uvmexp;
		expect(child.syscall(SYS.madvise, at(2), 3 * PAGE_SIZE, MADV_DONTNEED)).toBe(0);
		expect(t.k.uvmexp.inactive).toBe(inactive + 3);
		expect([loads(child), loads(a)]).toEqual(Array(2).fill([1, 2, 3, 4, 5, 6, 7, 8]));
		t.check();
	});

	it("that is being paged out is removed all the same", () => {
		const out = a.start(() => a.call(SYS.madvise, BASE, PAGES * PAGE_SIZE, 21));
		const hole = child.start(() => child.call(SYS.madvise, BASE, PAGES * PAGE_SIZE, MADV_REMOVE));
		t.settle();
		expect([out.result, hole.result]).toEqual([0, 0]);
		expect([t.k.uvmexp.swpginuse, loads(a)]).toEqual([0, [0, 0, 0, 0, 0, 0, 0, 0]]);
		t.check();
	});

	it("is zeroed where another process has it locked, and refused where this one has", () => {
		const { wired } = t.k.uvmexp;
		child.syscall(SYS.mlock, at(3), PAGE_SIZE);
		expect(remove(2, 3)).toBe(0);
		expect([loads(child), t.k.uvmexp.wired]).toEqual([[1, 2, 0, 0, 0, 6, 7, 8], wired + 1]);
		t.check();
		a.syscall(SYS.mlock, at(6), PAGE_SIZE);
		expect(remove(5, 2)).toBe(-EINVAL);
		expect(loads(child)).toEqual([1, 2, 0, 0, 0, 0, 7, 8]);
		t.check();
	});
});

it("is refused for private memory, what may not be written, and holes, as in Linux", () => {
	map(PRIVATE | ANON);
	fill();
	expect([remove(0, 1), load(a, 0)]).toEqual([-EINVAL, 1]);
	const fd = file("/tmp/f");
	map(SHARED, fd);
	fill();
	map(PRIVATE, fd);
	expect(remove(0, 1)).toBe(-EACCES);
	map(SHARED, open("/tmp/f", O_RDONLY), 1);
	expect([remove(0, 1), load(a, 0)]).toEqual([-EACCES, 1]);
	// What counts is whether it could be made writable.
	map(SHARED, fd, 1);
	expect([remove(0, 1), load(a, 0), load(a, 1)]).toEqual([0, 0, 2]);
	a.syscall(SYS.munmap, at(2), PAGE_SIZE);
	expect(remove(1, 3)).toBe(-ENOMEM);
	expect([load(a, 1), load(a, 3), load(a, 4)]).toEqual([0, 0, 5]);
	expect(remove(40, 1)).toBe(-ENOMEM);
	t.check();
});
