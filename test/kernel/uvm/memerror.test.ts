/** Errors of memory that the kernel meets when it copies: for system calls, pipes, files, disks. */
import { beforeEach, describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { copyin, copyout } from "../../../kernel/kern/proc/copy.ts";
import { O_CREAT, O_RDONLY, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PHYS_TO_VM_PAGE,
	uvm_page_unbusy1,
} from "../../../kernel/uvm/uvm_page.ts";
import { pmap_extract, pmap_is_modified } from "../../../pmap/pmap.ts";
import { EFAULT, EIO } from "../../../sys/errno.ts";
import { PAGE_SIZE, trunc_page } from "../../../sys/vmparam.ts";
import { Agent, type Job } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const NAMES = 0x10_0000;
const BUFFER = 0x20_0000;
const INTO = 0x40_0000;
const PAGES = 48;
const BYTES = PAGES * PAGE_SIZE;
const READ_WRITE = 3;
/** MAP_PRIVATE, MAP_FIXED and MAP_ANONYMOUS. */
const PRIVATE = 0x32;
const AT_FDCWD = -100;

let t: TestKernel;
let faults: MachineFaults;
let agent: Agent;

/** Bytes that tell where they come from. */
const counted = (size: number): Uint8Array =>
	Uint8Array.from({ length: size }, (_, i) => (i >> 8) * 7 + i * 3 + 1);

const put = (va: number, bytes: Uint8Array): void =>
	expect(agent.run(() => copyout(t.k, agent.map, bytes, va))).toBe(0);

function look(va: number, size: number, who = agent): Uint8Array {
	const bytes = new Uint8Array(size);
	expect(who.run(() => copyin(t.k, who.map, va, bytes))).toBe(0);
	return bytes;
}

function open(name: string, flags: number): number {
	expect(agent.run(() => agent.string(NAMES, name))).toBe(0);
	const fd = agent.syscall(SYS.openat, AT_FDCWD, NAMES, flags, 0o600);
	expect(fd).toBeGreaterThanOrEqual(0);
	return fd;
}

/** Two bits of the word at `pa` flip now. */
function spoil(pa: number): void {
	const when = { atNs: t.machine.clock.cycles };
	const id = `flip-${faults.armings.length}`;
	faults.add({ id, model: "memory.flip", params: { pa, mask: 0x3000 }, when });
	t.machine.clock.advance(0);
}

const frame = (va: number): number => pmap_extract(t.k, agent.map.pmap, va);

/** Bytes at BUFFER, in pages that are dirty, or clean and in swap as well. */
function fill(size: number, clean: boolean): Uint8Array {
	const bytes = counted(size);
	put(BUFFER, bytes);
	if (clean) {
		pageout(t);
		look(BUFFER, size);
	}
	const pg = PHYS_TO_VM_PAGE(t.k, trunc_page(frame(BUFFER)))!;
	expect((pg.flags & PG_CLEAN) !== 0 && !pmap_is_modified(t.k, pg)).toBe(clean);
	return bytes;
}

const stats = () => ({ ...t.k.uvm.memstats, retired: t.k.uvm.page_retired.length });
const REPAIRED = { repaired: 1, lost: 0, retired: 1 };
const LOST = { repaired: 0, lost: 1, retired: 1 };

beforeEach(() => {
	t = new TestKernel({ ram: 2 << 20, disks: [4 << 20, 1 << 20], swapDisks: 1 });
	faults = new MachineFaults(t.machine, [{ id: "ecc", model: "memory.ecc", params: {} }]);
	expect(t.run(vfs_mountroot(t.k, null, null))).toBe("");
	agent = Agent.create(t);
	for (const va of [NAMES, BUFFER, INTO]) {
		expect(agent.syscall(SYS.mmap2, va, BYTES, READ_WRITE, PRIVATE, -1, 0)).toBe(va);
	}
});

function pipe(): [read: number, write: number] {
	expect(agent.syscall(SYS.pipe2, NAMES, 0)).toBe(0);
	const [read, write] = new Int32Array(look(NAMES, 8).buffer);
	return [read!, write!];
}

describe("a system call that reads memory with an error", () => {
	it("has it repaired if the page is clean", () => {
		const [read, write] = pipe();
		const bytes = fill(3 * PAGE_SIZE, true);
		spoil(frame(BUFFER + PAGE_SIZE) + 64);
		expect(agent.syscall(SYS.write, write, BUFFER, bytes.length)).toBe(bytes.length);
		expect(agent.syscall(SYS.read, read, INTO, bytes.length)).toBe(bytes.length);
		expect(look(INTO, bytes.length)).toEqual(bytes);
		expect(stats()).toMatchObject(REPAIRED);
		t.check();
	});

	it("fails with EFAULT if the contents are lost, and so does the next", () => {
		const [, write] = pipe();
		fill(3 * PAGE_SIZE, false);
		spoil(frame(BUFFER + PAGE_SIZE) + 64);
		for (let i = 0; i < 2; i++) {
			expect(agent.syscall(SYS.write, write, BUFFER, 3 * PAGE_SIZE)).toBe(-EFAULT);
			// The others are as they were.
			expect(agent.syscall(SYS.write, write, BUFFER, PAGE_SIZE)).toBe(PAGE_SIZE);
		}
		expect(stats()).toMatchObject(LOST);
		t.check();
	});

	it("waits until a busy page is free", () => {
		const [, write] = pipe();
		fill(PAGE_SIZE, true);
		const pg = PHYS_TO_VM_PAGE(t.k, frame(BUFFER))!;
		spoil(pg.phys_addr + 8);
		pg.flags |= PG_BUSY;
		const job = agent.start(() => agent.call(SYS.write, write, BUFFER, 64));
		t.settle();
		expect(job.done).toBe(false);
		const anon = pg.uanon!;
		simple_lock(t.k, anon);
		simple_lock(t.k, t.k.uvm.pageqlock);
		uvm_page_unbusy1(t.k, pg);
		simple_unlock(t.k, t.k.uvm.pageqlock);
		simple_unlock(t.k, anon);
		t.settle();
		expect(job.result).toBe(64);
		expect(stats()).toMatchObject(REPAIRED);
	});

	it("fails with EFAULT if the page must stay, and is right once it was written", () => {
		const [, write] = pipe();
		fill(PAGE_SIZE, true);
		expect(agent.syscall(SYS.mlock, BUFFER, PAGE_SIZE)).toBe(0);
		spoil(frame(BUFFER) + 8);
		expect(agent.syscall(SYS.write, write, BUFFER, 64)).toBe(-EFAULT);
		expect(stats()).toMatchObject({ repaired: 0, lost: 0, retired: 0 });
		put(BUFFER, counted(64));
		expect(agent.syscall(SYS.write, write, BUFFER, 64)).toBe(64);
		t.check();
	});

	it("gets what memory returns, and not what was written there", () => {
		const [read, write] = pipe();
		const bytes = fill(16, false);
		const pa = frame(BUFFER);
		faults.lift("ecc");
		const bit = bytes[5]! & 4 ? 0 : 1;
		faults.add({ id: "s", model: "memory.stuck", params: { pa: pa + 5, bit: 2, value: bit } });
		expect(agent.syscall(SYS.write, write, BUFFER, 16)).toBe(16);
		expect(agent.syscall(SYS.read, read, INTO, 16)).toBe(16);
		bytes[5]! ^= 4;
		expect(look(INTO, 16)).toEqual(bytes);
	});
});

describe("what a pipe has been lent", () => {
	/** A write that waits for the reader. */
	function lend(): [read: number, job: Job<number>] {
		const [read, write] = pipe();
		const child = agent.run(() => agent.fork()) as Agent;
		const job = child.start(() => child.call(SYS.write, write, BUFFER, BYTES));
		t.settle();
		expect(job.done).toBe(false);
		return [read, job];
	}

	function readAll(read: number, size: number): Uint8Array {
		const all = new Uint8Array(size);
		for (let done = 0; done < size; ) {
			const n = agent.syscall(SYS.read, read, INTO, Math.min(20_000, size - done));
			expect(n).toBeGreaterThan(0);
			all.set(look(INTO, n), done);
			done += n;
		}
		return all;
	}

	it("is repaired if it is clean: the writer copies the rest", () => {
		const bytes = fill(BYTES, true);
		const pa = frame(BUFFER + 7 * PAGE_SIZE);
		const [read, job] = lend();
		spoil(pa + 8);
		expect(Buffer.compare(readAll(read, BYTES), bytes)).toBe(0);
		t.settle();
		expect(job.result).toBe(BYTES);
		expect(stats()).toMatchObject(REPAIRED);
		t.check();
	});

	it("ends in front of an error if it is lost, for both", () => {
		const bytes = fill(BYTES, false);
		const pa = frame(BUFFER + 30 * PAGE_SIZE);
		const [read, job] = lend();
		spoil(pa + 8);
		const sent = 30 * PAGE_SIZE;
		expect(Buffer.compare(readAll(read, sent), bytes.subarray(0, sent))).toBe(0);
		expect(job.done).toBe(false);
		const waits = agent.start(() => agent.call(SYS.read, read, INTO, PAGE_SIZE));
		t.settle();
		expect([job.result, waits.done]).toEqual([sent, false]);
		expect(stats()).toMatchObject(LOST);
		t.check();
	});
});

describe("a file in memory", () => {
	it("is read again from swap, or fails with EIO", () => {
		for (const clean of [true, false]) {
			const before = stats();
			const fd = open(`/tmp/file${clean}`, O_RDWR | O_CREAT);
			const bytes = fill(2 * PAGE_SIZE, false);
			expect(agent.syscall(SYS.write, fd, BUFFER, bytes.length)).toBe(bytes.length);
			const pread = (): number => agent.syscall(SYS.pread64, fd, INTO, bytes.length, 0, 0);
			if (clean) pageout(t);
			expect(pread()).toBe(bytes.length);
			const { v_uobj } = agent.p.p_fd!.fd_ofiles[fd]!.f_vnode!;
			const pg = t.k.uvm.vm_pages.find((p) => p.uobject === v_uobj && p.offset === PAGE_SIZE)!;
			spoil(pg.phys_addr + 16);
			expect(pread()).toBe(clean ? bytes.length : PAGE_SIZE);
			if (clean) expect(look(INTO, bytes.length)).toEqual(bytes);
			expect(agent.syscall(SYS.pread64, fd, INTO, PAGE_SIZE, PAGE_SIZE, 0)).toBe(
				clean ? PAGE_SIZE : -EIO,
			);
			expect(stats().repaired - before.repaired).toBe(clean ? 1 : 0);
			expect(stats().lost - before.lost).toBe(clean ? 0 : 1);
			t.check();
		}
	});
});

describe("a disk", () => {
	it("that cannot read a page is given a copy, if there is one", () => {
		const fd = open("/dev/ld1", O_RDWR);
		for (const clean of [true, false]) {
			const bytes = fill(2 * PAGE_SIZE, clean);
			spoil(frame(BUFFER + PAGE_SIZE) + 8);
			const n = agent.syscall(SYS.pwrite64, fd, BUFFER, bytes.length, 0, 0);
			expect(n).toBe(clean ? bytes.length : -EFAULT);
			const on = new Uint8Array(bytes.length);
			t.disks[1]!.pristine.read(0, on);
			expect(on).toEqual(bytes);
			t.check();
		}
		expect(stats()).toMatchObject({ repaired: 1, lost: 1, retired: 2 });
	});
});

it("/dev/mem says EFAULT where memory has lost its contents", () => {
	const fd = open("/dev/mem", O_RDONLY);
	fill(PAGE_SIZE, false);
	const pa = frame(BUFFER);
	spoil(pa + 256);
	const read = (at: number): number => agent.syscall(SYS.pread64, fd, INTO, 64, at, 0);
	expect([read(pa), read(pa + 240), read(pa + 320)]).toEqual([64, -EFAULT, 64]);
});
