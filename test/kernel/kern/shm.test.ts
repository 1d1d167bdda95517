/** shmctl: who made a segment and when it was used; its mode, locking and the tables. */
import { beforeEach, expect, it } from "vitest";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uao_slots } from "../../../kernel/uvm/uvm_aobj_slots.ts";
import { EACCES, EEXIST, EFAULT, EINVAL, ENOMEM, EPERM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const BUF = 0x1000_0000;
const AT = 0x2000_0000;
const KEY = 77;
const [RMID, SET, STAT, INFO, LOCK, UNLOCK, SHM_STAT, SHM_INFO] = [0, 1, 2, 3, 11, 12, 13, 14];
const IPC_64 = 0x100;
const [CREAT, EXCL] = [0o1000, 0o2000];
const SECOND = 1_000_000_000;

let t: TestKernel;
let a: Agent;
let b: Agent;
let id: number;

beforeEach(() => {
	t = new TestKernel();
	Agent.create(t);
	[a, b] = [Agent.create(t), Agent.create(t)];
	for (const who of [a, b]) who.syscall(SYS.mmap2, BUF, PAGE_SIZE, 3, 0x32, -1, 0);
	sleep(2);
	id = a.syscall(SYS.shmget, KEY, 3 * PAGE_SIZE, CREAT | 0o640);
	t.check();
});

/** Seconds pass. */
function sleep(seconds: number): void {
	const end = t.k.port.cycles + seconds * SECOND;
	a.run(function* () {
		yield* a.store(BUF, seconds);
		for (let i = 4; i < 16; i += 4) yield* a.store(BUF + i, 0);
		return yield* a.call(SYS.clock_nanosleep64, 1, 0, BUF, 0);
	});
	expect(t.k.port.cycles).toBeGreaterThanOrEqual(end);
}

const segment = () => t.k.shm.shmsegs[0]!.shm_amp;
const ctl = (who: Agent, what: number, cmd: number): number =>
	who.syscall(SYS.shmctl, what, cmd | IPC_64, BUF);
const words = (who: Agent, n: number): number[] =>
	Array.from({ length: n }, (_, i) => who.run(() => who.load(BUF + 4 * i)) as number);
function stat(who: Agent = a): Record<string, number | undefined> {
	expect(ctl(who, id, STAT)).toBe(0);
	const w = words(who, 21);
	const [key, mode, size] = [w[0]!, w[5]!, w[9]!];
	// Seconds of the wall clock, seen from the start of the machine; 0: never.
	const since = (at: number): number => (at === 0 ? 0 : at - t.k.boottime.tv_sec);
	const [atime, dtime, ctime] = [w[10]!, w[12]!, w[14]!].map(since);
	return { key, mode, size, atime, dtime, ctime, cpid: w[16]!, lpid: w[17]!, nattch: w[18]! };
}

it("tells mode, creator, times and attachments", () => {
	const made = { key: KEY, mode: 0o640, size: 3 * PAGE_SIZE, ctime: 2, cpid: a.p.p_pid };
	expect(stat()).toEqual({ ...made, atime: 0, dtime: 0, lpid: 0, nattch: 0 });
	sleep(3);
	expect(b.syscall(SYS.shmat, id, AT, 0)).toBe(AT);
	expect(stat()).toEqual({ ...made, atime: 5, dtime: 0, lpid: b.p.p_pid, nattch: 1 });
	sleep(2);
	expect(a.syscall(SYS.shmat, id, AT, 0)).toBe(AT);
	expect(b.syscall(SYS.shmdt, AT)).toBe(0);
	expect(stat(b)).toEqual({ ...made, atime: 7, dtime: 7, lpid: b.p.p_pid, nattch: 1 });
	expect(ctl(a, id + 1, STAT)).toBe(-EINVAL);
	expect(ctl(a, id, 99)).toBe(-EINVAL);
	expect(a.syscall(SYS.shmctl, id, STAT, AT + PAGE_SIZE * 9)).toBe(-EFAULT);
	expect(a.syscall(SYS.shmget, KEY, 1, CREAT | EXCL)).toBe(-EEXIST);
});

it("IPC_SET changes owner and mode, and the time of change", () => {
	sleep(1);
	stat();
	a.run(function* () {
		yield* a.store(BUF + 4, 5);
		yield* a.store(BUF + 8, 6);
		return yield* a.store(BUF + 20, 0o7604);
	});
	expect(ctl(a, id, SET)).toBe(0);
	expect(stat()).toMatchObject({ mode: 0o604, ctime: 3 });
	expect(words(a, 5)).toEqual([KEY, 5, 6, 0, 0]);
});

it("what is removed and attached is told to be that", () => {
	b.syscall(SYS.shmat, id, AT, 0);
	expect(ctl(a, id, RMID)).toBe(0);
	expect(stat()).toMatchObject({ key: 0, mode: 0o1640, nattch: 1 });
	b.syscall(SYS.shmdt, AT);
	expect(ctl(a, id, STAT)).toBe(-EINVAL);
	t.check();
});

it("SHM_LOCK keeps a segment in memory, also where it is not attached", () => {
	b.syscall(SYS.shmat, id, AT, 0);
	b.run(() => b.store(AT + PAGE_SIZE, 9));
	pageout(t);
	const { wired } = t.k.uvmexp;
	expect([ctl(a, id, LOCK), ctl(a, id, LOCK)]).toEqual([0, 0]);
	expect([t.k.uvmexp.wired, uao_slots(segment())]).toEqual([wired + 3, []]);
	expect(stat().mode).toBe(0o2640);
	pageout(t);
	// A process may lock the same pages, and unlock them again.
	b.syscall(SYS.mlock, AT, PAGE_SIZE);
	t.check();
	b.syscall(SYS.munlock, AT, PAGE_SIZE);
	expect(b.run(() => b.load(AT + PAGE_SIZE))).toBe(9);
	expect(t.k.uvmexp.wired).toBe(wired + 3);
	t.check();
	expect([ctl(a, id, UNLOCK), ctl(a, id, UNLOCK)]).toEqual([0, 0]);
	expect([t.k.uvmexp.wired, stat().mode]).toEqual([wired, 0o640]);
	expect(ctl(a, id, LOCK)).toBe(0);
	b.syscall(SYS.shmdt, AT);
	expect([ctl(a, id, RMID), t.k.uvmexp.wired]).toEqual([0, wired]);
	t.check();
	const large = a.syscall(SYS.shmget, 0, 200 * PAGE_SIZE, 0o600);
	expect(ctl(a, large, LOCK)).toBe(-ENOMEM);
});

it("SHM_LOCK of what cannot be read locks nothing", () => {
	b.syscall(SYS.shmat, id, AT, 0);
	for (let i = 0; i < 3; i++) b.run(() => b.store(AT + i * PAGE_SIZE, 9));
	pageout(t);
	const { disk, sector } = t.sector(uao_slots(segment())[2]!.slot);
	disk.failReads(sector, 8);
	const { wired } = t.k.uvmexp;
	expect(ctl(a, id, LOCK)).toBeLessThan(0);
	expect([t.k.uvmexp.wired, stat().mode]).toEqual([wired, 0o640]);
	t.check();
});

it("the tables tell limits, numbers, and each segment by its index", () => {
	const other = a.syscall(SYS.shmget, 0, PAGE_SIZE, 0o600);
	b.syscall(SYS.shmat, id, AT, 0);
	for (let i = 0; i < 2; i++) b.run(() => b.store(AT + i * PAGE_SIZE, 9));
	pageout(t);
	b.run(() => b.load(AT));
	expect(ctl(a, 0, SHM_INFO)).toBe(1);
	expect(words(a, 4)).toEqual([2, 4, 1, 1]);
	expect(ctl(a, 0, INFO)).toBe(1);
	expect(words(a, 4)).toEqual([1 << 30, 1, 128, 128]);
	expect([ctl(a, 0, SHM_STAT), ctl(a, 1, SHM_STAT), ctl(a, 2, SHM_STAT)]).toEqual([
		id,
		other,
		-EINVAL,
	]);
});

/** Become a user, with one further group. */
function become(who: Agent, uid: number, gid: number, further: number): void {
	who.run(() => who.store(BUF, further));
	expect(who.syscall(SYS.setgroups, 1, BUF)).toBe(0);
	expect(who.syscall(SYS.setresgid, gid, gid, gid)).toBe(0);
	expect(who.syscall(SYS.setresuid, uid, uid, uid)).toBe(0);
}

it("the mode says who may attach, the owner may change it, and root may all", () => {
	const RDONLY = 0o10000;
	const GROUP = 7;
	become(a, 5, GROUP, GROUP);
	// Made by root, 0640.
	const attach = (who: Agent, flags: number): number => who.syscall(SYS.shmat, id, 0, flags);
	expect([attach(a, 0), attach(a, RDONLY), ctl(a, id, STAT)]).toEqual([-EACCES, -EACCES, -EACCES]);
	const own = a.syscall(SYS.shmget, KEY + 1, PAGE_SIZE, CREAT | 0o640);
	expect([ctl(a, own, STAT), words(a, 6)]).toEqual([0, [KEY + 1, 5, GROUP, 5, GROUP, 0o640]]);
	// Root may all; then b is in the group, by its further one.
	expect(ctl(b, own, STAT)).toBe(0);
	become(b, 6, 8, GROUP);
	id = own;
	expect([attach(b, 0), attach(b, RDONLY) > 0, ctl(b, own, STAT)]).toEqual([-EACCES, true, 0]);
	expect([RMID, SET, LOCK].map((cmd) => ctl(b, own, cmd))).toEqual([-EPERM, -EPERM, -EPERM]);
	expect([0o400, 0o040, 0o600, 0o002].map((m) => b.syscall(SYS.shmget, KEY + 1, 1, m))).toEqual([
		own,
		own,
		-EACCES,
		-EACCES,
	]);
	expect([attach(a, 0) > 0, ctl(a, own, RMID)]).toEqual([true, 0]);
	t.check();
});
