import { expect, it } from "vitest";
import { SsdTiming } from "../../../devices/disk/timing.ts";
import type { TimingRule } from "../../../devices/fault/disk-rule.ts";
import { FaultyTiming } from "../../../devices/fault/faulty-timing.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";

const FOREVER = Number.POSITIVE_INFINITY;

const rule = (model: TimingRule["model"], rest: Partial<FaultRule> = {}): TimingRule =>
	({ id: model, model, ...rest, params: { disk: "ld0", ...rest.params } }) as TimingRule;
const timing = (...rules: TimingRule[]) =>
	new FaultyTiming(new SsdTiming({ latencyNs: 10, sectorNs: 0 }), rules);

it("a request that takes longer does so by what the rule says", () => {
	const late = timing(rule("disk.latency", { when: { hit: 2 }, params: { addNs: 500 } }));
	expect([100, 200, 300].map((now) => late.completion(now, 0, 8))).toEqual([110, 710, 310]);
	expect(late.ledger.entries).toMatchObject([{ ordinal: 1, effect: "takes 510 ns" }]);
});

it("only requests that move data of the sectors are late", () => {
	const params = { sector: 10, count: 2, addNs: 5 };
	const late = timing(rule("disk.latency", { life: "permanent", params }));
	const requests = [
		[0, 0],
		[8, 2],
		[8, 3],
		[11, 1],
		[12, 1],
	] as const;
	expect(requests.map(([sector, count]) => late.completion(0, sector, count) - 10)).toEqual([
		0, 0, 5, 5, 0,
	]);
});

it("delays are lognormal: half below 50 ms, one in a hundred above 2 s", () => {
	const late = timing(rule("disk.latency", { life: "permanent" }));
	const delays = Array.from({ length: 20_000 }, () => late.completion(0, 0, 1) - 10);
	const share = (above: number): number => delays.filter((ns) => ns > above).length / delays.length;
	expect(Math.abs(share(50e6) - 0.5)).toBeLessThan(0.02);
	expect(Math.abs(share(2e9) - 0.01)).toBeLessThan(0.005);
	expect(delays.every(Number.isInteger)).toBe(true);
});

it("a controller that hangs completes when that is over, or never", () => {
	const hang = timing(rule("disk.hang", { when: { hit: 2 }, life: { forNs: 1000 } }));
	expect([0, 100, 600, 1095, 1100, 1200].map((now) => hang.completion(now, 0, 0))).toEqual([
		10, 1100, 1100, 1105, 1110, 1210,
	]);
	const dead = timing(rule("disk.hang", { when: { hit: 2 } }));
	expect([0, 1, 2].map((now) => dead.completion(now, 0, 1))).toEqual([10, FOREVER, FOREVER]);
	const lost = timing(rule("disk.hang", { when: { hit: 2 }, life: "once" }));
	expect([0, 1, 2].map((now) => lost.completion(now, 0, 1))).toEqual([10, FOREVER, 12]);
	const life = { onNs: 100, offNs: 50 };
	const flaky = timing(rule("disk.hang", { life }));
	expect([0, 99, 100, 149, 150, 260].map((now) => flaky.completion(now, 0, 1))).toEqual([
		100, 109, 110, 159, 250, 270,
	]);
});

it("goes on from a saved state", () => {
	const rules = [
		rule("disk.latency", { when: { chance: 0.4 } }),
		rule("disk.hang", { when: { every: 9 }, life: { forNs: 50 } }),
	];
	const times = (of: FaultyTiming, from: number, to: number): number[] =>
		Array.from({ length: to - from }, (_, i) => of.completion((from + i) * 20, 0, 1));
	const straight = times(timing(...rules), 0, 100);
	const first = timing(...rules);
	times(first, 0, 40);
	const other = timing(...rules);
	other.restore(structuredClone(first.save()));
	expect(times(other, 40, 100)).toEqual(straight.slice(40));
});
