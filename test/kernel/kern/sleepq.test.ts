/**
 * Sleep queues against a model, which keeps all sleepers in one list; and how many threads wakeups
 * look at, which must not depend on how many others sleep.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type lwp, lwp_create } from "../../../kernel/kern/core/kern_lwp.ts";
import { sleepq_busy, sleepq_check, sleepq_trim } from "../../../kernel/kern/core/kern_sleepq.ts";
import {
	chooselwp,
	LSRUN,
	LSSLEEP,
	ltsleep,
	unsleep,
	wakeup,
	wakeup_timeouts,
} from "../../../kernel/kern/core/kern_synch.ts";
import { pool_prime } from "../../../kernel/kern/core/subr_pool.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { TestKernel } from "../../support/kernel.ts";

/** Threads that run nothing: a test puts them to sleep and takes them off the run queue. */
function threads(k: Kernel, n: number): lwp[] {
	return Array.from({ length: n }, () => {
		pool_prime(k, k.pools.lwppl, 1);
		return lwp_create(k, "test", null, ltsleep(k, {}, "never", 0, null) as never);
	});
}

function sleep(k: Kernel, l: lwp, chan: object, timeout: number): void {
	k.curlwp = l;
	ltsleep(k, chan, "test", timeout, null).next();
	k.curlwp = k.lwp0;
}

/** Who was woken, in order. */
function woken(k: Kernel): lwp[] {
	const found: lwp[] = [];
	for (let l = chooselwp(k); l !== null; l = chooselwp(k)) {
		l.l_stat = LSSLEEP;
		found.push(l);
	}
	return found;
}

/** Nobody but the threads of a test sleeps. */
function setup(n: number): { k: Kernel; all: lwp[] } {
	const { k } = new TestKernel({ ram: 4 << 20 });
	const all = threads(k, n);
	for (const l of k.lwps) if (l.l_wchan !== null) unsleep(k, l);
	woken(k);
	return { k, all };
}

const THREADS = 12;
const chan = fc.nat(3);
const thread = fc.nat(THREADS - 1);
const timeout = fc.constantFrom(0, 0, 3, 7, 9);
const is = <T extends string>(op: T) => fc.constant(op);
const ops = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			op: is("sleep"),
			thread,
			chan,
			timeout,
		}),
	},
	{ weight: 2, arbitrary: fc.record({ op: is("wakeup"), chan }) },
	{ weight: 1, arbitrary: fc.record({ op: is("unsleep"), thread }) },
	{ weight: 2, arbitrary: fc.record({ op: is("time"), by: fc.nat(5) }) },
);

it("threads wake in the order in which they went to sleep, on their channel or by time", () => {
	const { k, all } = setup(THREADS);
	const channels = [{}, {}, {}, {}];
	const start = k.port.cycles;
	fc.assert(
		fc.property(fc.array(ops, { maxLength: 120, size: "max" }), (list) => {
			let model: { l: lwp; chan: number; until: number }[] = [];
			const wakes = (which: (typeof model)[number][]): void => {
				model = model.filter((s) => !which.includes(s));
				const found = woken(k).map((l) => l.l_lid);
				const expected = which.map(({ l }) => l.l_lid);
				if (found.join() !== expected.join()) expect(found).toEqual(expected);
			};
			for (const op of list) {
				if (op.op === "sleep") {
					const l = all[op.thread]!;
					if (model.some((s) => s.l === l)) continue;
					sleep(k, l, channels[op.chan]!, op.timeout);
					const until = op.timeout === 0 ? Number.POSITIVE_INFINITY : k.port.cycles + op.timeout;
					model.push({ l, chan: op.chan, until });
				} else if (op.op === "wakeup") {
					wakeup(k, channels[op.chan]!);
					wakes(model.filter((s) => s.chan === op.chan));
				} else if (op.op === "unsleep") {
					const found = model.find((s) => s.l === all[op.thread]!);
					if (found === undefined) continue;
					unsleep(k, found.l);
					wakes([found]);
				} else {
					k.port.charge(op.by);
					wakeup_timeouts(k);
					wakes(model.filter((s) => s.until <= k.port.cycles));
					expect(k.nextwakeup).toBe(Math.min(...model.map((s) => s.until)));
				}
				const wrong = sleepq_check(
					k.sleepq,
					model.map(({ l }) => l),
				);
				if (wrong.length > 0) throw new Error(wrong.join("; "));
			}
			for (const s of model) unsleep(k, s.l);
			woken(k);
			expect([k.sleepq.sq_busy, k.sleepq.sq_head, k.sleepq.sq_timed]).toEqual([0, null, []]);
		}),
		{ numRuns: 200, seed: 20_261_122 },
	);
	expect(k.port.cycles).toBeGreaterThan(start);
});

it("channels without sleepers are kept for the next sleep, but few of them", () => {
	const { k, all } = setup(3);
	const { sleepq } = k;
	const often = {};
	for (let i = 0; i < 1_000; i++) {
		sleep(k, all[0]!, often, 0);
		sleep(k, all[1]!, {}, 0);
		sleep(k, all[2]!, often, 0);
		expect([sleepq_busy(sleepq, often), sleepq.sq_busy]).toEqual([true, 2]);
		if (i % 2 === 0) wakeup(k, all[1]!.l_wchan!);
		else unsleep(k, all[1]!);
		wakeup(k, often);
		woken(k);
		expect([sleepq_busy(sleepq, often), sleepq.sq_busy]).toEqual([false, 0]);
	}
	expect(sleepq.sq_chan.size).toBeLessThanOrEqual(65);
	expect(sleepq.sq_chan.size).toBeGreaterThan(0);
	sleepq_trim(sleepq);
	expect([sleepq.sq_chan.size, sleepq_check(sleepq, [])]).toEqual([0, []]);
});

it("a wakeup looks at those that it wakes", () => {
	for (const n of [10, 100, 1000]) {
		const { k, all } = setup(n);
		for (const [i, l] of all.entries()) sleep(k, l, l, i % 2 === 0 ? 0 : 1_000 + i);
		const before = k.sleepq.sq_probes;
		wakeup(k, {});
		wakeup(k, all[n >> 1]!);
		unsleep(k, all[n - 2]!);
		k.port.charge(1_001);
		wakeup_timeouts(k);
		expect(woken(k).every((l) => l.l_stat === LSSLEEP)).toBe(true);
		expect(k.sleepq.sq_probes - before, `${n} sleepers`).toBeLessThan(8);
		expect(all.filter((l) => l.l_stat === LSRUN)).toEqual([]);
	}
});
