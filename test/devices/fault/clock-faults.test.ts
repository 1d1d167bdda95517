/** Clocks that jump, drift or stand still, and timers that miss or are late. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Board, boardParts } from "../../../devices/board.ts";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import { IRQ_MTI } from "../../../machine/hart-state.ts";
import { SIP_STIP } from "../../../machine/port.ts";
import { TimeSkew } from "../../../machine/time-skew.ts";
import { UserError } from "../../../machine/user-error.ts";
import { guest } from "../../isa/guest.ts";
import { reaches, wfiUntil } from "../../support/until.ts";
import { broken } from "./broken.ts";

const rule = (model: string, params: object, rest: object = {}): MachineRule =>
	({ id: "c", model, params, ...rest }) as MachineRule;
const at = (atNs: number) => ({ when: { atNs } });

it("the cycle that a skewed clock gives for a time is the first that shows it", () => {
	fc.assert(
		fc.property(
			fc.double({ min: 0.01, max: 100, noNaN: true }),
			fc.nat(1e9),
			fc.integer({ min: -1e6, max: 1e6 }),
			fc.nat(1e7),
			(rate, from, delta, wait) => {
				const skew = new TimeSkew();
				skew.change(from, delta, rate);
				const ns = skew.at(from) + 1 + wait;
				const cycle = skew.cycleOf(ns);
				expect(skew.at(cycle)).toBeGreaterThanOrEqual(ns);
				expect(skew.at(cycle - 1)).toBeLessThan(ns);
			},
		),
	);
});

/** A bare machine with a board; its CLINT's timer and `time` as software sees them. */
function board(rules: readonly MachineRule[]) {
	const { machine } = guest("loop: j loop");
	const parts = new Board(boardParts(machine));
	const faults = new MachineFaults(machine, rules, 1, parts);
	return {
		machine,
		faults,
		parts,
		clint: parts.clint,
		set(compare: number) {
			// As the specification tells software to, lest it falls due in between.
			parts.clint.store(0x4000, 4, 0xffff_ffff);
			parts.clint.store(0x4004, 4, 0);
			parts.clint.store(0x4000, 4, compare);
		},
		get mtip() {
			return ((machine.lines.levels >>> IRQ_MTI) & 1) === 1;
		},
		/** [time, mtime] */
		get times(): [number, number] {
			return [machine.time, Number(parts.clint.mtime)];
		},
	};
}

describe("a clock", () => {
	it("jumps: the hart's, the CLINT's, or both", () => {
		for (const [target, times] of [
			["both", [150, 150]],
			["time", [150, 50]],
			["mtime", [50, 150]],
		] as const) {
			const b = board([rule("clock.jump", { deltaNs: 10_000, target }, at(1000))]);
			b.machine.clock.advance(5000);
			expect(b.times).toEqual(times);
		}
	});

	it("jumps back if it may, and never below 0", () => {
		const back = { deltaNs: -3000, backwards: true };
		const b = board([rule("clock.jump", back, at(4000))]);
		b.machine.clock.advance(5000);
		expect(b.times).toEqual([20, 20]);
		const c = board([rule("clock.jump", back, at(1000))]);
		c.machine.clock.advance(5000);
		expect(c.times).toEqual([40, 40]);
	});

	it("that jumps takes its timer along, both ways", () => {
		const ahead = board([rule("clock.jump", { deltaNs: 10_000 }, at(1000))]);
		ahead.set(120);
		ahead.machine.clock.advance(999);
		expect(ahead.mtip).toBe(false);
		ahead.machine.clock.advance(1001);
		// 2000 ns have passed, and 12,000 ns by the clock.
		expect(ahead.mtip).toBe(true);
		const jump = { deltaNs: -10_000, backwards: true };
		const back = board([rule("clock.jump", jump, at(11_000))]);
		back.set(120);
		back.machine.clock.advance(21_999);
		expect(back.mtip).toBe(false);
		back.machine.clock.advance(1);
		expect(back.mtip).toBe(true);
	});

	it("drifts for a time; stands still; runs at another rate", () => {
		const drift = { ppm: -200_000, durNs: 10_000 };
		const b = board([rule("clock.drift", drift, at(10_000))]);
		b.set(190);
		b.machine.clock.advance(20_000);
		expect(b.times).toEqual([180, 180]);
		b.machine.clock.advance(999);
		expect(b.mtip).toBe(false);
		b.machine.clock.advance(1);
		expect([b.mtip, b.times]).toEqual([true, [190, 190]]);
		const f = board([rule("clock.freeze", { durNs: 5000 }, at(10_000))]);
		f.set(101);
		f.machine.clock.advance(15_099);
		expect([f.mtip, f.times]).toEqual([false, [100, 100]]);
		f.machine.clock.advance(1);
		expect([f.mtip, f.times]).toEqual([true, [101, 101]]);
		const r = board([rule("clock.rate-split", { ratio: 2.5 }, at(10_000))]);
		r.machine.clock.advance(20_000);
		expect(r.times).toEqual([350, 350]);
		r.faults.lift("c");
		r.machine.clock.advance(10_000);
		expect(r.times).toEqual([450, 450]);
	});

	it("is wrong in the same way in a machine that was restored", () => {
		const rules = [
			rule("clock.drift", { ppm: 500_000, durNs: 10_000 }, at(10_000)),
			{ ...rule("clock.jump", { deltaNs: 1000, target: "time" }, at(5000)), id: "j" },
		] as MachineRule[];
		const b = board(rules);
		b.set(240);
		b.machine.clock.advance(15_000);
		const saved = structuredClone({
			m: b.machine.save(),
			p: b.parts.save(),
			f: b.faults.save(),
		});
		const other = board(rules);
		other.machine.restore(saved.m);
		other.parts.restore(saved.p);
		other.faults.restore(saved.f);
		expect(other.times).toEqual(b.times);
		for (const each of [b, other]) each.machine.clock.advance(3999);
		expect([b.mtip, other.mtip]).toEqual([false, false]);
		for (const each of [b, other]) each.machine.clock.advance(1);
		expect([b.mtip, other.mtip]).toEqual([false, false]);
		for (const each of [b, other]) each.machine.clock.advance(5000);
		expect([b.mtip, other.mtip, other.times]).toEqual([true, true, b.times]);
		expect(b.times).toEqual([300, 290]);
	});

	it("is the kernel's, with its timer", () => {
		const b = broken(["nop"], [rule("clock.jump", { deltaNs: 50_000, target: "time" }, at(1000))]);
		const { port, machine } = b;
		port.sie = SIP_STIP;
		port.stimecmp = 300;
		port.charge(999);
		expect([port.cycles, port.sip]).toEqual([999, 0]);
		expect(wfiUntil(port, 52_000)).toBe(true);
		expect([port.cycles, machine.clock.cycles, port.sip]).toEqual([51_000, 1000, SIP_STIP]);
		port.stimecmp = 600;
		// That is no business of the kernel's clock.
		expect(wfiUntil(port, 5500)).toBe(true);
		expect([port.cycles, port.sip]).toEqual([55_500, 0]);
		expect([reaches(port, 5500), reaches(port, 5501)]).toEqual([true, false]);
		expect(port.wfi()).toBe(true);
		expect([port.cycles, port.sip]).toEqual([60_000, SIP_STIP]);
	});
});

it("a timer that waits is due by the clock as it is then", () => {
	const b = broken(["nop"], [rule("clock.jump", { deltaNs: 50_000, target: "time" }, at(1000))]);
	b.port.sie = SIP_STIP;
	b.port.stimecmp = 600;
	expect(b.port.wfi()).toBe(true);
	expect(b.machine.clock.cycles).toBe(10_000);
});

describe("a timer", () => {
	it("misses once, until it is set again: the CLINT's", () => {
		const b = board([rule("clock.timer-miss", { timer: "mtimer" }, { when: { hit: 2 } })]);
		b.set(10);
		b.machine.clock.advance(1000);
		expect(b.mtip).toBe(true);
		b.set(20);
		b.machine.clock.advance(5000);
		expect(b.mtip).toBe(false);
		b.parts.restore(structuredClone(b.parts.save()));
		expect(b.mtip).toBe(false);
		b.set(30);
		expect(b.mtip).toBe(true);
		expect(b.faults.ledger.entries.map(({ effect }) => effect)).toEqual(["missed"]);
	});

	it("misses once, until it is set again: the supervisor's", () => {
		for (const past of [false, true]) {
			const b = broken(["nop"], [rule("clock.timer-miss", {})]);
			if (past) b.port.charge(5000);
			b.port.stimecmp = 10;
			b.port.charge(5000);
			expect(b.port.sip).toBe(0);
			expect(b.faults.save().families).toMatchObject({ clock: { timerMasked: true } });
			b.port.stimecmp = 11;
			expect(b.port.sip).toBe(SIP_STIP);
			expect(b.applied).toEqual(["c 0"]);
		}
	});

	it("is late by what the seed chooses, at most by its maximum", () => {
		const late = rule("clock.jitter", { maxNs: 500 }, { life: "permanent" });
		const b = broken(["nop"], [late]);
		const seen = new Set<number>();
		b.port.sie = SIP_STIP;
		for (let i = 1; i < 20; i++) {
			const due = i * 2000;
			b.port.stimecmp = due / 100;
			expect(b.port.wfi()).toBe(true);
			const by = b.port.cycles - due;
			expect([by >= 1, by <= 500]).toEqual([true, true]);
			seen.add(by);
		}
		expect(seen.size).toBeGreaterThan(10);
		const c = board([late]);
		c.set(10);
		c.machine.clock.advance(1000);
		expect(c.mtip).toBe(false);
		c.machine.clock.advance(500);
		expect(c.mtip).toBe(true);
	});
});

it("parameters out of range are refused", () => {
	const b = board([]);
	for (const wrong of [
		rule("clock.jump", { deltaNs: -1 }, at(1)),
		rule("clock.jump", { deltaNs: 0 }, at(1)),
		rule("clock.drift", { ppm: 0 }, at(1)),
		rule("clock.drift", { ppm: 2e6 }, at(1)),
		rule("clock.freeze", { durNs: 0 }, at(1)),
		rule("clock.rate-split", { ratio: 0 }, at(1)),
		rule("clock.rate-split", { ratio: Number.NaN }, at(1)),
		rule("clock.jitter", { maxNs: 0 }),
		rule("clock.jitter", {}, at(1)),
	]) {
		expect(() => b.faults.add(wrong), JSON.stringify(wrong)).toThrow(UserError);
	}
	const alone = new MachineFaults(guest("nop").machine);
	expect(() => alone.add(rule("clock.timer-miss", { timer: "mtimer" }))).toThrow(/no CLINT/);
});
