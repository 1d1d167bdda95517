/**
 * Processes that do things to memory at the same time, against a model. In each round every process
 * carries out its operations one after the other, while the others carry out theirs; which thread
 * goes on, when disks finish, and what fails for lack of resources is drawn from a seed.
 *
 * A word of memory has a set of values that it may hold. A store that nothing overlaps leaves one;
 * what is shared, or written by another process in the round, may hold any of the round's values.
 */
import { expect } from "vitest";
import { sleepq_busy } from "../../kernel/kern/core/kern_sleepq.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { OverlapBase } from "./vm-overlap-base.ts";

import {
	AT_FDCWD,
	address,
	BUFFER,
	Cell,
	type Found,
	KEEP_SIZE_PUNCH,
	MADV,
	MAP_ANON,
	MAP_FIXED,
	MAP_SHARED,
	Model,
	MREMAP_DONTUNMAP,
	MREMAP_FIXED,
	type Page,
	PRIVATE,
	READ,
	SCRATCH,
	type Step,
	WRITE,
} from "./vm-overlap-cells.ts";
import { FILE_PAGES, type Op, PAGES, PROCESSES } from "./vm-overlap-ops.ts";

export class OverlapMachine extends OverlapBase {
	/** Operations of all processes, each process's in order. */
	round(ops: readonly Op[]): void {
		if (this.procs.length === 0) this.create();
		if (this.procs.length === 0) return;
		const victim = (o: Op): Model => this.procs[o.x % this.procs.length]!;
		const poked = new Set(ops.filter((o) => o.kind === "poke" || o.kind === "peek").map(victim));
		for (const model of this.procs) {
			model.begin(poked.has(model));
			for (const page of model.pages) page?.cell.begin(page.shared || model.poked);
		}
		for (const cell of this.file) cell.begin(true);
		this.fileSure = this.fileSize;
		this.fileWas = this.fileSize;
		this.checks = [];
		this.pokes = [];
		const steps: Step[] = [];
		const once = new Set<string>();
		for (const o of ops) {
			// The order of two of these would not be known.
			if (o.kind === "truncate" || o.kind === "lend") {
				if (once.has(o.kind)) continue;
				once.add(o.kind);
			}
			steps.push(...this.start(o));
		}
		this.t.settle();
		this.empty(steps);
		const { swapoff_lwp } = this.t.k.uvm;
		expect(swapoff_lwp).toBe(null);
		for (const { model, job } of steps) {
			expect(job.done || !model.agent.alive, "somebody sleeps for ever").toBe(true);
		}
		for (const { job, finish } of steps) finish(job.done);
		for (const { target, i, value, sure } of this.pokes) {
			const cells = target.history[i]!;
			// Which of several cells it was is not known.
			if (sure && cells.length === 1) cells[0]!.write({}, value);
			else for (const cell of cells) cell.might(value);
		}
		for (const check of this.checks) check();
		for (const model of this.procs) {
			for (const cells of model.history) for (const cell of cells) cell.end();
		}
		for (const cell of this.file) cell.end();
		for (const [i, cell] of this.file.entries()) {
			if (i >= this.fileSize) cell.values = new Set([0]);
		}
		this.bury();
	}

	/** What is in the pipe because one of its users has ended. */
	protected empty(steps: readonly Step[]): void {
		const pipe = this.keeper.p.p_fd!.fd_ofiles[this.pipe[0]]!.f_pipe!;
		const { k } = this.t;
		for (let n = 0; n < 1000; n++) {
			const count = pipe.pipe_cnt + (pipe.pipe_map?.cnt ?? 0);
			const waits = sleepq_busy(k.sleepq, pipe.pipe_rwait);
			if (count > 0) {
				this.keeper.syscall(SYS.read, this.pipe[0], BUFFER, Math.min(count, PAGE_SIZE));
			} else if (waits) {
				this.keeper.run(() => this.keeper.store(BUFFER, 0));
				this.keeper.syscall(SYS.write, this.pipe[1], BUFFER, PAGE_SIZE);
			} else return;
		}
		throw new Error(`the pipe is never empty, ${steps.length} operations`);
	}

	private start(o: Op): Step[] {
		const model = this.procs[o.who % this.procs.length]!;
		const { page: from } = o;
		const n = Math.min(o.n, PAGES - from);
		const range = Array.from({ length: n }, (_, i) => from + i);
		const call = (
			number: number,
			args: readonly number[],
			finish: (error: number, found: Found[]) => void,
		): Step[] => [this.call(model, from, n, number, args, finish)];
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
				return range.map((i) => this.store(model, i));
			case "load":
				return range.map((i) => this.load(model, i));
			case "mmap":
			case "fmap":
				return [this.mmap(model, from, n, o)];
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
						this.believe(model, found);
						if (error !== 0) return;
						each((page) => expect(page.prot).toBe([0, READ, READ | WRITE, READ | WRITE][o.x % 4]));
					},
				);
			case "mlock":
				return [
					...call(SYS.mlock, [], (error, found) => {
						expect([0, -ENOMEM]).toContain(error);
						if (error === 0) for (const i of range) expect(found[i]?.wired).toBe(true);
						this.believe(model, found);
					}),
				];
			case "munlock":
				return call(SYS.munlock, [], (error, found) => {
					expect([0, -ENOMEM]).toContain(error);
					if (error === 0) for (const i of range) expect(found[i]?.wired).toBe(false);
					this.believe(model, found);
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
				return madvise(MADV.pageout, (error) => expect([0, -EINVAL, -ENOMEM]).toContain(error));
			case "advise":
				return madvise([MADV.random, MADV.willneed, MADV.cold, 0][o.x % 4]!);
			case "msync":
				return call(SYS.msync, [o.x % 2 === 0 ? 4 : 6], () => {});
			case "mremap":
				return [this.mremap(model, from, Math.min(n, PAGES - (o.x % PAGES)), o.x)];
			case "truncate":
				return [this.truncate(model, o.x % (FILE_PAGES + 1))];
			case "punch":
				return [this.punch(model, from % FILE_PAGES, n)];
			case "fork":
				return this.fork(model);
			case "exit":
				if (this.procs.length === 1) return [];
				return [{ model, job: model.agent.start(() => model.agent.exit(0)), finish: () => {} }];
			case "swapoff":
			case "swapon":
				return [this.swap(model, o.kind, o.x % 4 === 0 ? 0 : 1)];
			case "poke":
				return [this.remote(model, this.procs[o.x % this.procs.length]!, from, true)];
			case "peek":
				return [this.remote(model, this.procs[o.x % this.procs.length]!, from, false)];
			case "lend":
				return this.lend(model, this.procs[o.x % this.procs.length]!, from, Math.max(n, 3), o.x);
		}
	}

	protected mmap(model: Model, from: number, n: number, o: Op): Step {
		const file = o.kind === "fmap";
		const shared = file || o.x % 3 === 0;
		const prot = o.x % 5 === 0 ? READ : READ | WRITE;
		const first = o.x % FILE_PAGES;
		const args = file
			? [prot, MAP_SHARED | MAP_FIXED, this.fd, first]
			: [prot, (shared ? MAP_SHARED : 2) | MAP_FIXED | MAP_ANON, -1, 0];
		return this.call(model, from, n, SYS.mmap2, args, (result, found) => {
			if (result < 0) {
				expect(result).toBe(-ENOMEM);
				this.believe(model, found);
				return;
			}
			expect(result).toBe(address(from));
			for (let i = 0; i < n; i++) {
				const inside = file && first + i < FILE_PAGES;
				const cell = inside ? this.file[first + i]! : new Cell(0, model.poked);
				const index = file ? first + i : -1;
				model.set(from + i, { cell, shared, file: index, prot, wired: false });
			}
		});
	}

	protected mremap(model: Model, from: number, n: number, x: number): Step {
		const to = x % PAGES;
		const keep = x % 4 === 0;
		const len = n * PAGE_SIZE;
		const flags = MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);
		const args = [len, flags, address(to)];
		return this.call(model, from, n, SYS.mremap, args, (result, found) => {
			const moved = model.pages.slice(from, from + n);
			if (result < 0) {
				expect([-EFAULT, -EINVAL, -ENOMEM]).toContain(result);
				this.believe(model, found);
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
			this.believe(model, found);
		});
	}

	protected truncate(model: Model, pages: number): Step {
		const job = this.job(model, () =>
			model.agent.call(SYS.ftruncate64, this.fd, pages * PAGE_SIZE, 0),
		);
		const was = this.fileSize;
		this.fileWas = Math.max(was, pages);
		this.fileSure = Math.min(was, pages);
		for (const cell of this.file.slice(this.fileSure)) cell.might(0);
		return {
			model,
			job,
			finish: (done) => {
				if (!done || job.result !== 0) {
					// It was not made longer, or the process ended before, or in the middle.
					this.fileSize = this.size();
					return;
				}
				this.fileSize = pages;
			},
		};
	}

	protected punch(model: Model, first: number, n: number): Step {
		const args = [KEEP_SIZE_PUNCH, first * PAGE_SIZE, 0, n * PAGE_SIZE, 0];
		const job = this.job(model, () => model.agent.call(SYS.fallocate, this.fd, ...args));
		return {
			model,
			job,
			finish: (done) => {
				for (const cell of this.file.slice(first, first + n)) {
					if (done && job.result === 0) cell.write(model, 0);
					else cell.might(0);
				}
			},
		};
	}

	protected fork(model: Model): Step[] {
		if (this.procs.length >= PROCESSES) return [];
		const job = this.job(model, () => model.agent.fork());
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

	protected swap(model: Model, kind: "swapoff" | "swapon", unit: number): Step {
		const { agent } = model;
		const job = this.job(model, function* () {
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
	protected remote(model: Model, target: Model, i: number, write: boolean): Step {
		const value = write ? this.stamp++ : 0;
		const { agent } = model;
		const { p_pid } = target.agent.p;
		const number = write ? SYS.process_vm_writev : SYS.process_vm_readv;
		const words = [SCRATCH + 64, 4, address(i), 4];
		const job = this.job(model, function* () {
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
					if (!done || sure) this.pokes.push({ target, i, value, sure });
				} else if (done && job.result.n === 4) {
					const { word } = job.result;
					this.checks.push(() => {
						const possible = there().flatMap((cell) => [...cell.possible]);
						expect(possible).toContain(word);
					});
				}
			},
		};
	}

	/** Write pages to the pipe, large enough to be lent, and have another process read them. */
	protected lend(model: Model, reader: Model, from: number, n: number, x: number): Step[] {
		if (model === reader) return [];
		const count = Math.min(n, PAGES - from);
		const to = x % (PAGES - count + 1);
		const len = count * PAGE_SIZE;
		const [rfd, wfd] = this.pipe;
		const sources: (Cell | null)[] = [];
		const values: Set<number>[] = [];
		const write = this.job(model, () => model.agent.call(SYS.write, wfd, address(from), len));
		let wrote = false;
		const { agent } = reader;
		const read = this.job(reader, function* () {
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
				this.checks.push(() => {
					const allowed = source.loose ? source.possible : values[i]!;
					expect(allowed).toContain(word);
				});
			}
		};
		return [writer, { model: reader, job: read, finish }];
	}

	/** Every word of every process; from now on each has one value. */
	verify(): void {
		this.fileSure = this.fileSize;
		this.fileWas = this.fileSize;
		for (const model of this.procs) {
			for (let i = 0; i < PAGES && model.agent.alive; i++) {
				const page = model.pages[i]!;
				const found = this.look(model, i, 1)[0]!;
				expect(found !== null, `page ${i} is mapped`).toBe(page !== null);
				if (page === null) continue;
				expect(found).toEqual({ prot: page.prot, wired: page.wired });
				const { finish, job } = this.load(model, i);
				this.t.settle();
				finish(job.done);
			}
		}
		this.bury();
	}

	/** Everybody ends: nothing is left. */
	end(): void {
		this.t.k.failinject = null;
		for (const { agent } of this.procs) {
			agent.start(() => agent.exit(0));
			this.t.settle();
		}
		this.bury();
		const keeper = this.keeper;
		keeper.run(() => keeper.string(BUFFER, "/tmp/f"));
		expect(keeper.syscall(SYS.unlinkat, AT_FDCWD, BUFFER, 0)).toBe(0);
		expect(keeper.syscall(SYS.close, this.fd)).toBe(0);
		const { uvmexp } = this.t.k;
		const { swpginuse, swpgbad, swpgonly, paging, loanpages } = uvmexp;
		expect([swpginuse - swpgbad, swpgonly, paging, loanpages]).toEqual([0, 0, 0, 0]);
		expect(uvmexp.wired).toBe(this.wired);
	}
}
