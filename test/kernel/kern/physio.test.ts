/** Disks opened as files: transfers from and to user memory; and the kernel's own memory. */
import { beforeEach, describe, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import { copyin, copyout } from "../../../kernel/kern/proc/copy.ts";
import { O_CREAT, O_RDONLY, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { cpu_run } from "../../../kernel/kern/proc/kern_cpu.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uvm_kernacc, uvm_vslock, uvm_vsunlock } from "../../../kernel/uvm/uvm_glue.ts";
import { uvm_map_checkprot } from "../../../kernel/uvm/uvm_map_protect.ts";
import { PG_BUSY, PG_CLEAN, type vm_page } from "../../../kernel/uvm/uvm_page.ts";
import { pmap_extract, pmap_kernel } from "../../../pmap/pmap.ts";
import { EBUSY, EFAULT, EINVAL, EIO, EPERM } from "../../../sys/errno.ts";
import {
	PAGE_SIZE,
	VM_MAX_KERNEL_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import { Agent, type Job } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const NAMES = 0x10_0000;
const BUFFER = 0x20_0000;
const SHARED = 0x30_0000;
const FILE = 0x40_0000;
const PAGES = 24;
const READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const AT_FDCWD = -100;
const SECTORS = 1024;
/** The disk that is not for swap. */
const DISK = 1;

let t: TestKernel;
let agent: Agent;
let disk: number;
/** Entries of the kernel's map at the start. */
let nentries: number;

/** What is in a sector of the disk at the start. */
const sector = (n: number): Uint8Array =>
	Uint8Array.from({ length: 512 }, (_, i) => (n * 31 + i * 7 + (i >> 8)) & 0xff);
const sectors = (first: number, bytes: number): Buffer =>
	Buffer.concat(Array.from({ length: bytes / 512 }, (_, i) => sector(first + i)));

function open(name: string, flags: number): number {
	expect(agent.run(() => agent.string(NAMES, name))).toBe(0);
	return agent.syscall(SYS.openat, AT_FDCWD, NAMES, flags, 0o600);
}

function map(va: number, flags: number, fd = -1): void {
	const how = flags | MAP_FIXED;
	expect(agent.syscall(SYS.mmap2, va, PAGES * PAGE_SIZE, READ_WRITE, how, fd, 0)).toBe(va);
}

function look(va: number, size: number, who = agent): Buffer {
	const bytes = Buffer.alloc(size);
	expect(who.run(() => copyin(t.k, who.map, va, bytes))).toBe(0);
	return bytes;
}

const put = (va: number, bytes: Uint8Array): void =>
	expect(agent.run(() => copyout(t.k, agent.map, bytes, va))).toBe(0);

const pread = (va: number, size: number, first: number, who = agent): Job<number> =>
	who.start(() => who.call(SYS.pread64, disk, va, size, first * 512, 0));

/** Let the transfers begin, and not end. */
function begin(): void {
	cpu_run(t.k, t.machine.clock.cycles + 10_000);
	expect(t.k.uvm.vslocks.length).toBeGreaterThan(0);
}

const onDisk = (first: number, bytes: number): Buffer => {
	const at = Buffer.alloc(bytes);
	t.disks[DISK]!.pristine.read(first, at);
	return at;
};

function atRest(): void {
	expect(t.k.uvm.vslocks).toEqual([]);
	expect(t.k.uvm.kernel_map!.nentries).toBe(nentries);
	t.check();
}

beforeEach(() => {
	t = new TestKernel({ disks: [4 << 20, SECTORS * 512], swapDisks: 1 });
	t.disks[DISK]!.pristine.write(0, sectors(0, SECTORS * 512));
	expect(t.run(vfs_mountroot(t.k, null, null))).toBe("");
	agent = Agent.create(t);
	for (const va of [NAMES, BUFFER]) map(va, MAP_PRIVATE | MAP_ANONYMOUS);
	map(SHARED, MAP_SHARED | MAP_ANONYMOUS);
	disk = open("/dev/ld1", O_RDWR);
	expect(disk).toBeGreaterThanOrEqual(0);
	nentries = t.k.uvm.kernel_map!.nentries;
});

describe("a disk that is opened as a file", () => {
	it("reads into user memory at any address, and moves on", () => {
		const bytes = 20 * PAGE_SIZE;
		// Frames that are not adjacent.
		for (let i = 20; i >= 0; i--) put(BUFFER + i * PAGE_SIZE, new Uint8Array(1));
		const wired = t.k.uvmexp.wired;
		expect(agent.syscall(SYS.read, disk, BUFFER + 13, bytes)).toBe(bytes);
		expect(look(BUFFER + 13, bytes)).toEqual(sectors(0, bytes));
		expect(look(BUFFER, 13)).toEqual(Buffer.alloc(13));
		expect(agent.syscall(SYS.read, disk, BUFFER, 512)).toBe(512);
		expect(look(BUFFER, 512)).toEqual(sectors(bytes / 512, 512));
		expect(t.k.uvmexp.wired).toBe(wired);
		atRest();
	});

	it("writes from there", () => {
		const bytes = Buffer.concat([sectors(900, 5 * PAGE_SIZE), sectors(3, 512)]);
		put(BUFFER + 500, bytes);
		expect(agent.syscall(SYS.pwrite64, disk, BUFFER + 500, bytes.length, 512, 0)).toBe(
			bytes.length,
		);
		expect(onDisk(1, bytes.length)).toEqual(bytes);
		expect(onDisk(0, 512)).toEqual(Buffer.from(sector(0)));
		atRest();
	});

	it("wires the pages meanwhile, and no copy is made", () => {
		const job = pread(BUFFER, 4 * PAGE_SIZE, 0);
		begin();
		const [pgs] = t.k.uvm.vslocks as [vm_page[]];
		expect(pgs.map(({ wire_count }) => wire_count)).toEqual([1, 1, 1, 1]);
		t.check();
		t.settle();
		expect(job.result).toBe(4 * PAGE_SIZE);
		expect(Buffer.concat(pgs.map((pg) => t.bytes(pg)))).toEqual(sectors(0, 4 * PAGE_SIZE));
		atRest();
	});

	it("ends where the disk ends, and takes whole sectors only", () => {
		const last = SECTORS - 2;
		expect(agent.syscall(SYS.pread64, disk, BUFFER, PAGE_SIZE, last * 512, 0)).toBe(1024);
		expect(agent.syscall(SYS.pread64, disk, BUFFER, PAGE_SIZE, SECTORS * 512, 0)).toBe(0);
		expect(agent.syscall(SYS.pwrite64, disk, BUFFER, 512, SECTORS * 512, 0)).toBe(-EIO);
		expect(agent.syscall(SYS.pread64, disk, BUFFER, 100, 0, 0)).toBe(-EINVAL);
		expect(agent.syscall(SYS.pread64, disk, 0x900_0000, 512, 0, 0)).toBe(-EFAULT);
		atRest();
	});

	it("reports an error, and lets go of the pages", () => {
		t.disks[DISK]!.failReads(8, 1);
		expect(agent.syscall(SYS.pread64, disk, BUFFER, PAGE_SIZE, 8 * 512, 0)).toBe(-EIO);
		atRest();
	});

	it("reads what a page keeps when it is written to swap again", () => {
		put(BUFFER, Buffer.alloc(PAGES * PAGE_SIZE, 0xee));
		pageout(t);
		const bytes = PAGES * PAGE_SIZE;
		expect(agent.syscall(SYS.pread64, disk, BUFFER, bytes, 0, 0)).toBe(bytes);
		pageout(t);
		expect(look(BUFFER, bytes)).toEqual(sectors(0, bytes));
		atRest();
	});

	it("copies where as many pages as may be are wired", () => {
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 3;
		const job = pread(BUFFER, 4 * PAGE_SIZE, 0);
		cpu_run(t.k, t.machine.clock.cycles + 10_000);
		expect(t.k.uvm.vslocks).toEqual([]);
		t.settle();
		expect(job.result).toBe(4 * PAGE_SIZE);
		expect(look(BUFFER, 4 * PAGE_SIZE)).toEqual(sectors(0, 4 * PAGE_SIZE));
	});

	it("moves two processes' sectors into one page", () => {
		const child = agent.run(() => agent.fork());
		if (typeof child === "number") throw new Error("no child");
		put(SHARED, Buffer.alloc(PAGE_SIZE, 1));
		const one = pread(SHARED, 512, 5);
		const two = pread(SHARED + 1024, 512, 9, child);
		begin();
		expect(t.k.uvm.vslocks.map(([pg]) => pg!.wire_count)).toEqual([2, 2]);
		t.check();
		t.settle();
		expect([one.result, two.result]).toEqual([512, 512]);
		const rest = Buffer.alloc(512, 1);
		const page = [Buffer.from(sector(5)), rest, Buffer.from(sector(9)), rest];
		expect(look(SHARED, 2048, child)).toEqual(Buffer.concat(page));
		atRest();
	});

	it("has its pages for itself when their file is cut meanwhile", () => {
		const file = open("/tmp/cut", O_CREAT | O_RDWR);
		expect(agent.syscall(SYS.ftruncate64, file, 4 * PAGE_SIZE, 0)).toBe(0);
		map(FILE, MAP_SHARED, file);
		const child = agent.run(() => agent.fork());
		if (typeof child === "number") throw new Error("no child");
		const free = t.k.uvmexp.free;
		const job = pread(FILE, 4 * PAGE_SIZE, 0);
		begin();
		const pgs = t.k.uvm.vslocks[0]!.slice();
		const cut = child.start(() => child.call(SYS.ftruncate64, file, PAGE_SIZE, 0));
		cpu_run(t.k, t.machine.clock.cycles + 10_000);
		expect(cut.result).toBe(0);
		expect(pgs.map(({ uobject, wire_count }) => [uobject !== null, wire_count])).toEqual([
			[true, 1],
			[false, 1],
			[false, 1],
			[false, 1],
		]);
		t.check();
		t.settle();
		expect(job.result).toBe(4 * PAGE_SIZE);
		expect(look(FILE, PAGE_SIZE)).toEqual(sectors(0, PAGE_SIZE));
		// The page that is left of the file, and page tables.
		expect(free - t.k.uvmexp.free).toBeLessThanOrEqual(3);
		atRest();
	});
});

describe("user memory for a device", () => {
	it("is dirty then, whatever has cleaned it meanwhile", () => {
		for (const access of [VM_PROT_WRITE, VM_PROT_READ] as const) {
			const pgs = agent.run(() => uvm_vslock(t.k, agent.map, BUFFER, 1, access));
			if (typeof pgs === "number") throw new Error(`errno ${pgs}`);
			const [pg] = pgs as [vm_page];
			pg.flags |= PG_CLEAN;
			uvm_vsunlock(t.k, pgs, access);
			expect((pg.flags & PG_CLEAN) === 0).toBe(access === VM_PROT_WRITE);
		}
	});

	it("is not locked where it is a hole, on loan, or in transit", () => {
		const lock = (va: number, size: number) =>
			agent.run(() => uvm_vslock(t.k, agent.map, va, size, VM_PROT_READ));
		put(BUFFER, new Uint8Array(1));
		expect(lock(BUFFER + (PAGES - 1) * PAGE_SIZE, 2 * PAGE_SIZE)).toBe(EFAULT);
		const pgs = lock(BUFFER, 1);
		if (typeof pgs === "number") throw new Error(`errno ${pgs}`);
		const [pg] = pgs as [vm_page];
		uvm_vsunlock(t.k, pgs, VM_PROT_READ);
		pg.loan_count++;
		expect(lock(BUFFER, 1)).toBe(EBUSY);
		pg.loan_count--;
		pg.flags |= PG_BUSY;
		expect(lock(BUFFER, 1)).toBe(EBUSY);
		pg.flags &= ~PG_BUSY;
		atRest();
	});
});

describe("/dev/kmem and /dev/mem", () => {
	const pread_at = (fd: number, at: number, size: number): number =>
		agent.syscall(SYS.pread64, fd, BUFFER, size, at % 2 ** 32, Math.floor(at / 2 ** 32));

	it("have the rings of a disk, at kernel and physical addresses", () => {
		const { sc_ring } = t.k.lds[0]!;
		const [kmem, mem] = [open("/dev/kmem", O_RDONLY), open("/dev/mem", O_RDONLY)];
		expect(pread_at(mem, sc_ring, PAGE_SIZE)).toBe(PAGE_SIZE);
		const ring = look(BUFFER, PAGE_SIZE);
		const at = sc_ring - t.k.port.ramBase;
		expect(ring).toEqual(Buffer.from(t.k.port.ram8.subarray(at, at + PAGE_SIZE)));
		let va = VM_MIN_KERNEL_ADDRESS;
		while (pmap_extract(t.k, pmap_kernel(t.k), va) !== sc_ring) va += PAGE_SIZE;
		// A program's offsets have no sign.
		expect(pread_at(kmem, (va >>> 0) + 8, PAGE_SIZE - 8)).toBe(PAGE_SIZE - 8);
		expect(look(BUFFER, PAGE_SIZE - 8)).toEqual(ring.subarray(8));
	});

	it("end where nothing is, and cannot be written", () => {
		const [kmem, mem] = [open("/dev/kmem", O_RDONLY), open("/dev/mem", O_RDONLY)];
		const { ramBase, ramSize } = t.k.port;
		expect(pread_at(mem, ramBase + ramSize - 100, 200)).toBe(100);
		expect(pread_at(mem, ramBase - 1, 1)).toBe(-EFAULT);
		expect(pread_at(kmem, BUFFER, 1)).toBe(-EFAULT);
		expect(pread_at(kmem, VM_MAX_KERNEL_ADDRESS >>> 0, 1)).toBe(-EFAULT);
		expect(open("/dev/kmem", O_RDWR)).toBe(-EPERM);
		expect(open("/dev/mem", O_RDWR)).toBe(-EPERM);
	});

	it("go by the protection of the kernel's map", () => {
		const { kernel_map } = t.k.uvm;
		const [start, end] = [kernel_map!.header.next.start, kernel_map!.header.next.end];
		expect(uvm_map_checkprot(kernel_map!, start, end, VM_PROT_READ | VM_PROT_WRITE)).toBe(true);
		expect(uvm_kernacc(t.k, start, end - start, true)).toBe(true);
		kernel_map!.header.next.protection = VM_PROT_READ;
		expect(uvm_kernacc(t.k, start, 1, false)).toBe(true);
		expect(uvm_kernacc(t.k, start, 1, true)).toBe(false);
		expect(uvm_kernacc(t.k, BUFFER, 1, false)).toBe(false);
	});
});
