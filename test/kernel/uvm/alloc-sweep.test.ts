/**
 * Every allocation of every system call fails once: the first, the second, and so on until the
 * call asks for no more. Whatever the call answers, nothing is lost and nothing leaks.
 */
import { describe, expect, it } from "vitest";
import { vfs_mountroot, vfs_shutdown } from "../../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { pool_drain } from "../../../kernel/kern/core/subr_pool.ts";
import { sigcode_init } from "../../../kernel/kern/proc/sigcode.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { EXIT, elf } from "../../support/program.ts";
import { tar } from "../../support/tar.ts";

const BASE = 0x1000_0000;
const PAGES = 24;
const SIZE = PAGES * PAGE_SIZE;
const RW = 3;
const PRIVATE = 0x32;
const SHARED = 0x31;
/** More than any call here allocates. */
const SWEEP_MAX = 500;

const IPC_RMID = 0;
const AT_FDCWD = -100;
const CREATE = 0o102;

/** A file of four pages, and a program. */
const ROOT = (() => {
	const image = tar([
		{ path: "data", data: new Uint8Array(4 * PAGE_SIZE).fill(5) },
		{ path: "prog", data: elf(EXIT) },
	]);
	const disk = new Uint8Array(Math.ceil(image.length / PAGE_SIZE) * PAGE_SIZE);
	disk.set(image);
	return disk;
})();

const at = (page: number): number => BASE + page * PAGE_SIZE;

/** A process with PAGES pages of private memory that hold their numbers, and one beside it. */
class Scene {
	readonly t: TestKernel;
	readonly agent: Agent;
	readonly other: Agent;
	readonly init: Agent;
	/** What there was before any other process. */
	readonly free: number;
	readonly wired: number;
	readonly aobjs: number;

	constructor() {
		this.t = new TestKernel({
			ram: 768 * 1024,
			disks: [1 << 20, 1 << 20, ROOT.length],
			swapDisks: 2,
		});
		this.t.disks[2]!.pristine.write(0, ROOT);
		expect(this.t.run(vfs_mountroot(this.t.k, ld(2), null))).toBe("");
		this.t.run(sigcode_init(this.t.k));
		this.init = Agent.create(this.t);
		pool_drain(this.t.k);
		this.free = this.t.k.uvmexp.free;
		this.wired = this.t.k.uvmexp.wired;
		this.aobjs = this.t.k.uvm.uvm_aobj_pool.pr_nout;
		this.agent = Agent.create(this.t);
		this.other = Agent.create(this.t);
		this.agent.syscall(SYS.mmap2, BASE, SIZE, RW, PRIVATE, -1, 0);
		this.fill(this.agent);
	}

	fill(agent: Agent): void {
		agent.run(function* (): Sleeps<void> {
			for (let i = 0; i < PAGES; i++) yield* agent.store(at(i), i + 1);
		});
	}

	/** Everything to swap. */
	pageout(): void {
		const MADV_PAGEOUT = 21;
		this.agent.syscall(SYS.madvise, BASE, SIZE, MADV_PAGEOUT);
	}

	/** Open a file, with its name in memory. => the descriptor. */
	open(name: string, flags = 2): number {
		const fd = this.agent.syscall(SYS.openat, AT_FDCWD, this.path(name), flags, 0o600);
		expect(fd).toBeGreaterThanOrEqual(0);
		return fd;
	}

	/** A string in the process's memory. */
	path(text: string): number {
		const { agent } = this;
		agent.run(function* (): Sleeps<void> {
			yield* agent.call(SYS.mmap2, at(40), PAGE_SIZE, RW, PRIVATE, -1, 0);
			for (let i = 0; i <= text.length; i += 4) {
				let word = 0;
				for (let b = 3; b >= 0; b--) word = (word << 8) | (text.charCodeAt(i + b) || 0);
				yield* agent.store(at(40) + i, word);
			}
		});
		return at(40);
	}
}

interface Call {
	readonly name: string;
	readonly setup?: (s: Scene) => void;
	readonly body: (s: Scene) => Sleeps<unknown>;
	/** The call changes or removes the contents of the pages. */
	readonly loses?: boolean;
	/** It needs no memory: nothing is there to fail. */
	readonly none?: boolean;
}

const WHERE = at(50);
const fork = (s: Scene): Sleeps<unknown> => s.agent.fork();

const calls: Call[] = [
	{
		name: "mmap private",
		body: (s) => s.agent.call(SYS.mmap2, WHERE, SIZE, RW, PRIVATE, -1, 0),
	},
	{ name: "mmap shared", body: (s) => s.agent.call(SYS.mmap2, WHERE, SIZE, RW, SHARED, -1, 0) },
	{
		name: "mmap over the middle",
		body: (s) => s.agent.call(SYS.mmap2, at(30), SIZE, RW, PRIVATE, -1, 0),
	},
	{
		name: "a first store",
		setup: (s) => s.agent.syscall(SYS.mmap2, WHERE, SIZE, RW, PRIVATE, -1, 0),
		body: (s) => s.agent.store(WHERE, 1),
	},
	{
		name: "a first store to shared memory",
		setup: (s) => s.agent.syscall(SYS.mmap2, WHERE, SIZE, RW, SHARED, -1, 0),
		body: (s) => s.agent.store(WHERE, 1),
	},
	{
		name: "a store after fork",
		setup: (s) => s.agent.run(() => s.agent.fork()),
		body: (s) => s.agent.store(at(3), 4),
	},
	{ name: "a load from swap", setup: (s) => s.pageout(), body: (s) => s.agent.load(at(3)) },
	{ name: "a store to swap", setup: (s) => s.pageout(), body: (s) => s.agent.store(at(3), 4) },
	{ name: "fork", body: fork },
	{
		name: "fork of wired memory",
		setup: (s) => s.agent.syscall(SYS.mlock, at(2), 8 * PAGE_SIZE),
		body: fork,
	},
	{
		name: "fork of what is in swap, then a store",
		setup: (s) => s.pageout(),
		*body(s) {
			yield* s.agent.fork();
			return yield* s.agent.store(at(5), 6);
		},
	},
	{
		name: "fork of shared memory",
		setup: (s) => s.agent.syscall(SYS.mmap2, WHERE, SIZE, RW, SHARED, -1, 0),
		body: fork,
	},
	{ name: "mprotect", body: (s) => s.agent.call(SYS.mprotect, at(4), 4 * PAGE_SIZE, 1) },
	{
		name: "mremap to more, elsewhere",
		body: (s) => s.agent.call(SYS.mremap, at(4), 4 * PAGE_SIZE, 40 * PAGE_SIZE, 1),
		loses: true,
	},
	{
		name: "mremap of shared memory, twice",
		setup: (s) => s.agent.syscall(SYS.mmap2, WHERE, SIZE, RW, SHARED, -1, 0),
		body: (s) => s.agent.call(SYS.mremap, WHERE, 0, 4 * PAGE_SIZE, 1),
	},
	{ name: "munmap", loses: true, body: (s) => s.agent.call(SYS.munmap, at(4), 4 * PAGE_SIZE) },
	{ name: "mlock", body: (s) => s.agent.call(SYS.mlock, at(4), 4 * PAGE_SIZE) },
	{
		name: "mlock of what is in swap",
		setup: (s) => s.pageout(),
		body: (s) => s.agent.call(SYS.mlock, at(4), 4 * PAGE_SIZE),
	},
	{
		name: "mlock after fork",
		setup: (s) => s.agent.run(() => s.agent.fork()),
		body: (s) => s.agent.call(SYS.mlock, at(4), 4 * PAGE_SIZE),
	},
	{ name: "mlockall", setup: (s) => s.pageout(), body: (s) => s.agent.call(SYS.mlockall, 1) },
	{
		name: "mmap under mlockall",
		setup: (s) => s.agent.syscall(SYS.mlockall, 2),
		body: (s) => s.agent.call(SYS.mmap2, WHERE, 4 * PAGE_SIZE, RW, PRIVATE, -1, 0),
	},
	{
		name: "madvise DONTNEED",
		loses: true,
		body: (s) => s.agent.call(SYS.madvise, at(4), 4 * PAGE_SIZE, 4),
	},
	{ name: "madvise RANDOM", body: (s) => s.agent.call(SYS.madvise, at(4), 4 * PAGE_SIZE, 1) },
	{ name: "madvise PAGEOUT", body: (s) => s.agent.call(SYS.madvise, BASE, SIZE, 21) },
	{
		name: "madvise WILLNEED",
		setup: (s) => s.pageout(),
		body: (s) => s.agent.call(SYS.madvise, BASE, SIZE, 3),
	},
	{ name: "brk", body: (s) => s.agent.call(SYS.brk, 0x10_0000) },
	{ name: "shmget", body: (s) => s.agent.call(SYS.shmget, 0, SIZE, 0o1000) },
	{
		name: "shmat",
		setup: (s) => s.agent.syscall(SYS.shmget, 0, SIZE, 0o1000),
		body: (s) => s.agent.call(SYS.shmat, 0, 0, 0),
	},
	{
		name: "swapoff",
		setup: (s) => {
			s.path("/dev/ld1");
			s.pageout();
		},
		body: (s) => s.agent.call(SYS.swapoff, at(40)),
	},
	{
		name: "open of a new file",
		setup: (s) => s.path("/tmp/new"),
		body: (s) => s.agent.call(SYS.openat, AT_FDCWD, at(40), CREATE, 0o600),
	},
	{
		name: "write to a new file",
		setup: (s) => s.open("/tmp/new", CREATE),
		body: (s) => s.agent.call(SYS.write, 3, BASE, SIZE),
	},
	{
		name: "read of a file on disk",
		setup: (s) => s.open("/data"),
		body: (s) => s.agent.call(SYS.read, 3, at(40), PAGE_SIZE),
	},
	{
		name: "mmap of a file, a load, a store and msync",
		setup: (s) => s.open("/data"),
		*body({ agent }) {
			const va = yield* agent.call(SYS.mmap2, WHERE, 4 * PAGE_SIZE, RW, 0x11, 3, 0);
			if (va < 0) return;
			yield* agent.load(WHERE);
			if (agent.alive) yield* agent.store(WHERE + PAGE_SIZE, 1);
			if (!agent.alive) return;
			yield* agent.call(SYS.msync, WHERE, 4 * PAGE_SIZE, 4);
		},
	},
	{
		name: "a store to a private mapping of a file",
		setup(s) {
			s.open("/data");
			s.agent.syscall(SYS.mmap2, WHERE, 4 * PAGE_SIZE, RW, 0x12, 3, 0);
		},
		body: (s) => s.agent.store(WHERE, 1),
	},
	{
		name: "ftruncate and a store behind the old end",
		setup(s) {
			s.open("/tmp/new", CREATE);
			s.agent.syscall(SYS.mmap2, WHERE, 4 * PAGE_SIZE, RW, 0x11, 3, 0);
		},
		*body({ agent }) {
			yield* agent.call(SYS.ftruncate64, 3, 4 * PAGE_SIZE, 0);
			yield* agent.store(WHERE + 3 * PAGE_SIZE, 1);
		},
	},
	{
		name: "execve",
		loses: true,
		setup: (s) => s.path("/prog"),
		body: (s) => s.agent.call(SYS.execve, at(40), 0, 0),
	},
	{
		name: "pipe, and a write to it",
		loses: true,
		none: true,
		*body({ agent }) {
			yield* agent.call(SYS.pipe2, at(0), 0);
			yield* agent.call(SYS.write, 4, at(1), PAGE_SIZE);
		},
	},
	{ name: "exit", setup: (s) => s.pageout(), body: (s) => s.agent.exit(0), none: true },
];

/** What a parent stores after fork is none of its child's business. */
function separate(parent: Agent, child: Agent): void {
	for (let i = 0; i < PAGES; i += 2) {
		const before = child.run(() => child.load(at(i)));
		parent.run(() => parent.store(at(i), i + 1000));
		expect(child.run(() => child.load(at(i)))).toBe(before);
	}
}

/**
 * Do a call while allocation `nth` fails, and with `forever` every one after it.
 * => how many allocations there were.
 */
function attempt(c: Call, nth: number, forever: boolean): number {
	const s = new Scene();
	const { k } = s.t;
	c.setup?.(s);
	let asked = 0;
	k.failinject = () => {
		asked++;
		return forever ? asked >= nth && asked < nth + SWEEP_MAX : asked === nth;
	};
	const job = s.agent.start(() => c.body(s));
	s.t.settle();
	k.failinject = null;
	s.t.settle();
	if (s.agent.alive) expect([c.name, job.done]).toEqual([c.name, true]);
	s.t.check();
	if (!(c.loses ?? false)) {
		for (let i = 0; i < PAGES && s.agent.alive; i++) {
			expect(s.agent.run(() => s.agent.load(at(i)))).toBe(i + 1);
		}
	}
	if (s.agent.alive) for (const child of s.agent.children) separate(s.agent, child);
	s.agent.end();
	s.other.end();
	s.t.check();
	for (const id of k.shm.shmsegs.map((seg) => seg.shm_id)) {
		s.init.syscall(SYS.shmctl, id, IPC_RMID, 0);
	}
	// Files stay in memory as long as the system runs.
	s.init.run(() => vfs_shutdown(k));
	const { anon_pool, amap_pool, uvm_aobj_pool } = k.uvm;
	expect([c.name, anon_pool.pr_nout, amap_pool.pr_nout]).toEqual([c.name, 0, 0]);
	expect([k.uvmexp.swpginuse, k.uvmexp.swpgonly]).toEqual([0, 0]);
	pool_drain(k);
	expect([c.name, k.uvmexp.free, k.uvmexp.wired]).toEqual([c.name, s.free, s.wired]);
	expect(uvm_aobj_pool.pr_nout).toBe(s.aobjs);
	return asked;
}

describe("each allocation fails once", () => {
	it.each(calls.map((c) => [c.name, c] as const))("%s", (_, c) => {
		let nth = 1;
		while (nth < SWEEP_MAX && attempt(c, nth, false) >= nth) nth++;
		expect(nth).toBeLessThan(SWEEP_MAX);
		if (c.none !== true) expect(nth).toBeGreaterThan(1);
	});
});

describe("no allocation succeeds from some point on", () => {
	it.each(calls.map((c) => [c.name, c] as const))("%s", (_, c) => {
		for (let nth = 1; nth <= 12; nth++) attempt(c, nth, true);
	});
});
