/**
 * Processes that do things to memory at the same time, against a model. In each round every process
 * carries out its operations one after the other, while the others carry out theirs; which thread
 * goes on, when disks finish, and what fails for lack of resources is drawn from a seed.
 *
 * A word of memory has a set of values that it may hold. A store that nothing overlaps leaves one;
 * what is shared, or written by another process in the round, may hold any of the round's values.
 */
import { expect } from "vitest";
import { vfs_mountroot } from "../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { O_CREAT, O_RDWR } from "../../kernel/kern/proc/file.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { uvm_map_lookup_entry } from "../../kernel/uvm/uvm_map_entry.ts";
import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO } from "../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { wait_discard } from "./agent-wait.ts";
import { Agent, type Job } from "./agents.ts";
import { Draw, DrawnTiming } from "./drawn.ts";
import { TestKernel } from "./kernel.ts";
import { type Config, FILE_PAGES, type Op, PAGES, PROCESSES } from "./vm-overlap-ops.ts";

const BASE = 0x1000_0000;
const READ = VM_PROT_READ;
const WRITE = VM_PROT_WRITE;
const MAP_SHARED = 1;
const PRIVATE = 0x32; // MAP_PRIVATE | MAP_FIXED | MAP_ANON
const MAP_FIXED = 0x10;
const MAP_ANON = 0x20;
const MADV = { random: 1, willneed: 3, dontneed: 4, free: 8, remove: 9, cold: 20, pageout: 21 };
const KEEP_SIZE_PUNCH = 3;
const MREMAP_FIXED = 3; // with MAYMOVE
const MREMAP_DONTUNMAP = 4;
const AT_FDCWD = -100;
const F_SETPIPE_SZ = 1031;

const address = (page: number): number => BASE + page * PAGE_SIZE;
/** A page for arguments of system calls. */
const SCRATCH = address(PAGES + 1);
/** A page of the keeper, for what is left in the pipe. */
const BUFFER = address(PAGES + 3);

/** The word at the beginning of a page. */
class Cell {
	values: Set<number>;
	/** Several processes may change it in this round: the order is not known. */
	loose: boolean;
	/** Of this round, if it is loose: the last of each writer; those that may have failed; all. */
	readonly written = new Map<unknown, number>();
	readonly maybe = new Set<number>();
	#seen: Set<number>;
	/** Copies that fork made of it in this round. */
	readonly copies: Cell[] = [];

	constructor(value: number, loose: boolean) {
		this.values = new Set([value]);
		this.#seen = this.values;
		this.loose = loose;
	}

	write(who: unknown, value: number): void {
		if (this.loose) {
			this.written.set(who, value);
			this.#see(value);
		} else this.values = new Set([value]);
	}

	/** It may have been written. */
	might(value: number): void {
		if (!this.loose) {
			this.values = new Set(this.values).add(value);
			return;
		}
		this.maybe.add(value);
		this.#see(value);
	}

	#see(value: number): void {
		this.#seen = new Set(this.#seen).add(value);
		for (const copy of this.copies) copy.might(value);
	}

	/** What a load in this round may find. */
	get possible(): Set<number> {
		return this.loose ? this.#seen : this.values;
	}

	copy(loose: boolean): Cell {
		const cell = new Cell(0, loose || this.loose);
		cell.values = new Set(this.possible);
		cell.#seen = cell.values;
		if (this.loose) this.copies.push(cell);
		return cell;
	}

	begin(loose: boolean): void {
		this.loose = loose;
		this.#seen = this.values;
	}

	end(): void {
		if (!this.loose) return;
		if (this.written.size > 0) this.values = new Set(this.written.values());
		this.values = new Set([...this.values, ...this.maybe]);
		this.written.clear();
		this.maybe.clear();
		this.copies.length = 0;
		this.begin(false);
	}
}

interface Page {
	cell: Cell;
	shared: boolean;
	/** The page of the file that it is; or -1. */
	file: number;
	prot: number;
	wired: boolean;
}

/** What the map says about a page; null: it is not mapped. */
type Found = { prot: number; wired: boolean } | null;

class Model {
	readonly agent: Agent;
	readonly pages: (Page | null)[];
	/** Every cell that a page has had in this round. */
	history: Cell[][] = [];
	/** Another process stores into its memory, or loads from it, in this round. */
	poked = false;

	constructor(agent: Agent, pages: (Page | null)[]) {
		this.agent = agent;
		this.pages = pages;
		this.begin(false);
	}

	set(i: number, page: Page | null): void {
		this.pages[i] = page;
		if (page !== null) this.history[i]!.push(page.cell);
	}

	begin(poked: boolean): void {
		this.poked = poked;
		this.history = this.pages.map((page) => (page === null ? [] : [page.cell]));
	}
}

/** An operation under way. `finish` tells the model of its result, in the order of the process. */
interface Step {
	readonly model: Model;
	readonly job: Job<unknown>;
	readonly finish: (done: boolean) => void;
}

export class OverlapMachine {
	readonly t: TestKernel;
	procs: Model[] = [];
	readonly #draw: Draw;
	/** It has the file and the pipe, from which all inherit them, and never ends. */
	readonly #keeper: Agent;
	readonly #fd: number;
	readonly #pipe: [number, number];
	readonly #file = Array.from({ length: FILE_PAGES }, () => new Cell(0, false));
	#fileSize = 0;
	/** In this round a truncate is under way; pages of the file from this one on may be missing. */
	#fileSure = FILE_PAGES;
	#stamp = 1;
	readonly #free: number;
	readonly #wired: number;
	/** The size before the truncate or after it, whichever is larger. */
	#fileWas = 0;
	/** Stores to pages of other processes. */
	#pokes: { target: Model; i: number; value: number; sure: boolean }[] = [];
	/** To be looked at when the model knows of all that happened in the round. */
	#checks: (() => void)[] = [];

	constructor(config: Config) {
		this.#draw = new Draw(config.seed);
		const { ram, disk } = config;
		this.t = new TestKernel({
			ram: ram * 1024,
			disks: [disk * 1024, disk * 1024],
			timing: () => new DrawnTiming(this.#draw.below(2 ** 31)),
		});
		const { t } = this;
		t.run(vfs_mountroot(t.k, null, null));
		this.#keeper = Agent.create(t);
		const keeper = this.#keeper;
		keeper.syscall(SYS.mmap2, BUFFER, PAGE_SIZE, READ | WRITE, PRIVATE, -1, 0);
		expect(keeper.syscall(SYS.mlock, BUFFER, PAGE_SIZE)).toBe(0);
		keeper.run(() => keeper.string(BUFFER, "/tmp/f"));
		this.#fd = keeper.syscall(SYS.openat, AT_FDCWD, BUFFER, O_CREAT | O_RDWR, 0o600);
		expect(keeper.syscall(SYS.pipe2, BUFFER, 0)).toBe(0);
		const end = (i: number): number => keeper.run(() => keeper.load(BUFFER + i * 4))!;
		this.#pipe = [end(0), end(1)];
		// So small that most writes lend pages.
		expect(keeper.syscall(SYS.fcntl64, this.#pipe[1], F_SETPIPE_SZ, PAGE_SIZE)).toBe(PAGE_SIZE);
		this.#free = t.k.uvmexp.free;
		this.#wired = t.k.uvmexp.wired;
		for (let i = 0; i < 3; i++) this.#create();
		const draw = this.#draw;
		t.k.watch = { ...t.k.watch, choose: (n) => draw.below(n) };
		for (let n = 0; n < config.bad; n++) {
			for (const media of t.disks) media.failWrites(8 * draw.below(disk / 4), 8);
		}
		const rates: Record<string, number> = { pager_map: 5, buf: 12, swslot: 12, loan: 10 };
		if (config.failures) {
			t.k.failinject = (what) => rates[what] !== undefined && draw.below(rates[what]) === 0;
		}
	}

	#create(): void {
		const child = this.#keeper.run(() => this.#keeper.fork());
		if (typeof child === "number") {
			expect(child).toBe(ENOMEM);
			return;
		}
		const pages = Array.from({ length: PAGES }, () => null);
		this.procs.push(new Model(child, pages));
		const len = PAGES * PAGE_SIZE;
		const mapped = child.syscall(SYS.mmap2, BASE, len, READ | WRITE, PRIVATE, -1, 0);
		if (mapped < 0) return;
		const model = this.procs[this.procs.length - 1]!;
		for (let i = 0; i < PAGES; i++) {
			model.set(i, {
				cell: new Cell(0, false),
				shared: false,
				file: -1,
				prot: READ | WRITE,
				wired: false,
			});
		}
	}

	/** Operations of all processes, each process's in order. */
	round(ops: readonly Op[]): void {
		if (this.procs.length === 0) this.#create();
		if (this.procs.length === 0) return;
		const victim = (o: Op): Model => this.procs[o.x % this.procs.length]!;
		const poked = new Set(ops.filter((o) => o.kind === "poke" || o.kind === "peek").map(victim));
		for (const model of this.procs) {
			model.begin(poked.has(model));
			for (const page of model.pages) page?.cell.begin(page.shared || model.poked);
		}
		for (const cell of this.#file) cell.begin(true);
		this.#fileSure = this.#fileSize;
		this.#fileWas = this.#fileSize;
		this.#checks = [];
		this.#pokes = [];
		const steps: Step[] = [];
		const once = new Set<string>();
		for (const o of ops) {
			// The order of two of these would not be known.
			if (o.kind === "truncate" || o.kind === "lend") {
				if (once.has(o.kind)) continue;
				once.add(o.kind);
			}
			steps.push(...this.#start(o));
		}
		this.t.settle();
		this.#empty(steps);
		const { swapoff_lwp } = this.t.k.uvm;
		expect(swapoff_lwp).toBe(null);
		for (const { model, job } of steps) {
			expect(job.done || !model.agent.alive, "somebody sleeps for ever").toBe(true);
		}
		for (const { job, finish } of steps) finish(job.done);
		for (const { target, i, value, sure } of this.#pokes) {
			const cells = target.history[i]!;
			// Which of several cells it was is not known.
			if (sure && cells.length === 1) cells[0]!.write({}, value);
			else for (const cell of cells) cell.might(value);
		}
		for (const check of this.#checks) check();
		for (const model of this.procs) {
			for (const cells of model.history) for (const cell of cells) cell.end();
		}
		for (const cell of this.#file) cell.end();
		for (const [i, cell] of this.#file.entries()) {
			if (i >= this.#fileSize) cell.values = new Set([0]);
		}
		this.#bury();
	}

	#bury(): void {
		this.procs = this.procs.filter(({ agent }) => agent.alive);
		for (const { agent } of this.procs) wait_discard(agent);
		wait_discard(this.#keeper);
	}

	/** What is in the pipe because one of its users has ended. */
	#empty(steps: readonly Step[]): void {
		const pipe = this.#keeper.p.p_fd!.fd_ofiles[this.#pipe[0]]!.f_pipe!;
		const { k } = this.t;
		for (let n = 0; n < 1000; n++) {
			const count = pipe.pipe_cnt + (pipe.pipe_map?.cnt ?? 0);
			const waits = k.sleepers.some((l) => l.l_wchan === pipe.pipe_rwait);
			if (count > 0) {
				this.#keeper.syscall(SYS.read, this.#pipe[0], BUFFER, Math.min(count, PAGE_SIZE));
			} else if (waits) {
				this.#keeper.run(() => this.#keeper.store(BUFFER, 0));
				this.#keeper.syscall(SYS.write, this.#pipe[1], BUFFER, PAGE_SIZE);
			} else return;
		}
		throw new Error(`the pipe is never empty, ${steps.length} operations`);
	}

	/** What the map of a process says about pages. => between two operations of the process. */
	#look(model: Model, from: number, n: number): Found[] {
		return Array.from({ length: n }, (_, i) => {
			const at = address(from + i);
			const entry = uvm_map_lookup_entry(model.agent.map, at);
			if (at < entry.start || at >= entry.end) return null;
			return { prot: entry.protection, wired: entry.wired_count > 0 };
		});
	}

	/** A job that ends the process if it had no memory. */
	#job<T>(model: Model, body: () => Sleeps<T>): Job<T> {
		const { agent } = model;
		return agent.start(function* (): Sleeps<T> {
			const result = yield* body();
			if (agent.l.l_nomem >= 0) yield* agent.exit(137);
			return result;
		});
	}

	/** A system call about pages, and what the map says of them then. */
	#call(
		model: Model,
		from: number,
		n: number,
		number: number,
		args: readonly number[],
		finish: (error: number, found: Found[]) => void,
	): Step {
		const at = address(from);
		const look = (): Found[] => this.#look(model, 0, PAGES);
		const job = this.#job(model, function* () {
			const error = yield* model.agent.call(number, at, n * PAGE_SIZE, ...args);
			return { error, found: look() };
		});
		return {
			model,
			job,
			finish: (done) => {
				if (done) finish(job.result.error, job.result.found);
			},
		};
	}

	#start(o: Op): Step[] {
		const model = this.procs[o.who % this.procs.length]!;
		const { page: from } = o;
		const n = Math.min(o.n, PAGES - from);
		const range = Array.from({ length: n }, (_, i) => from + i);
		const call = (
			number: number,
			args: readonly number[],
			finish: (error: number, found: Found[]) => void,
		): Step[] => [this.#call(model, from, n, number, args, finish)];
		const madvise = (advice: number, finish: (error: number) => void = () => {}): Step[] =>
			call(SYS.madvise, [advice], finish);
		const each = (change: (page: Page) => void): void => {
			for (const i of range) {
				const page = model.pages[i]!;
				if (page !== null) change(page);
			}
		};
		switch (o.kind) {
			case "store":
				return range.map((i) => this.#store(model, i));
			case "load":
				return range.map((i) => this.#load(model, i));
			case "mmap":
			case "fmap":
				return [this.#mmap(model, from, n, o)];
			case "munmap":
				return call(SYS.munmap, [], (error) => {
					expect([0, -ENOMEM]).toContain(error);
					if (error === 0) for (const i of range) model.set(i, null);
				});
			case "mprotect":
				return call(
					SYS.mprotect,
					[[0, READ, READ | WRITE, READ | WRITE][o.x % 4]!],
					(error, found) => {
						expect([0, -ENOMEM]).toContain(error);
						this.#believe(model, found);
						if (error !== 0) return;
						each((page) => expect(page.prot).toBe([0, READ, READ | WRITE, READ | WRITE][o.x % 4]));
					},
				);
			case "mlock":
				return [
					...call(SYS.mlock, [], (error, found) => {
						expect([0, -ENOMEM]).toContain(error);
						if (error === 0) for (const i of range) expect(found[i]?.wired).toBe(true);
						this.#believe(model, found);
					}),
				];
			case "munlock":
				return call(SYS.munlock, [], (error, found) => {
					expect([0, -ENOMEM]).toContain(error);
					if (error === 0) for (const i of range) expect(found[i]?.wired).toBe(false);
					this.#believe(model, found);
				});
			case "dontneed":
				return madvise(MADV.dontneed, (error) => {
					expect([0, -ENOMEM, -EINVAL]).toContain(error);
					each(({ cell, shared }) => {
						if (shared) return;
						if (error === 0) cell.write(model, 0);
						else cell.might(0);
					});
				});
			case "free":
				return madvise(MADV.free, () => {
					each(({ cell, file }) => {
						if (file < 0) cell.might(0);
					});
				});
			case "remove":
				return madvise(MADV.remove, (error) => {
					each(({ cell, shared }) => {
						if (!shared) return;
						if (error === 0) cell.write(model, 0);
						else cell.might(0);
					});
				});
			case "pageout":
				return madvise(MADV.pageout, (error) => expect(error).toBe(0));
			case "advise":
				return madvise([MADV.random, MADV.willneed, MADV.cold, 0][o.x % 4]!);
			case "msync":
				return call(SYS.msync, [o.x % 2 === 0 ? 4 : 6], () => {});
			case "mremap":
				return [this.#mremap(model, from, Math.min(n, PAGES - (o.x % PAGES)), o.x)];
			case "truncate":
				return [this.#truncate(model, o.x % (FILE_PAGES + 1))];
			case "punch":
				return [this.#punch(model, from % FILE_PAGES, n)];
			case "fork":
				return this.#fork(model);
			case "exit":
				if (this.procs.length === 1) return [];
				return [{ model, job: model.agent.start(() => model.agent.exit(0)), finish: () => {} }];
			case "swapoff":
			case "swapon":
				return [this.#swap(model, o.kind, o.x % 4 === 0 ? 0 : 1)];
			case "poke":
				return [this.#remote(model, this.procs[o.x % this.procs.length]!, from, true)];
			case "peek":
				return [this.#remote(model, this.procs[o.x % this.procs.length]!, from, false)];
			case "lend":
				return this.#lend(model, this.procs[o.x % this.procs.length]!, from, Math.max(n, 3), o.x);
		}
	}

	/** The model did not know what would be mapped, protected and locked. */
	#believe(model: Model, found: Found[]): void {
		for (const [i, what] of found.entries()) {
			const page = model.pages[i]!;
			if (what === null) model.set(i, null);
			else if (page !== null) {
				page.prot = what.prot;
				page.wired = what.wired;
			}
		}
	}

	/** Whether a page can be accessed: 0: no; 1: perhaps; 2: yes. */
	#access(page: Page | null, prot: number): number {
		if (page === null || (page.prot & prot) === 0) return 0;
		if (page.file < 0 || page.file < this.#fileSure) return 2;
		return page.file < Math.max(this.#fileSize, this.#fileWas) ? 1 : 0;
	}

	#store(model: Model, i: number): Step {
		const value = this.#stamp++;
		const job = this.#job(model, () => model.agent.store(address(i), value));
		return {
			model,
			job,
			finish: (done) => {
				const page = model.pages[i]!;
				const access = this.#access(page, WRITE);
				if (!done || job.result !== 0) {
					if (done) expect(access).not.toBe(2);
					else page?.cell.might(value);
					return;
				}
				expect(access).not.toBe(0);
				if (access === 1) page!.cell.might(value);
				else page!.cell.write(model, value);
			},
		};
	}

	#load(model: Model, i: number): Step {
		const job = this.#job(model, () => model.agent.load(address(i)));
		return {
			model,
			job,
			finish: (done) => {
				if (done) this.#loaded(model.pages[i]!, job.result);
			},
		};
	}

	#loaded(page: Page | null, value: number | null): void {
		const access = this.#access(page, READ);
		if (value === null) {
			expect(access).not.toBe(2);
			return;
		}
		expect(access).not.toBe(0);
		const { cell } = page!;
		if (cell.loose) this.#checks.push(() => expect(cell.possible).toContain(value));
		else {
			expect(cell.values).toContain(value);
			cell.values = new Set([value]);
		}
	}

	#mmap(model: Model, from: number, n: number, o: Op): Step {
		const file = o.kind === "fmap";
		const shared = file || o.x % 3 === 0;
		const prot = o.x % 5 === 0 ? READ : READ | WRITE;
		const first = o.x % FILE_PAGES;
		const args = file
			? [prot, MAP_SHARED | MAP_FIXED, this.#fd, first]
			: [prot, (shared ? MAP_SHARED : 2) | MAP_FIXED | MAP_ANON, -1, 0];
		return this.#call(model, from, n, SYS.mmap2, args, (result, found) => {
			if (result < 0) {
				expect(result).toBe(-ENOMEM);
				this.#believe(model, found);
				return;
			}
			expect(result).toBe(address(from));
			for (let i = 0; i < n; i++) {
				const inside = file && first + i < FILE_PAGES;
				const cell = inside ? this.#file[first + i]! : new Cell(0, model.poked);
				const index = file ? first + i : -1;
				model.set(from + i, { cell, shared, file: index, prot, wired: false });
			}
		});
	}

	#mremap(model: Model, from: number, n: number, x: number): Step {
		const to = x % PAGES;
		const keep = x % 4 === 0;
		const len = n * PAGE_SIZE;
		const flags = MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);
		const args = [len, flags, address(to)];
		return this.#call(model, from, n, SYS.mremap, args, (result, found) => {
			const moved = model.pages.slice(from, from + n);
			if (result < 0) {
				expect([-EFAULT, -EINVAL, -ENOMEM]).toContain(result);
				this.#believe(model, found);
				return;
			}
			expect(result).toBe(address(to));
			for (const [i, page] of moved.entries()) {
				expect(page).not.toBe(null);
				const { shared } = page!;
				let left: Page | null = null;
				if (keep && shared) left = { ...page! };
				else if (keep) left = { ...page!, cell: new Cell(0, model.poked), wired: false };
				model.set(from + i, left);
				model.set(to + i, page);
			}
			this.#believe(model, found);
		});
	}

	#truncate(model: Model, pages: number): Step {
		const job = this.#job(model, () =>
			model.agent.call(SYS.ftruncate64, this.#fd, pages * PAGE_SIZE, 0),
		);
		const was = this.#fileSize;
		this.#fileWas = Math.max(was, pages);
		this.#fileSure = Math.min(was, pages);
		for (const cell of this.#file.slice(this.#fileSure)) cell.might(0);
		return {
			model,
			job,
			finish: (done) => {
				if (!done || job.result !== 0) {
					// It was not made longer, or the process ended before, or in the middle.
					this.#fileSize = this.#size();
					return;
				}
				this.#fileSize = pages;
			},
		};
	}

	/** The file's size in pages, as fstat tells. */
	#size(): number {
		const SEEK_END = 2;
		const at = this.#keeper.syscall(SYS.llseek, this.#fd, 0, 0, BUFFER, SEEK_END);
		expect(at).toBe(0);
		return this.#keeper.run(() => this.#keeper.load(BUFFER))! / PAGE_SIZE;
	}

	#punch(model: Model, first: number, n: number): Step {
		const args = [KEEP_SIZE_PUNCH, first * PAGE_SIZE, 0, n * PAGE_SIZE, 0];
		const job = this.#job(model, () => model.agent.call(SYS.fallocate, this.#fd, ...args));
		return {
			model,
			job,
			finish: (done) => {
				for (const cell of this.#file.slice(first, first + n)) {
					if (done && job.result === 0) cell.write(model, 0);
					else cell.might(0);
				}
			},
		};
	}

	#fork(model: Model): Step[] {
		if (this.procs.length >= PROCESSES) return [];
		const job = this.#job(model, () => model.agent.fork());
		const finish = (done: boolean): void => {
			if (!done) return;
			const child = job.result;
			if (typeof child === "number") {
				expect(child).toBe(ENOMEM);
				return;
			}
			const pages = model.pages.map((page) => {
				if (page === null) return null;
				const cell = page.shared ? page.cell : page.cell.copy(model.poked);
				return { ...page, cell, wired: false };
			});
			if (this.procs.length >= PROCESSES) {
				child.start(() => child.exit(0));
				this.t.settle();
			} else this.procs.push(new Model(child, pages));
		};
		return [{ model, job, finish }];
	}

	#swap(model: Model, kind: "swapoff" | "swapon", unit: number): Step {
		const { agent } = model;
		const job = this.#job(model, function* () {
			const mapped = yield* agent.call(SYS.mmap2, SCRATCH, PAGE_SIZE, READ | WRITE, PRIVATE, -1, 0);
			if (mapped < 0) return mapped;
			yield* agent.string(SCRATCH, `/dev/ld${unit}`);
			const error = yield* agent.call(kind === "swapoff" ? SYS.swapoff : SYS.swapon, SCRATCH, 0);
			yield* agent.call(SYS.munmap, SCRATCH, PAGE_SIZE);
			return error;
		});
		const finish = (done: boolean): void => {
			const allowed =
				kind === "swapoff" ? [0, -ENOMEM, -EBUSY, -EINVAL, -ENXIO] : [0, -EBUSY, -ENOMEM];
			if (done) expect(allowed).toContain(job.result);
		};
		return { model, job, finish };
	}

	/** Store or load a word of another process. */
	#remote(model: Model, target: Model, i: number, write: boolean): Step {
		const value = write ? this.#stamp++ : 0;
		const { agent } = model;
		const { p_pid } = target.agent.p;
		const number = write ? SYS.process_vm_writev : SYS.process_vm_readv;
		const words = [SCRATCH + 64, 4, address(i), 4];
		const job = this.#job(model, function* () {
			const mapped = yield* agent.call(SYS.mmap2, SCRATCH, PAGE_SIZE, READ | WRITE, PRIVATE, -1, 0);
			if (mapped < 0) return { n: 0, word: 0 };
			for (const [at, word] of words.entries()) yield* agent.store(SCRATCH + at * 4, word);
			yield* agent.store(SCRATCH + 64, value);
			const n = yield* agent.call(number, p_pid, SCRATCH, 1, SCRATCH + 8, 1, 0);
			const word = yield* agent.load(SCRATCH + 64);
			yield* agent.call(SYS.munmap, SCRATCH, PAGE_SIZE);
			return { n, word };
		});
		return {
			model,
			job,
			finish: (done) => {
				const there = (): Cell[] => target.history[i]!;
				if (write) {
					const sure = done && job.result.n === 4;
					if (!done || sure) this.#pokes.push({ target, i, value, sure });
				} else if (done && job.result.n === 4) {
					const { word } = job.result;
					this.#checks.push(() => {
						const possible = there().flatMap((cell) => [...cell.possible]);
						expect(possible).toContain(word);
					});
				}
			},
		};
	}

	/** Write pages to the pipe, large enough to be lent, and have another process read them. */
	#lend(model: Model, reader: Model, from: number, n: number, x: number): Step[] {
		if (model === reader) return [];
		const count = Math.min(n, PAGES - from);
		const to = x % (PAGES - count + 1);
		const len = count * PAGE_SIZE;
		const [rfd, wfd] = this.#pipe;
		const sources: (Cell | null)[] = [];
		const values: Set<number>[] = [];
		const write = this.#job(model, () => model.agent.call(SYS.write, wfd, address(from), len));
		let wrote = false;
		const { agent } = reader;
		const read = this.#job(reader, function* () {
			let done = 0;
			while (done < len) {
				const got = yield* agent.call(SYS.read, rfd, address(to) + done, len - done);
				if (got <= 0) break;
				done += got;
			}
			const words: (number | null)[] = [];
			for (let i = 0; i < count; i++) words.push(yield* agent.load(address(to + i)));
			return { done, words };
		});
		const writer: Step = {
			model,
			job: write,
			finish: (done) => {
				wrote = done && write.result === len;
				for (let i = 0; i < count; i++) {
					const cell = model.pages[from + i]?.cell ?? null;
					sources.push(cell);
					values.push(new Set(cell?.possible ?? []));
				}
			},
		};
		const finish = (done: boolean): void => {
			for (let i = 0; i < count; i++) {
				const page = reader.pages[to + i]!;
				const word = done ? read.result.words[i]! : null;
				if (page === null) continue;
				if (word === null) {
					// Zeros, if the keeper filled in for the writer.
					for (const value of sources[i]?.possible ?? []) page.cell.might(value);
					page.cell.might(0);
					continue;
				}
				page.cell.write(reader, word);
				const whole = wrote && done && read.result.done === len;
				const source = sources[i]!;
				if (!whole || page.shared || reader.poked || source === null) continue;
				this.#checks.push(() => {
					const allowed = source.loose ? source.possible : values[i]!;
					expect(allowed).toContain(word);
				});
			}
		};
		return [writer, { model: reader, job: read, finish }];
	}

	/** Every word of every process; from now on each has one value. */
	verify(): void {
		this.#fileSure = this.#fileSize;
		this.#fileWas = this.#fileSize;
		for (const model of this.procs) {
			for (let i = 0; i < PAGES && model.agent.alive; i++) {
				const page = model.pages[i]!;
				const found = this.#look(model, i, 1)[0]!;
				expect(found !== null, `page ${i} is mapped`).toBe(page !== null);
				if (page === null) continue;
				expect(found).toEqual({ prot: page.prot, wired: page.wired });
				const { finish, job } = this.#load(model, i);
				this.t.settle();
				finish(job.done);
			}
		}
		this.#bury();
	}

	/** Everybody ends: nothing is left. */
	end(): void {
		this.t.k.failinject = null;
		for (const { agent } of this.procs) {
			agent.start(() => agent.exit(0));
			this.t.settle();
		}
		this.#bury();
		const keeper = this.#keeper;
		keeper.run(() => keeper.string(BUFFER, "/tmp/f"));
		expect(keeper.syscall(SYS.unlinkat, AT_FDCWD, BUFFER, 0)).toBe(0);
		expect(keeper.syscall(SYS.close, this.#fd)).toBe(0);
		const { uvmexp } = this.t.k;
		const { swpginuse, swpgbad, swpgonly, paging, loanpages } = uvmexp;
		expect([swpginuse - swpgbad, swpgonly, paging, loanpages]).toEqual([0, 0, 0, 0]);
		expect(uvmexp.wired).toBe(this.#wired);
	}

	/** Pages that were free before there were processes. */
	get free(): number {
		return this.#free;
	}
}
