/** Pools of kernel memory: their pages, what the page daemon gets back, what callers are told. */
import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { free, malloc } from "../../../kernel/kern/core/kern_malloc.ts";
import { wakeup } from "../../../kernel/kern/core/kern_synch.ts";
import {
	type pool,
	pool_drain,
	pool_get,
	pool_getn,
	pool_idle,
	pool_prime,
	pool_put,
	pool_reclaim,
} from "../../../kernel/kern/core/subr_pool.ts";
import { MAXFILES } from "../../../kernel/kern/proc/kern_descrip.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { pool_prime_wait, uvm_pause } from "../../../kernel/uvm/uvm_wait.ts";
import { EAGAIN, ENFILE, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BUFFER = 0x1000_0000;
const RW = 3;
const PRIVATE_FIXED = 0x32;

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
	pool_drain(t.k);
});

/** Nothing more from this pool. */
const close = (pp: pool): void => {
	pp.pr_hardlimit = pp.pr_nout;
};

describe("a pool", () => {
	it("has the pages that its items fill, whatever is taken and returned", () => {
		const op = fc.record({
			what: fc.constantFrom("get", "get", "put", "prime", "reclaim"),
			which: fc.nat(1),
			n: fc.integer({ min: 1, max: 400 }),
		});
		const { k } = t;
		const pools = [k.uvm.anon_pool, k.pools.sigapl];
		const perpage = [253, 2];
		const total = k.uvmexp.free + k.uvmexp.poolpages;
		fc.assert(
			fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
				const out = [0, 0];
				const pages = [0, 0];
				for (const { what, which, n } of ops) {
					const pp = pools[which]!;
					const count = which === 0 ? n : (n % 8) + 1;
					const hold = (items: number): number => Math.ceil(items / perpage[which]!);
					const grown = Math.max(pages[which]!, hold(out[which]! + count));
					if (what === "get") {
						expect(pool_getn(k, pp, count)).toBe(true);
						out[which]! += count;
						pages[which] = grown;
					} else if (what === "put") {
						const some = Math.min(count, out[which]!);
						pool_put(pp, some);
						out[which]! -= some;
					} else if (what === "prime") {
						expect(pool_prime(k, pp, count)).toBe(true);
						pages[which] = grown;
					} else {
						const before = pages[which]!;
						pages[which] = hold(out[which]!);
						expect(pool_reclaim(k, pp)).toBe(before - pages[which]!);
					}
					expect([pp.pr_nout, pp.pr_pages.length]).toEqual([out[which], pages[which]]);
					expect(k.uvmexp.free + k.uvmexp.poolpages).toBe(total);
				}
				for (const [i, pp] of pools.entries()) {
					pool_put(pp, out[i]!);
					pool_reclaim(k, pp);
					expect(pp.pr_pages.length).toBe(0);
				}
			}),
			{ numRuns: 100, seed: 1 },
		);
		t.check();
	});

	it("counts requests and refusals, and the most pages", () => {
		const pp = t.k.pools.sigapl;
		for (let i = 0; i < 5; i++) expect(pool_get(t.k, pp)).toBe(true);
		close(pp);
		expect(pool_get(t.k, pp)).toBe(false);
		pool_put(pp, 5);
		pool_reclaim(t.k, pp);
		expect(pp).toMatchObject({
			pr_nget: 5,
			pr_nfail: 1,
			pr_nout: 0,
			pr_npagealloc: 3,
			pr_npagefree: 3,
			pr_hiwat: 3,
		});
	});

	it("stops at half of memory", () => {
		const { k } = t;
		const before = k.uvmexp.poolpages;
		let n = 0;
		while (pool_get(k, k.pools.pipebuf)) n++;
		expect(k.uvmexp.poolpages).toBe(Math.ceil(k.uvmexp.npages / 2));
		expect(n).toBe(k.uvmexp.poolpages - before);
		expect(k.pools.pipebuf.pr_nfail).toBe(1);
		pool_put(k.pools.pipebuf, n);
		expect(pool_drain(k)).toBe(n);
		t.check();
	});

	it("takes what another has idle, where memory gives no more", () => {
		const { k } = t;
		let n = 0;
		while (pool_get(k, k.pools.pipebuf)) n++;
		pool_put(k.pools.pipebuf, 2);
		const { poolpages } = k.uvmexp;
		expect(pool_getn(k, k.pools.sigapl, 3)).toBe(true);
		expect([k.uvmexp.poolpages, pool_idle(k.pools.pipebuf)]).toEqual([poolpages, 0]);
		expect(pool_getn(k, k.pools.sigapl, 3)).toBe(false);
		pool_put(k.pools.pipebuf, n - 2);
		pool_put(k.pools.sigapl, 3);
		t.check();
	});

	it("does not take its own idle pages where memory gives no more, but is refused", () => {
		const { k } = t;
		let n = 0;
		while (pool_get(k, k.pools.pipebuf)) n++;
		pool_put(k.pools.pipebuf, 2);
		k.pool_page_free = () => {
			throw new Error("a page was returned");
		};
		expect(pool_getn(k, k.pools.pipebuf, 3)).toBe(false);
		expect([pool_idle(k.pools.pipebuf), k.pools.pipebuf.pr_nout]).toEqual([2, n - 2]);
		expect(pool_getn(k, k.pools.pipebuf, 2)).toBe(true);
	});

	it("never returns what maps of the kernel and transfers need", () => {
		pool_drain(t.k);
		expect(t.k.uvm.kmap_entry_pool.pr_nitems).toBeGreaterThanOrEqual(50);
		expect(t.k.pools.bufpl.pr_nitems).toBeGreaterThanOrEqual(36);
		expect([pool_idle(t.k.pools.bufpl), pool_idle(t.k.uvm.kmap_entry_pool)]).toEqual([0, 0]);
	});

	it("gives its idle pages to the page daemon", () => {
		const { k } = t;
		expect(pool_getn(k, k.uvm.anon_pool, 600)).toBe(true);
		pool_put(k.uvm.anon_pool, 600);
		expect(pool_idle(k.uvm.anon_pool)).toBe(3);
		const before = k.uvmexp.free;
		wakeup(k, k.uvm.pagedaemon_wchan);
		t.settle();
		expect([pool_idle(k.uvm.anon_pool), k.uvmexp.free]).toEqual([0, before + 3]);
	});

	it("has callers wait until a page can be had, or says that none can", () => {
		const { k } = t;
		const n = Math.ceil(k.uvmexp.npages / 2) - k.uvmexp.poolpages;
		expect(pool_getn(k, k.pools.pipebuf, n)).toBe(true);
		const waiter = t.spawn(pool_prime_wait(k, [k.pools.sigapl]));
		let waited = false;
		t.run(
			(function* () {
				yield* uvm_pause(k, "test");
				waited = !waiter.done;
				pool_put(k.pools.pipebuf, n);
				pool_drain(k);
			})(),
		);
		expect([waited, waiter.result]).toEqual([true, true]);
		pool_drain(k);
		expect(pool_getn(k, k.pools.pipebuf, n)).toBe(true);
		expect(t.run(pool_prime_wait(k, [k.pools.sigapl]))).toBe(false);
	});
});

it("malloc takes the bucket of the size, and whole pages above it", () => {
	const { k } = t;
	const before = k.pool_head.map((pp) => pp.pr_nout);
	const sizes = [1, 16, 17, 1024, 1025, 4096, 4097, 3 * PAGE_SIZE];
	for (const size of sizes) expect(malloc(k, size)).toBe(true);
	const out = k.pools.kmembuckets.map((pp, i) => pp.pr_nout - before.at(i - 9)!);
	expect(out).toEqual([2, 1, 0, 0, 0, 0, 1, 1, 1 + 2 + 3]);
	for (const size of sizes) free(k, size);
	expect(k.pool_head.map((pp) => pp.pr_nout)).toEqual(before);
});

describe("a process is told", () => {
	let agent: Agent;
	beforeEach(() => {
		agent = Agent.create(t);
		agent.syscall(SYS.mmap2, BUFFER, 4 * PAGE_SIZE, RW, PRIVATE_FIXED, -1, 0);
		agent.run(() => agent.store(BUFFER, 0));
	});
	const pipe = (): number => agent.syscall(SYS.pipe2, BUFFER, 0o4000);

	it.each(["procpl", "sigapl", "lwppl", "fdescpl", "vmsppl"] as const)(
		"ENOMEM by fork without memory in %s, and nothing is left",
		(name) => {
			t.k.pools[name].pr_hardlimit = t.k.pools[name].pr_nout;
			const items = t.k.pool_head.map((pp) => [pp.pr_wchan, pp.pr_nout]);
			expect(agent.syscall(SYS.clone, 17, 0, 0, 0, 0)).toBe(-ENOMEM);
			expect(t.k.pool_head.map((pp) => [pp.pr_wchan, pp.pr_nout])).toEqual(items);
			t.check();
		},
	);

	it("EAGAIN by fork when there are as many processes as memory is for", () => {
		const npages = t.k.uvmexp.npages;
		t.k.uvmexp.npages = 80;
		for (let n = t.k.procs.length; n < 20; n++) agent.run(() => agent.fork());
		expect(agent.syscall(SYS.clone, 17, 0, 0, 0, 0)).toBe(-EAGAIN);
		t.k.uvmexp.npages = npages;
		expect(agent.syscall(SYS.clone, 17, 0, 0, 0, 0)).toBeGreaterThan(0);
	});

	it("ENFILE and ENOMEM by pipe", () => {
		const { filepl, pipepl } = t.k.pools;
		const items = [filepl.pr_nout, pipepl.pr_nout];
		const spare = MAXFILES - filepl.pr_nout - 1;
		expect(pool_getn(t.k, filepl, spare)).toBe(true);
		expect(pipe()).toBe(-ENFILE);
		pool_put(filepl, spare);
		close(pipepl);
		expect(pipe()).toBe(-ENOMEM);
		expect([filepl.pr_nout, pipepl.pr_nout]).toEqual(items);
		pipepl.pr_hardlimit = Number.POSITIVE_INFINITY;
		expect(pipe()).toBe(0);
	});

	it("ENOMEM by a pipe whose contents find no memory, which costs a page for 4096 bytes", () => {
		const { pipebuf } = t.k.pools;
		expect(pipe()).toBe(0);
		const [rfd, wfd] = [3, 4];
		expect(agent.syscall(SYS.write, wfd, BUFFER, 2 * PAGE_SIZE + 1)).toBe(2 * PAGE_SIZE + 1);
		expect(pipebuf.pr_nout).toBe(3);
		close(pipebuf);
		expect(agent.syscall(SYS.write, wfd, BUFFER, PAGE_SIZE)).toBe(-ENOMEM);
		expect(agent.syscall(SYS.write, wfd, BUFFER, 4000)).toBe(4000);
		expect(agent.syscall(SYS.read, rfd, BUFFER, 2 * PAGE_SIZE)).toBe(2 * PAGE_SIZE);
		expect(pipebuf.pr_nout).toBe(1);
		for (const fd of [rfd, wfd]) agent.syscall(SYS.close, fd);
		expect([pipebuf.pr_nout, t.k.pools.pipepl.pr_nout]).toEqual([0, 0]);
		t.check();
	});

	it("ENOMEM by dup where the table of descriptors cannot grow", () => {
		const bucket = t.k.pools.kmembuckets[4]!;
		for (let fd = 3; fd < 20; fd++) expect(agent.syscall(SYS.dup, 0)).toBe(fd);
		close(bucket);
		expect(agent.syscall(SYS.dup, 0)).toBe(-ENOMEM);
		expect(agent.syscall(SYS.dup3, 0, 40, 0)).toBe(-ENOMEM);
		bucket.pr_hardlimit = Number.POSITIVE_INFINITY;
		expect(agent.syscall(SYS.dup, 0)).toBe(20);
		expect(agent.syscall(SYS.dup3, 0, 40, 0)).toBe(40);
	});

	it("ENOMEM by mmap when its map is full", () => {
		const map = agent.p.p_vmspace!.vm_map;
		const { nentries } = map;
		map.nentries = 65530;
		expect(agent.syscall(SYS.mmap2, 0x2000_0000, PAGE_SIZE, 1, PRIVATE_FIXED, -1, 0)).toBe(-ENOMEM);
		map.nentries = nentries;
		t.check();
	});
});
