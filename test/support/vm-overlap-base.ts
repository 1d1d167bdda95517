/** A machine with processes for vm-overlap.ts, and what they do one at a time. */
import { expect } from "vitest";
import { vfs_mountroot } from "../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { O_CREAT, O_RDWR } from "../../kernel/kern/proc/file.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { uvm_map_lookup_entry } from "../../kernel/uvm/uvm_map_entry.ts";
import { ENOMEM } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { wait_discard } from "./agent-wait.ts";
import { Agent, type Job } from "./agents.ts";
import { Draw, DrawnTiming } from "./drawn.ts";
import { TestKernel } from "./kernel.ts";
import {
	AT_FDCWD,
	address,
	BASE,
	BUFFER,
	Cell,
	F_SETPIPE_SZ,
	type Found,
	Model,
	type Page,
	PRIVATE,
	READ,
	type Step,
	WRITE,
} from "./vm-overlap-cells.ts";
import { type Config, FILE_PAGES, PAGES } from "./vm-overlap-ops.ts";

export class OverlapBase {
	readonly t: TestKernel;
	procs: Model[] = [];
	protected readonly draw: Draw;
	/** It has the file and the pipe, from which all inherit them, and never ends. */
	protected readonly keeper: Agent;
	protected readonly fd: number;
	protected readonly pipe: [number, number];
	protected readonly file = Array.from({ length: FILE_PAGES }, () => new Cell(0, false));
	protected fileSize = 0;
	/** In this round a truncate is under way; pages of the file from this one on may be missing. */
	protected fileSure = FILE_PAGES;
	protected stamp = 1;
	protected readonly freeBefore: number;
	protected readonly wired: number;
	/** The size before the truncate or after it, whichever is larger. */
	protected fileWas = 0;
	/** Stores to pages of other processes. */
	protected pokes: { target: Model; i: number; value: number; sure: boolean }[] = [];
	/** To be looked at when the model knows of all that happened in the round. */
	protected checks: (() => void)[] = [];

	constructor(config: Config) {
		this.draw = new Draw(config.seed);
		const { ram, disk } = config;
		this.t = new TestKernel({
			ram: ram * 1024,
			disks: [disk * 1024, disk * 1024],
			timing: () => new DrawnTiming(this.draw.below(2 ** 31)),
		});
		const { t } = this;
		t.run(vfs_mountroot(t.k, null, null));
		this.keeper = Agent.create(t);
		const keeper = this.keeper;
		keeper.syscall(SYS.mmap2, BUFFER, PAGE_SIZE, READ | WRITE, PRIVATE, -1, 0);
		expect(keeper.syscall(SYS.mlock, BUFFER, PAGE_SIZE)).toBe(0);
		keeper.run(() => keeper.string(BUFFER, "/tmp/f"));
		this.fd = keeper.syscall(SYS.openat, AT_FDCWD, BUFFER, O_CREAT | O_RDWR, 0o600);
		expect(keeper.syscall(SYS.pipe2, BUFFER, 0)).toBe(0);
		const end = (i: number): number => keeper.run(() => keeper.load(BUFFER + i * 4))!;
		this.pipe = [end(0), end(1)];
		// So small that most writes lend pages.
		expect(keeper.syscall(SYS.fcntl64, this.pipe[1], F_SETPIPE_SZ, PAGE_SIZE)).toBe(PAGE_SIZE);
		this.freeBefore = t.k.uvmexp.free;
		this.wired = t.k.uvmexp.wired;
		for (let i = 0; i < 3; i++) this.create();
		const draw = this.draw;
		t.k.watch = { ...t.k.watch, choose: (n) => draw.below(n) };
		for (let n = 0; n < config.bad; n++) {
			for (const media of t.disks) media.failWrites(8 * draw.below(disk / 4), 8);
		}
		const rates: Record<string, number> = { pager_map: 5, buf: 12, swslot: 12, loan: 10 };
		if (config.failures) {
			t.k.failinject = (what) => rates[what] !== undefined && draw.below(rates[what]) === 0;
		}
	}

	protected create(): void {
		const child = this.keeper.run(() => this.keeper.fork());
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

	protected bury(): void {
		this.procs = this.procs.filter(({ agent }) => agent.alive);
		for (const { agent } of this.procs) wait_discard(agent);
		wait_discard(this.keeper);
	}

	/** What the map of a process says about pages. => between two operations of the process. */
	protected look(model: Model, from: number, n: number): Found[] {
		return Array.from({ length: n }, (_, i) => {
			const at = address(from + i);
			const entry = uvm_map_lookup_entry(model.agent.map, at);
			if (at < entry.start || at >= entry.end) return null;
			return { prot: entry.protection, wired: entry.wired_count > 0 };
		});
	}

	/** A job that ends the process if it had no memory. */
	protected job<T>(model: Model, body: () => Sleeps<T>): Job<T> {
		const { agent } = model;
		agent.stops = true;
		return agent.start(function* (): Sleeps<T> {
			const result = yield* body();
			if (agent.l.l_nomem >= 0) yield* agent.exit(137);
			return result;
		});
	}

	/** A system call about pages, and what the map says of them then. */
	protected call(
		model: Model,
		from: number,
		n: number,
		number: number,
		args: readonly number[],
		finish: (error: number, found: Found[]) => void,
	): Step {
		const at = address(from);
		const look = (): Found[] => this.look(model, 0, PAGES);
		const job = this.job(model, function* () {
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

	/** The model did not know what would be mapped, protected and locked. */
	protected believe(model: Model, found: Found[]): void {
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
	protected access(page: Page | null, prot: number): number {
		if (page === null || (page.prot & prot) === 0) return 0;
		if (page.file < 0 || page.file < this.fileSure) return 2;
		return page.file < Math.max(this.fileSize, this.fileWas) ? 1 : 0;
	}

	protected store(model: Model, i: number): Step {
		const value = this.stamp++;
		const job = this.job(model, () => model.agent.store(address(i), value));
		return {
			model,
			job,
			finish: (done) => {
				const page = model.pages[i]!;
				const access = this.access(page, WRITE);
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

	protected load(model: Model, i: number): Step {
		const job = this.job(model, () => model.agent.load(address(i)));
		return {
			model,
			job,
			finish: (done) => {
				if (done) this.loaded(model.pages[i]!, job.result);
			},
		};
	}

	protected loaded(page: Page | null, value: number | null): void {
		const access = this.access(page, READ);
		if (value === null) {
			expect(access).not.toBe(2);
			return;
		}
		expect(access).not.toBe(0);
		const { cell } = page!;
		if (cell.loose) this.checks.push(() => expect(cell.possible).toContain(value));
		else {
			expect(cell.values).toContain(value);
			cell.values = new Set([value]);
		}
	}

	/** The file's size in pages, as fstat tells. */
	protected size(): number {
		const SEEK_END = 2;
		const at = this.keeper.syscall(SYS.llseek, this.fd, 0, 0, BUFFER, SEEK_END);
		expect(at).toBe(0);
		return this.keeper.run(() => this.keeper.load(BUFFER))! / PAGE_SIZE;
	}

	/** Pages that were free before there were processes. */
	get free(): number {
		return this.freeBefore;
	}
}
