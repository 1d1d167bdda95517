/** process_vm_readv and process_vm_writev, and uvm_io under them. */

import { beforeEach, describe, expect, it } from "vitest";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uvm_io } from "../../../kernel/uvm/uvm_io.ts";
import { UVM_EXTRACT_FIXPROT } from "../../../kernel/uvm/uvm_map_extract.ts";
import { EFAULT, EINVAL, ENOMEM, EPERM, ESRCH } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const RW = 3;
const READ = 1;
const PRIVATE = 0x32;
const SHARED = 0x31;
const MADV_PAGEOUT = 21;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;
let other: Agent;
let kernelEntries: number;
/** Buffers of the caller, and where its lists are. */
const LOCAL = at(100);
const LISTS = at(200);

beforeEach(() => {
	t = new TestKernel();
	agent = Agent.create(t);
	other = Agent.create(t);
	mmap(agent, LOCAL, 40);
	mmap(agent, LISTS, 1);
	kernelEntries = t.k.uvm.kernel_map!.nentries;
});

function mmap(who: Agent, va: number, pages: number, flags = PRIVATE, prot = RW): void {
	expect(who.syscall(SYS.mmap2, va, pages * PAGE_SIZE, prot, flags, -1, 0)).toBe(va);
}

const store = (who: Agent, va: number, word: number): number => who.run(() => who.store(va, word));
const load = (who: Agent, va: number): number | null => who.run(() => who.load(va));

type Part = readonly [va: number, size: number];

/** The system call. => its result; nothing stays mapped in the kernel. */
function transfer(number: number, local: Part[], remote: Part[], pid = other.p.p_pid): number {
	for (const [i, list] of [local, remote].entries()) {
		for (const [n, [va, size]] of list.entries()) {
			store(agent, LISTS + i * 1024 + n * 8, va);
			store(agent, LISTS + i * 1024 + n * 8 + 4, size);
		}
	}
	const lists = [LISTS, local.length, LISTS + 1024, remote.length];
	const result = agent.syscall(number, pid, ...lists, 0);
	expect(t.k.uvm.kernel_map!.nentries).toBe(kernelEntries);
	t.check();
	return result;
}

const readv = (local: Part[], remote: Part[], pid?: number): number =>
	transfer(SYS.process_vm_readv, local, remote, pid);
const writev = (local: Part[], remote: Part[], pid?: number): number =>
	transfer(SYS.process_vm_writev, local, remote, pid);

describe("process_vm_readv", () => {
	it.each([
		["in memory", false],
		["in swap", true],
	])("reads what another process has %s, in lists of any shape", (_, out) => {
		mmap(other, at(0), 40);
		for (let i = 0; i < 40; i++) store(other, at(i) + 4 * i, i + 1);
		if (out) other.syscall(SYS.madvise, at(0), 40 * PAGE_SIZE, MADV_PAGEOUT);
		const remote: Part[] = [
			[at(3) + 12, 4],
			[at(4), 0],
			[at(10), 30 * PAGE_SIZE],
		];
		const local: Part[] = [
			[LOCAL, 8],
			[LOCAL + 100, 0],
			[LOCAL + PAGE_SIZE, 31 * PAGE_SIZE],
		];
		expect(readv(local, remote)).toBe(4 + 30 * PAGE_SIZE);
		expect(load(agent, LOCAL)).toBe(4);
		// Four bytes of page 10 went to the first buffer.
		for (let i = 10; i < 40; i++) {
			const word = load(agent, LOCAL + PAGE_SIZE + (i - 10) * PAGE_SIZE + 4 * i - 4);
			expect(word).toBe(i + 1);
		}
	});

	it("reads zeros and files as the process would, without spoiling copy-on-write", () => {
		mmap(other, at(0), 1000);
		store(other, at(1), 7);
		const child = other.run(() => other.fork()) as Agent;
		expect(readv([[LOCAL, 3 * PAGE_SIZE]], [[at(0), 3 * PAGE_SIZE]])).toBe(3 * PAGE_SIZE);
		expect([0, 1, 2].map((i) => load(agent, LOCAL + i * PAGE_SIZE))).toEqual([0, 7, 0]);
		store(other, at(1), 8);
		expect([load(other, at(1)), load(child, at(1))]).toEqual([8, 7]);
		// What was never touched costs a chunk, not the whole of it.
		expect(t.k.uvm.amap_slots).toBeLessThan(300);
		t.check();
	});

	it("reads the middle of an object", () => {
		const id = other.syscall(SYS.shmget, 0, 8 * PAGE_SIZE, 0o600);
		expect(other.syscall(SYS.shmat, id, at(0), 0)).toBe(at(0));
		for (let i = 0; i < 8; i++) store(other, at(i), i + 1);
		expect(readv([[LOCAL, 2 * PAGE_SIZE]], [[at(5), 2 * PAGE_SIZE]])).toBe(2 * PAGE_SIZE);
		expect([load(agent, LOCAL), load(agent, LOCAL + PAGE_SIZE)]).toEqual([6, 7]);
	});

	it("stops where memory ends, on either side, and says how far it came", () => {
		mmap(other, at(0), 3);
		mmap(other, at(4), 2);
		store(other, at(2), 3);
		const all: Part = [at(0), 6 * PAGE_SIZE];
		expect(readv([[LOCAL, 6 * PAGE_SIZE]], [all])).toBe(3 * PAGE_SIZE);
		expect(load(agent, LOCAL + 2 * PAGE_SIZE)).toBe(3);
		expect(readv([[LOCAL, PAGE_SIZE]], [[at(3), 4]])).toBe(-EFAULT);
		const end = LOCAL + 40 * PAGE_SIZE;
		expect(readv([[end - PAGE_SIZE, 2 * PAGE_SIZE]], [all])).toBe(PAGE_SIZE);
		expect(readv([[end, 8]], [all])).toBe(-EFAULT);
		expect(readv([[LOCAL, 8]], [[VM_MAXUSER_ADDRESS - 4, 8]])).toBe(-EFAULT);
		expect(readv([[LOCAL, 8]], [[0xffff_fff0, 8]])).toBe(-EFAULT);
		other.syscall(SYS.mprotect, at(4), PAGE_SIZE, 0);
		expect(readv([[LOCAL, 8]], [[at(4), 8]])).toBe(-EFAULT);
		expect(readv([[LOCAL, 8]], [[at(5), 8]])).toBe(8);
	});

	it("is for the same user and group, and for root", () => {
		mmap(other, at(0), 1);
		const one: [Part[], Part[]] = [[[LOCAL, 8]], [[at(0), 8]]];
		const ids = (who: Agent, uid: number, gid: number): void => {
			const groups = { cr_gid: gid, cr_egid: gid, cr_svgid: gid, cr_fsgid: gid };
			who.p.p_cred = {
				...who.p.p_cred,
				...groups,
				cr_uid: uid,
				cr_euid: uid,
				cr_svuid: uid,
			};
		};
		expect(readv(...one)).toBe(8);
		ids(agent, 5, 5);
		expect(readv(...one)).toBe(-EPERM);
		ids(other, 5, 5);
		expect(readv(...one)).toBe(8);
		other.p.p_cred = { ...other.p.p_cred, cr_svuid: 0 };
		expect(readv(...one)).toBe(-EPERM);
		ids(other, 5, 6);
		expect(writev(...one)).toBe(-EPERM);
		expect(readv([[LOCAL, 8]], [[LOCAL, 8]], agent.p.p_pid)).toBe(8);
	});

	it("refuses what makes no sense", () => {
		mmap(other, at(0), 1);
		expect(readv([[LOCAL, 8]], [[at(0), 8]], 999)).toBe(-ESRCH);
		expect(readv([], [[at(0), 8]])).toBe(0);
		expect(readv([[LOCAL, 8]], [])).toBe(0);
		const pid = other.p.p_pid;
		expect(agent.syscall(SYS.process_vm_readv, pid, LISTS, 1, LISTS, 1, 1)).toBe(-EINVAL);
		expect(agent.syscall(SYS.process_vm_readv, pid, LISTS, 2000, LISTS, 1, 0)).toBe(-EINVAL);
		expect(agent.syscall(SYS.process_vm_readv, pid, at(0), 1, LISTS, 1, 0)).toBe(-EFAULT);
		other.run(() => other.exit(0));
		expect(readv([[LOCAL, 8]], [[at(0), 8]], pid)).toBe(-ESRCH);
	});

	it("goes on when the other process ends while it waits for the disk", () => {
		// More than is mapped into the kernel at once.
		mmap(other, at(0), 40);
		for (let i = 0; i < 40; i++) store(other, at(i), i + 1);
		other.syscall(SYS.madvise, at(0), 40 * PAGE_SIZE, MADV_PAGEOUT);
		for (const [va, size] of [
			[LISTS, LOCAL],
			[LISTS + 4, 40 * PAGE_SIZE],
			[LISTS + 1024, at(0)],
			[LISTS + 1028, 40 * PAGE_SIZE],
		] as const) {
			store(agent, va, size);
		}
		const job = agent.start(() =>
			agent.call(SYS.process_vm_readv, other.p.p_pid, LISTS, 1, LISTS + 1024, 1, 0),
		);
		other.start(() => other.exit(0));
		t.settle();
		expect([job.result, other.alive]).toEqual([40 * PAGE_SIZE, false]);
		expect(load(agent, LOCAL + 39 * PAGE_SIZE)).toBe(40);
		t.check();
		// The shared use of its memory is over.
		expect(t.k.uvmexp.swpginuse).toBe(0);
	});
});

describe("process_vm_writev", () => {
	it("writes where the process could, and copies what it shares first", () => {
		mmap(other, at(0), 4);
		mmap(other, at(8), 2, SHARED);
		store(other, at(1), 1);
		const child = other.run(() => other.fork()) as Agent;
		other.syscall(SYS.madvise, at(0), 4 * PAGE_SIZE, MADV_PAGEOUT);
		store(agent, LOCAL, 50);
		store(agent, LOCAL + 4, 51);
		const parts: Part[] = [
			[at(1), 4],
			[at(8), 4],
		];
		expect(writev([[LOCAL, 8]], parts)).toBe(8);
		expect([load(other, at(1)), load(child, at(1))]).toEqual([50, 1]);
		expect([load(other, at(8)), load(child, at(8))]).toEqual([51, 51]);
		// The page is dirty, so it survives being paged out.
		other.syscall(SYS.madvise, at(0), 4 * PAGE_SIZE, MADV_PAGEOUT);
		expect(load(other, at(1))).toBe(50);
		t.check();
	});

	it("keeps to the protection, and writes what lies in front of it", () => {
		mmap(other, at(0), 3);
		other.syscall(SYS.mprotect, at(1), PAGE_SIZE, READ);
		store(agent, LOCAL, 9);
		expect(writev([[LOCAL, 3 * PAGE_SIZE]], [[at(0), 3 * PAGE_SIZE]])).toBe(PAGE_SIZE);
		expect([load(other, at(0)), writev([[LOCAL, 4]], [[at(1), 4]])]).toEqual([9, -EFAULT]);
		expect(writev([[at(0), 4]], [[at(0), 4]])).toBe(-EFAULT);
	});
});

describe("uvm_io", () => {
	it("with FIXPROT writes to what is mapped to be read, in a copy of its own", () => {
		mmap(other, at(0), 1);
		store(other, at(0), 1);
		const child = other.run(() => other.fork()) as Agent;
		other.syscall(SYS.mprotect, at(0), PAGE_SIZE, READ);
		const uio = {
			uio_offset: at(0),
			uio_resid: 4,
			uio_buf: Uint8Array.of(2, 0, 0, 0),
			uio_write: true,
		};
		expect(agent.run(() => uvm_io(t.k, other.map, uio, 0))).toBe(EFAULT);
		expect(uio.uio_resid).toBe(4);
		expect(agent.run(() => uvm_io(t.k, other.map, uio, UVM_EXTRACT_FIXPROT))).toBe(0);
		expect([uio.uio_resid, uio.uio_offset]).toEqual([0, at(0) + 4]);
		expect([load(other, at(0)), load(child, at(0)), store(other, at(0), 3)]).toEqual([
			2,
			1,
			EFAULT,
		]);
		t.check();
	});

	it("without memory for its entries says so, and leaves nothing", () => {
		mmap(other, at(0), 2);
		store(other, at(0), 1);
		for (let fail = 0; ; fail++) {
			const uio = {
				uio_offset: at(0),
				uio_resid: 8,
				uio_buf: new Uint8Array(8),
				uio_write: false,
			};
			let n = 0;
			t.k.failinject = () => n++ >= fail;
			const error = agent.run(() => uvm_io(t.k, other.map, uio, 0));
			t.k.failinject = null;
			expect(t.k.uvm.kernel_map!.nentries).toBe(kernelEntries);
			t.check();
			if (error === 0) break;
			expect([error, fail < 50]).toEqual([ENOMEM, true]);
		}
	});
});
