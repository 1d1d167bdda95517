/**
 * Random system calls of several processes against a simple model: for each process, which pages
 * it has, what they hold, what may be done with them, and which are locked. Memory and swap are
 * tiny, so that most of it is on disk at any time. A file in memory is mapped, cut off and grown.
 */
import { expect } from "vitest";
import type { PagingPolicy } from "../../computer/paging-policy.ts";
import { vfs_mountroot } from "../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { O_CREAT, O_RDWR } from "../../kernel/kern/proc/file.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { uvm_map_lookup_entry } from "../../kernel/uvm/uvm_map_entry.ts";
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { wait_discard } from "./agent-wait.ts";
import { Agent } from "./agents.ts";
import { TestKernel } from "./kernel.ts";
import { type Op, PAGES, PROCESSES } from "./vm-ops.ts";

const BASE = 0x1000_0000;
const READ = 1;
const WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MAP_ANON = 0x20;
const MADV_RANDOM = 1;
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;
const MCL_FUTURE = 2;
const AT_FDCWD = -100;
const FILE_PAGES = 10;

/** The word that a page holds, and where in the page. */
interface Cell {
	value: number;
	readonly offset: number;
}

interface Page {
	/** Shared by all who have mapped it shared; a private page has one of its own. */
	cell: Cell | null;
	shared: boolean;
	/** The page of the file that it is; or -1. `cell` is null behind the file's end. */
	readonly file: number;
	prot: number;
	wired: boolean;
}

interface Model {
	readonly agent: Agent;
	readonly pages: (Page | null)[];
	readonly fd: number;
	/** mlockall(MCL_FUTURE) is in force. */
	future: boolean;
}

const address = (page: number): number => BASE + page * PAGE_SIZE;
/** A fresh page. The words are all over their pages, so that one mixed up with another shows. */
const blank = (page: number): Cell => ({ value: 0, offset: ((page * 164) % 1024) * 4 });
const word_address = (model: Model, page: number): number =>
	address(page) + (model.pages[page]?.cell?.offset ?? 0);

/** What MADV_PAGEOUT of these pages returns. */
function pageoutResult({ pages }: Model, range: readonly number[]): number {
	if (range.some((i) => pages[i]?.wired)) return -EINVAL;
	return range.every((i) => pages[i] !== null) ? 0 : -ENOMEM;
}

export class Machine {
	readonly t: TestKernel;
	readonly procs: Model[] = [];
	readonly #wired: number;
	/** Pages that the file has. */
	#file: Cell[] = [];
	/** It has the file open. */
	readonly #keeper: Agent;
	readonly #keeperFd: number;
	#stamp = 1;
	#swapOff = false;

	constructor(policy: PagingPolicy = {}) {
		this.t = new TestKernel({ ram: 512 * 1024, disks: [1 << 20, 1 << 20], policy });
		this.#wired = this.t.k.uvmexp.wired;
		// Somebody who stays, so that the system does not power off.
		this.#keeper = Agent.create(this.t);
		this.t.run(vfs_mountroot(this.t.k, null, null));
		this.#keeperFd = this.#open(this.#keeper);
		this.#create();
	}

	#open(agent: Agent): number {
		const where = address(PAGES + 1);
		const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANON;
		return agent.run(function* (): Sleeps<number> {
			yield* agent.call(SYS.mmap2, where, PAGE_SIZE, READ | WRITE, flags, -1, 0);
			yield* agent.string(where, "/tmp/f");
			const fd = yield* agent.call(SYS.openat, AT_FDCWD, where, O_CREAT | O_RDWR, 0o600);
			yield* agent.call(SYS.munmap, where, PAGE_SIZE);
			return fd;
		});
	}

	/** A process with all of its pages mapped, private and writable. */
	#create(): void {
		const agent = Agent.create(this.t);
		const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANON;
		agent.syscall(SYS.mmap2, BASE, PAGES * PAGE_SIZE, READ | WRITE, flags, -1, 0);
		const pages = Array.from({ length: PAGES }, (_, i) => ({
			cell: blank(i),
			shared: false,
			file: -1,
			prot: READ | WRITE,
			wired: false,
		}));
		this.procs.push({ agent, pages, fd: this.#open(agent), future: false });
	}

	#range(o: Op): number[] {
		const end = Math.min(PAGES, o.page + o.n);
		return Array.from({ length: end - o.page }, (_, i) => o.page + i);
	}

	step(o: Op): void {
		const model = this.procs[o.who % this.procs.length];
		if (model === undefined) return;
		const range = this.#range(o);
		const len = range.length * PAGE_SIZE;
		const whole = range.every((i) => model.pages[i] !== null);
		const call = (number: number, ...args: number[]): number =>
			model.agent.syscall(number, address(o.page), len, ...args);
		switch (o.kind) {
			case "store":
				this.#store(model, o.page);
				break;
			case "storm":
				this.#storm(o);
				break;
			case "stores":
				this.#stores(o);
				break;
			case "load":
				this.#load(model, o.page);
				break;
			case "mmap":
				this.#mmap(model, range, call, o.x);
				break;
			case "fmap":
				this.#fmap(model, range, call, o.x);
				break;
			case "truncate":
				this.#truncate(o.x % (FILE_PAGES + 1));
				break;
			case "mclfuture":
				model.future = !model.future;
				expect(model.agent.syscall(SYS.mlockall, MCL_FUTURE)).toBe(0);
				if (model.future) break;
				expect(model.agent.syscall(SYS.munlockall)).toBe(0);
				for (const page of model.pages) if (page !== null) page.wired = false;
				break;
			case "munmap":
				expect(call(SYS.munmap)).toBe(0);
				for (const i of range) model.pages[i] = null;
				break;
			case "mremap":
				this.#mremap(model, o.page, Math.min(o.n, PAGES - o.page), o.x % PAGES);
				break;
			case "mprotect": {
				const prot = [0, READ, READ | WRITE][o.x % 3]!;
				const opened = range.filter((i) => {
					const page = model.pages[i]!;
					return model.future && prot !== 0 && page !== null && page.prot === 0 && !page.wired;
				});
				const error = call(SYS.mprotect, prot);
				// Without memory to wire the protection is changed nevertheless.
				if (opened.length === 0 || !whole) expect(error).toBe(whole ? 0 : -ENOMEM);
				if (!whole) break;
				for (const i of range) model.pages[i]!.prot = prot;
				if (error === 0) for (const i of opened) model.pages[i]!.wired = true;
				break;
			}
			case "dontneed":
				if (range.some((i) => model.pages[i]?.wired)) break;
				call(SYS.madvise, MADV_DONTNEED);
				for (const i of range) {
					const page = model.pages[i]!;
					if (page !== null && !page.shared) page.cell = { value: 0, offset: page.cell!.offset };
				}
				break;
			case "pageout":
				expect(call(SYS.madvise, MADV_PAGEOUT)).toBe(pageoutResult(model, range));
				break;
			case "pageouts":
				this.#pageouts(o);
				break;
			case "advise":
				call(SYS.madvise, o.x % (MADV_RANDOM + 2));
				break;
			case "mlock": {
				const usable =
					whole &&
					range.every((i) => {
						const page = model.pages[i]!;
						return page.prot !== 0 && (page.cell !== null || page.wired);
					});
				const error = call(SYS.mlock);
				if (!usable) expect(error).toBe(-ENOMEM);
				if (error === 0) for (const i of range) model.pages[i]!.wired = true;
				break;
			}
			case "munlock":
				if (call(SYS.munlock) === 0) for (const i of range) model.pages[i]!.wired = false;
				break;
			case "fork":
				this.#fork(model);
				break;
			case "exit":
				this.#exit(model);
				break;
			case "swapoff":
			case "swapon":
				this.#swap(model, o.kind);
				break;
		}
		this.#bury();
	}

	#mmap(
		model: Model,
		range: number[],
		call: (number: number, ...args: number[]) => number,
		x: number,
	): void {
		const shared = x % 3 === 0;
		const prot = x % 5 === 0 ? READ : READ | WRITE;
		const flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | MAP_ANON;
		const result = call(SYS.mmap2, prot, flags, -1, 0);
		this.#mapped(model, range, result, (i) => ({ cell: blank(i), shared, file: -1, prot }));
	}

	/** Map the file, also beyond its end. */
	#fmap(
		model: Model,
		range: number[],
		call: (number: number, ...args: number[]) => number,
		x: number,
	): void {
		const prot = x % 5 === 0 ? READ : READ | WRITE;
		const first = x % FILE_PAGES;
		const result = call(SYS.mmap2, prot, MAP_SHARED | MAP_FIXED, model.fd, first);
		this.#mapped(model, range, result, (i) => {
			const file = first + i - range[0]!;
			return { cell: this.#file[file] ?? null, shared: true, file, prot };
		});
	}

	/** What mmap at a fixed place has done. */
	#mapped(
		model: Model,
		range: number[],
		result: number,
		page: (i: number) => Omit<Page, "wired">,
	): void {
		if (result >= 0 || !model.future) {
			expect(result).toBe(address(range[0]!));
			for (const i of range) model.pages[i] = { ...page(i), wired: model.future };
			return;
		}
		// It cannot be wired: either the limit was passed, and nothing is changed; or memory was short,
		// or the file too short, and nothing is mapped.
		expect(result).toBe(-ENOMEM);
		for (const i of range) {
			const at = address(i);
			const { start, end } = uvm_map_lookup_entry(model.agent.map, at);
			if (at < start || at >= end) model.pages[i] = null;
		}
	}

	/** Cut the file off, or make it longer. */
	#truncate(pages: number): void {
		const size = pages * PAGE_SIZE;
		const error = this.#keeper.syscall(SYS.ftruncate64, this.#keeperFd, size, 0);
		expect(error).toBe(0);
		this.#file.length = Math.min(this.#file.length, pages);
		while (this.#file.length < pages) this.#file.push(blank(this.#file.length));
		for (const page of this.procs.flatMap(({ pages: all }) => all)) {
			if (page !== null && page.file >= 0) page.cell = this.#file[page.file] ?? null;
		}
	}

	/** All processes page out the same range at the same time, and have to wait meanwhile. */
	#pageouts(o: Op): void {
		const range = this.#range(o);
		const [at, len] = [address(range[0]!), range.length * PAGE_SIZE];
		let n = 0;
		this.t.k.failinject = (what) => what === "pager_map" && n++ % 3 === o.x % 3;
		const jobs = this.procs.map(({ agent }) =>
			agent.start(() => agent.call(SYS.madvise, at, len, MADV_PAGEOUT)),
		);
		this.t.settle();
		this.t.k.failinject = null;
		const results = this.procs.map((model) => pageoutResult(model, range));
		expect(jobs.map((job) => job.result)).toEqual(results);
	}

	/** Move pages elsewhere, if they are one mapping and the places do not overlap. */
	#mremap(model: Model, from: number, count: number, to: number): void {
		const n = Math.min(count, PAGES - to);
		const len = n * PAGE_SIZE;
		const flags = 3; // MAYMOVE, FIXED
		const { agent } = model;
		const result = agent.syscall(SYS.mremap, address(from), len, len, flags, address(to));
		const whole = model.pages.slice(from, from + n).every((page) => page !== null);
		if (!whole) expect(result).toBeLessThan(0);
		if (result < 0) this.#relocked(model, from, n);
		if (result === -EFAULT || result === -EINVAL || result === -EAGAIN) return;
		const moved = model.pages.slice(from, from + n);
		for (let i = 0; i < n; i++) model.pages[to + i] = null;
		if (result < 0) return;
		for (let i = 0; i < n; i++) model.pages[from + i] = null;
		for (let i = 0; i < n; i++) model.pages[to + i] = moved[i]!;
		this.#relocked(model, to, n);
	}

	/** mremap locks again what was locked, but not behind the end of the file or without memory. */
	#relocked(model: Model, first: number, n: number): void {
		for (let i = first; i < first + n; i++) {
			const page = model.pages[i];
			if (!page?.wired) continue;
			page.wired = uvm_map_lookup_entry(model.agent.map, address(i)).wired_count > 0;
		}
	}

	#store(model: Model, i: number): void {
		const page = model.pages[i]!;
		const value = this.#stamp++;
		const error = model.agent.start(() => model.agent.store(word_address(model, i), value));
		this.t.settle();
		if (!model.agent.alive) return;
		const allowed = page !== null && page.cell !== null && (page.prot & WRITE) !== 0;
		expect(error.result === 0).toBe(allowed);
		if (allowed) page.cell!.value = value;
	}

	/** Have a process store to its private pages. => what to do when all has come to rest. */
	#startStores(model: Model, range: readonly number[]): () => void {
		const done: (() => void)[] = [];
		for (const i of range) {
			const page = model.pages[i]!;
			if (page === null || page.shared || (page.prot & WRITE) === 0) continue;
			const value = this.#stamp++;
			const job = model.agent.start(() => model.agent.store(word_address(model, i), value));
			done.push(() => {
				if (!job.done || !model.agent.alive) return;
				expect(job.result).toBe(0);
				page.cell!.value = value;
			});
		}
		return () => {
			for (const check of done) check();
		};
	}

	/** All processes store at the same time. */
	#stores(o: Op): void {
		const finish = this.procs.map((model) => this.#startStores(model, this.#range(o)));
		this.t.settle();
		for (const check of finish) check();
	}

	/** At the same time: swapoff or swapon, stores of all others, a fork, and an exit. */
	#storm(o: Op): void {
		const [swapper, forker, leaver] = [0, 1, 2].map(
			(n) => this.procs[(o.who + n) % this.procs.length]!,
		) as [Model, Model, Model];
		if (this.procs.length < 2) return;
		const finish = [this.#startSwap(swapper, this.#swapOff ? "swapon" : "swapoff")];
		for (const model of this.procs) finish.push(this.#startStores(model, this.#range(o)));
		finish.push(this.#startFork(forker));
		if (leaver !== swapper && leaver !== forker) leaver.agent.start(() => leaver.agent.exit(0));
		this.t.settle();
		for (const check of finish) check();
	}

	#load(model: Model, i: number): void {
		const page = model.pages[i]!;
		const value = model.agent.start(() => model.agent.load(word_address(model, i)));
		this.t.settle();
		if (!model.agent.alive) return;
		const readable = page !== null && page.cell !== null && page.prot !== 0;
		expect(value.result).toBe(readable ? page.cell!.value : null);
	}

	#fork(model: Model): void {
		const finish = this.#startFork(model);
		this.t.settle();
		finish();
	}

	#startFork(model: Model): () => void {
		if (this.procs.length >= PROCESSES) return () => {};
		const job = model.agent.start(() => model.agent.fork());
		return () => {
			if (!job.done) {
				expect(model.agent.alive).toBe(false);
				return;
			}
			const child = job.result;
			if (typeof child === "number") {
				expect(child).toBe(ENOMEM);
				return;
			}
			const pages = model.pages.map((page) => {
				if (page === null) return null;
				const cell = page.shared ? page.cell : { ...page.cell! };
				return { ...page, cell, wired: false };
			});
			this.procs.push({ agent: child, pages, fd: model.fd, future: false });
		};
	}

	#exit(model: Model): void {
		if (this.procs.length === 1) return;
		model.agent.start(() => model.agent.exit(0));
		this.t.settle();
	}

	/** The second disk goes, or comes back; it may have to stay. */
	#swap(model: Model, kind: "swapoff" | "swapon"): void {
		const finish = this.#startSwap(model, kind);
		this.t.settle();
		finish();
	}

	#startSwap(model: Model, kind: "swapoff" | "swapon"): () => void {
		const path = "/dev/ld1";
		const where = address(PAGES + 1);
		const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANON;
		const { agent } = model;
		const job = agent.start(function* (): Sleeps<number> {
			yield* agent.call(SYS.mmap2, where, PAGE_SIZE, READ | WRITE, flags, -1, 0);
			for (let i = 0; i <= path.length; i += 4) {
				let word = 0;
				for (let b = 3; b >= 0; b--) word = (word << 8) | (path.charCodeAt(i + b) || 0);
				yield* agent.store(where + i, word);
			}
			const error = yield* agent.call(kind === "swapoff" ? SYS.swapoff : SYS.swapon, where);
			yield* agent.call(SYS.munmap, where, PAGE_SIZE);
			return error;
		});
		return () => {
			if (!agent.alive) return;
			// The page for the path could not be wired.
			if (model.future && job.result === -EFAULT) return;
			if (kind === "swapon") expect(job.result === 0).toBe(this.#swapOff);
			if (job.result === 0) this.#swapOff = kind === "swapoff";
		};
	}

	/** Processes that have ended, by exit or for want of memory, are forgotten. */
	#bury(): void {
		for (const model of this.procs.filter((m) => !m.agent.alive)) {
			this.procs.splice(this.procs.indexOf(model), 1);
		}
		for (const { agent } of this.procs) wait_discard(agent);
		if (this.procs.length === 0) {
			this.#create();
		}
	}

	/** Every word of every process, and what is locked. */
	verify(): void {
		for (const model of [...this.procs]) {
			for (let i = 0; i < PAGES; i++) {
				const page = model.pages[i]!;
				if (page === null) continue;
				const entry = uvm_map_lookup_entry(model.agent.map, address(i));
				expect(entry.wired_count > 0, `page ${i} is locked`).toBe(page.wired);
			}
			for (let i = 0; i < PAGES; i++) if (model.agent.alive) this.#load(model, i);
		}
		this.#bury();
	}

	/** Everybody ends: nothing is left. */
	end(): void {
		for (const model of this.procs) {
			model.agent.start(() => model.agent.exit(0));
			this.t.settle();
		}
		this.#truncate(0);
		this.#keeper.syscall(SYS.close, this.#keeperFd);
		const { k } = this.t;
		const { anon_pool, amap_pool } = k.uvm;
		expect([anon_pool.pr_nout, amap_pool.pr_nout]).toEqual([0, 0]);
		expect([k.uvmexp.swpginuse, k.uvmexp.swpgonly]).toEqual([0, 0]);
		expect(k.uvmexp.wired).toBe(this.#wired);
	}
}
