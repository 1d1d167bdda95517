import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlicRequests } from "../../devices/plic.ts";
import { Plic } from "../../devices/plic.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import { Lamp } from "./bench-board.ts";

/** Addresses from the PLIC specification, section 3, as offsets. */
const priority = (source: number) => source * 4;
const pending = (word: number) => 0x1000 + word * 4;
const enable = (context: number, word: number) => 0x2000 + context * 0x80 + word * 4;
const threshold = (context: number) => 0x20_0000 + context * 0x1000;
const claim = (context: number) => 0x20_0004 + context * 0x1000;

function setUp(requests?: PlicRequests) {
	const lamps = [new Lamp(), new Lamp()] as const;
	const plic = new Plic(lamps[0], lamps[1], requests);
	return { plic, lamps };
}

describe("against a model of the specification", () => {
	const SOURCES = [1, 2, 10, 31, 32, 33, 63, 64, 95];

	/** Gateways and targets as the specification tells it, one object for each source. */
	class Model {
		readonly sources = new Map(
			SOURCES.map((id) => [
				id,
				{
					id,
					level: false,
					pending: false,
					inService: false,
					priority: 0,
					enabled: [false, false],
				},
			]),
		);
		readonly thresholds = [0, 0];

		gate(id: number): void {
			const source = this.sources.get(id)!;
			if (source.level && !source.inService) source.pending = true;
		}

		candidates(context: number) {
			return [...this.sources.values()]
				.filter((s) => s.pending && s.enabled[context] && s.priority > 0)
				.sort((a, b) => b.priority - a.priority || a.id - b.id);
		}

		notified(context: number): boolean {
			return this.candidates(context).some((s) => s.priority > this.thresholds[context]!);
		}

		claim(context: number): number {
			const best = this.candidates(context)[0];
			if (best === undefined) return 0;
			best.pending = false;
			best.inService = true;
			return best.id;
		}

		complete(context: number, id: number): void {
			const source = this.sources.get(id);
			if (source === undefined || !source.enabled[context]) return;
			source.inService = false;
			this.gate(id);
		}
	}

	const source = fc.constantFrom(...SOURCES);
	const context = fc.constantFrom(0, 1);
	const value = fc.integer({ min: 0, max: 9 });
	const step = fc.oneof(
		fc.tuple(fc.constant("level" as const), source, fc.boolean()),
		fc.tuple(fc.constant("priority" as const), source, value),
		fc.tuple(fc.constant("enable" as const), context, source),
		fc.tuple(fc.constant("threshold" as const), context, value),
		fc.tuple(fc.constant("claim" as const), context, fc.constant(0)),
		fc.tuple(fc.constant("complete" as const), context, fc.oneof(source, fc.constant(0))),
	);

	function play(
		plic: Plic,
		model: Model,
		[kind, a, b]: typeof step extends fc.Arbitrary<infer T> ? T : never,
	) {
		switch (kind) {
			case "level":
				plic.line(a).set(b);
				model.sources.get(a)!.level = b;
				model.gate(a);
				break;
			case "priority":
				plic.store(priority(a), 4, b);
				model.sources.get(a)!.priority = b % 8;
				break;
			case "enable": {
				const word = b >>> 5;
				plic.store(enable(a, word), 4, (plic.load(enable(a, word), 4) ^ (1 << (b & 31))) >>> 0);
				const { enabled } = model.sources.get(b)!;
				enabled[a] = !enabled[a];
				break;
			}
			case "threshold":
				plic.store(threshold(a), 4, b);
				model.thresholds[a] = b % 8;
				break;
			case "claim":
				expect(plic.load(claim(a), 4)).toBe(model.claim(a));
				break;
			case "complete":
				plic.store(claim(a), 4, b);
				model.complete(a, b);
				break;
		}
	}

	it("any sequence of wires, registers, claims and completions agrees", () => {
		fc.assert(
			fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (steps) => {
				const { plic, lamps } = setUp();
				const model = new Model();
				// Start with everything on, so that most sequences interrupt.
				for (const id of SOURCES) {
					play(plic, model, ["priority", id, 1 + (id % 3)]);
					play(plic, model, ["enable", 0, id]);
					play(plic, model, ["enable", 1, id]);
				}
				for (const s of steps) {
					play(plic, model, s);
					for (const c of [0, 1]) expect(lamps[c]!.on).toBe(model.notified(c));
					const words = [0, 0, 0];
					for (const { id, pending } of model.sources.values()) {
						if (pending) words[id >>> 5]! += 2 ** (id & 31);
					}
					expect([0, 1, 2].map((w) => plic.load(pending(w), 4))).toEqual(words);
				}
				const copy = setUp();
				copy.plic.restore(structuredClone(plic.save()));
				expect(copy.plic.save()).toEqual(plic.save());
				expect(copy.lamps.map((lamp) => lamp.on)).toEqual(lamps.map((lamp) => lamp.on));
			}),
			{ numRuns: 300 },
		);
	});
});

describe("registers", () => {
	it("priorities and thresholds have three bits", () => {
		const { plic } = setUp();
		for (const register of [priority(1), priority(95), threshold(0), threshold(1)]) {
			plic.store(register, 4, 0xffff_ffff);
			expect(plic.load(register, 4)).toBe(7);
		}
	});

	it("source 0 and the sources past 96 are wired to zero", () => {
		const { plic } = setUp();
		const registers = [priority(0), priority(97), priority(1023), pending(4), pending(31)];
		for (const register of [...registers, enable(0, 4), enable(1, 31)]) {
			expect(plic.store(register, 4, 0xffff_ffff)).toBe(true);
			expect(plic.load(register, 4)).toBe(0);
		}
		for (const context of [0, 1]) {
			plic.store(enable(context, 0), 4, 0xffff_ffff);
			expect(plic.load(enable(context, 0), 4)).toBe(0xffff_fffe);
			plic.store(enable(context, 3), 4, 0xffff_ffff);
			expect(plic.load(enable(context, 3), 4)).toBe(1);
		}
		expect(() => plic.line(0)).toThrow(RangeError);
		expect(() => plic.line(97)).toThrow(RangeError);
	});

	it("the contexts' enables are apart", () => {
		const { plic } = setUp();
		plic.store(enable(0, 2), 4, 0x8000_0000);
		plic.store(enable(1, 2), 4, 0x0000_0001);
		expect(plic.load(enable(0, 2), 4)).toBe(0x8000_0000);
		expect(plic.load(enable(1, 2), 4)).toBe(1);
		expect(plic.load(enable(1, 0), 4)).toBe(0);
	});

	it("pending bits cannot be written", () => {
		const { plic } = setUp();
		plic.line(5).set(true);
		expect(plic.store(pending(0), 4, 0)).toBe(true);
		expect(plic.load(pending(0), 4)).toBe(1 << 5);
	});

	it("narrow accesses fault; holes and contexts that do not exist are empty", () => {
		const { plic } = setUp();
		expect(plic.load(priority(1), 1)).toBe(ACCESS_FAULT);
		expect(plic.store(priority(1), 2, 1)).toBe(false);
		for (const hole of [
			0x1080,
			0x2100,
			0x3000,
			0x3004,
			0x1f_fffc,
			threshold(2),
			0x20_0008,
			0x20_1ffc,
			0x5f_fffc,
		]) {
			expect(plic.store(hole, 4, 0xffff_ffff)).toBe(true);
			expect(plic.load(hole, 4)).toBe(0);
		}
	});
});

it("a request outlives its wire, and a wire still high after completion asks again", () => {
	const { plic, lamps } = setUp();
	plic.store(priority(10), 4, 1);
	plic.store(enable(1, 0), 4, 1 << 10);
	plic.line(10).set(true);
	plic.line(10).set(false);
	expect(lamps[1].on).toBe(true);
	expect(plic.load(claim(1), 4)).toBe(10);
	expect(lamps[1].on).toBe(false);
	plic.line(10).set(true);
	expect(lamps[1].on).toBe(false);
	plic.store(claim(1), 4, 10);
	expect(lamps[1].on).toBe(true);
	expect(lamps[0].on).toBe(false);
});

describe("requests as on QEMU", () => {
	it("are made by a device that raises its line, once each, and withdrawn when it drops", () => {
		const { plic, lamps } = setUp("raise");
		plic.store(priority(10), 4, 1);
		plic.store(enable(1, 0), 4, 1 << 10);
		const line = plic.line(10);
		const serve = (): number => {
			const source = plic.load(claim(1), 4);
			plic.store(claim(1), 4, source);
			return source;
		};
		line.set(true);
		expect([lamps[1].on, serve(), lamps[1].on, serve()]).toEqual([true, 10, false, 0]);
		line.set(true);
		expect([lamps[1].on, serve(), serve()]).toEqual([true, 10, 0]);
		line.set(true);
		line.set(false);
		expect([lamps[1].on, serve()]).toEqual([false, 0]);
	});

	it("one that comes while the source is claimed waits for the completion", () => {
		const { plic, lamps } = setUp("raise");
		plic.store(priority(10), 4, 1);
		plic.store(enable(1, 0), 4, 1 << 10);
		plic.line(10).set(true);
		expect(plic.load(claim(1), 4)).toBe(10);
		plic.line(10).set(true);
		expect([lamps[1].on, plic.load(claim(1), 4)]).toEqual([false, 0]);
		plic.store(claim(1), 4, 10);
		expect([lamps[1].on, plic.load(claim(1), 4)]).toEqual([true, 10]);
	});
});
