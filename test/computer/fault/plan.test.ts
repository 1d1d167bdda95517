/** Fault plans from untyped programs: what is right passes unchanged, a mistake is one line. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkFaultPlan, FAULT_MODELS, FaultPlanError, type PlanPath } from "../../../index.ts";

const lost = { id: "lost-1", model: "disk.lost-write", params: { disk: "ld0" } };
const flip = { model: "memory.flip", when: { atInsn: 1000 } };

const failure = (plan: unknown): FaultPlanError => {
	try {
		checkFaultPlan(plan);
	} catch (error) {
		if (error instanceof FaultPlanError) return error;
		throw error;
	}
	throw new Error("the plan is right");
};

describe("a plan that is right", () => {
	it("passes, field by field", () => {
		const rules = [
			{
				...lost,
				params: { disk: "ld0", sector: 8, count: 8 },
				when: { hit: 3, every: 2, chance: 0.25, window: [10, 20] },
				life: { onNs: 1, offNs: 2 },
				budget: { skip: 1, times: -1 },
				note: "any text\nat all",
			},
			{ id: "b", model: "disk.bad-sector", params: { disk: "disk7" }, life: "once" },
			{ id: "c", model: "memory.flip", params: { pa: 0x80000000, mask: 3 }, when: { atNs: 0 } },
		];
		expect(checkFaultPlan({ seed: 7, rules })).toEqual({ seed: 7, rules });
	});

	it("gets the names and parameters that it leaves out", () => {
		const rules = [{ id: "memory.flip", params: {}, ...flip }];
		expect(checkFaultPlan({ rules: [flip] })).toEqual({ rules });
	});

	it("may hold no rules, and the address of its schema", () => {
		expect(checkFaultPlan({ $schema: "x", rules: [] })).toEqual({ rules: [] });
	});

	it.each(["once", "permanent", { count: 5 }, { forNs: 5 }, { onNs: 5, offNs: 6 }])(
		"has a life such as %j",
		(life) => {
			expect(checkFaultPlan({ rules: [{ ...lost, life }] }).rules[0]!.life).toEqual(life);
		},
	);
});

describe("a plan that is wrong", () => {
	const rule = (change: object): unknown => ({ rules: [flip, { ...lost, ...change }] });
	const params = (change: object): unknown => rule({ params: { ...lost.params, ...change } });
	const other = (model: string, more: object, when = {}): unknown =>
		rule({ model, params: { ...more }, when });
	const disk = "ld0";
	const at = { atNs: 1 };

	it.each<[unknown, string, PlanPath]>([
		[undefined, "fault plan: expected Object but received undefined", []],
		[[], "fault plan: rules: is required", ["rules"]],
		[{}, "fault plan: rules: is required", ["rules"]],
		[{ rules: [], seed: -1 }, "fault plan: seed: expected >=0 but received -1", ["seed"]],
		[{ rules: [], sed: 1 }, "fault plan: sed: no such field", ["sed"]],
		[{ rules: [], constructor: 1 }, "fault plan: constructor: no such field", ["constructor"]],
		[{ rules: {} }, "fault plan: rules: expected Array but received Object", ["rules"]],
		[{ rules: [1] }, "rule 1: expected Object but received 1", ["rules", 0]],
		[{ rules: [null] }, "rule 1: expected Object but received null", ["rules", 0]],
		[{ rules: [{}] }, "rule 1: model: is required", ["rules", 0, "model"]],
		[
			rule({ model: "disk.lost" }),
			"rule 2 (lost-1): model: no such model; those of disk are bad-sector, transient, latent, " +
				"corrupt, torn-write, misdirected-write, lost-write, power-cut, latency, hang, " +
				"controller",
			["rules", 1, "model"],
		],
		[
			rule({ id: undefined, model: "power" }),
			"rule 2 (power): model: no such model; " +
				"there are those of disk, mmu, memory, cpu, irq, clock, alloc",
			["rules", 1, "model"],
		],
		[
			rule({ model: "toString" }),
			"rule 2 (lost-1): model: no such model; " +
				"there are those of disk, mmu, memory, cpu, irq, clock, alloc",
			["rules", 1, "model"],
		],
		[rule({ params: undefined }), "rule 2 (lost-1): params: is required", ["rules", 1, "params"]],
		[
			rule({ params: {} }),
			"rule 2 (lost-1): params.disk: is required",
			["rules", 1, "params", "disk"],
		],
		[
			params({ disk: "sda" }),
			"rule 2 (lost-1): params.disk: expected a disk, such as ld0",
			["rules", 1, "params", "disk"],
		],
		[
			params({ sector: -1 }),
			"rule 2 (lost-1): params.sector: expected >=0 but received -1",
			["rules", 1, "params", "sector"],
		],
		[
			params({ sector: 1.5 }),
			"rule 2 (lost-1): params.sector: expected a whole number but received 1.5",
			["rules", 1, "params", "sector"],
		],
		[
			params({ sector: "8" }),
			'rule 2 (lost-1): params.sector: expected number but received "8"',
			["rules", 1, "params", "sector"],
		],
		[
			params({ count: 2 }),
			"rule 2 (lost-1): params.count: needs sector",
			["rules", 1, "params", "count"],
		],
		[
			params({ offset: 8 }),
			"rule 2 (lost-1): params.offset: no such field",
			["rules", 1, "params", "offset"],
		],
		[
			params({ toString: 8 }),
			"rule 2 (lost-1): params.toString: no such field",
			["rules", 1, "params", "toString"],
		],
		[rule({ lfe: 1 }), "rule 2 (lost-1): lfe: no such field", ["rules", 1, "lfe"]],
		[
			rule({ id: "a\nb" }),
			"rule 2: id: expected 1 to 64 letters, digits or any of _ - . :",
			["rules", 1, "id"],
		],
		[
			rule({ id: "memory.flip" }),
			"rule 2 (memory.flip): id: rule 1 has this name already",
			["rules", 1, "id"],
		],
		[
			rule({ life: { cnt: 1 } }),
			"rule 2 (lost-1): life: expected once, permanent, {count}, {forNs} or {onNs, offNs}",
			["rules", 1, "life"],
		],
		[
			rule({ life: { count: 0 } }),
			"rule 2 (lost-1): life.count: expected >=1 but received 0",
			["rules", 1, "life", "count"],
		],
		[
			rule({ budget: { times: 0 } }),
			"rule 2 (lost-1): budget.times: expected -1 or at least 1",
			["rules", 1, "budget", "times"],
		],
		[
			rule({ when: { hit: 0 } }),
			"rule 2 (lost-1): when.hit: expected >=1 but received 0",
			["rules", 1, "when", "hit"],
		],
		[
			rule({ when: { chance: 1.5 } }),
			"rule 2 (lost-1): when.chance: expected <=1 but received 1.5",
			["rules", 1, "when", "chance"],
		],
		[
			rule({ when: { chance: Number.NaN } }),
			"rule 2 (lost-1): when.chance: expected number but received NaN",
			["rules", 1, "when", "chance"],
		],
		[
			rule({ when: { window: [2, 1] } }),
			"rule 2 (lost-1): when.window: expected two times, the earlier one first",
			["rules", 1, "when", "window"],
		],
		[rule({ when: at }), "rule 2 (lost-1): when.atNs: no such field", ["rules", 1, "when", "atNs"]],
		[
			other("disk.corrupt", { disk, sticky: true, direction: "write" }),
			"rule 2 (lost-1): params.sticky: is for reads only",
			["rules", 1, "params", "sticky"],
		],
		[
			other("disk.torn-write", { disk, keep: "interleaved", units: 2 }),
			"rule 2 (lost-1): params.units: is for a prefix or suffix",
			["rules", 1, "params", "units"],
		],
		[
			other("disk.misdirected-write", { disk, offset: 0 }),
			"rule 2 (lost-1): params.offset: expected another number than 0",
			["rules", 1, "params", "offset"],
		],
		[
			other("mmu.pte-flip", { va: 0, field: "V", bit: 0 }, at),
			"rule 2 (lost-1): params.bit: cannot be combined with field",
			["rules", 1, "params", "bit"],
		],
		[
			other("memory.flip", { mask: 1, bits: 1 }, at),
			"rule 2 (lost-1): params.bits: cannot be combined with mask",
			["rules", 1, "params", "bits"],
		],
		[
			other("cpu.pc", { mask: 3 }, at),
			"rule 2 (lost-1): params.mask: expected no bit 0, which pc does not have",
			["rules", 1, "params", "mask"],
		],
		[
			rule({ model: "cpu.pc", params: {}, when: undefined }),
			"rule 2 (lost-1): when: is required",
			["rules", 1, "when"],
		],
		[
			other("cpu.pc", {}, {}),
			"rule 2 (lost-1): when: expected atNs, atInsn or a trigger",
			["rules", 1, "when"],
		],
		[
			other("cpu.pc", {}, { hit: 1 }),
			"rule 2 (lost-1): when.hit: no such field",
			["rules", 1, "when", "hit"],
		],
		[
			rule({ model: "cpu.pc", params: {}, when: at, life: "once" }),
			"rule 2 (lost-1): life: no such field",
			["rules", 1, "life"],
		],
	])("%j: %s", (plan, message, path) => {
		const error = failure(plan);
		expect(error.message).toBe(message);
		expect(error.path).toEqual(path);
	});

	it("is never more than one printable line, whatever it holds", () => {
		fc.assert(
			fc.property(fc.anything(), fc.string({ unit: "binary" }), (value, name) => {
				for (const plan of [
					{ rules: [value] },
					{ rules: [{ ...lost, id: value }] },
					{ rules: [{ ...lost, model: name }] },
					{ rules: [{ ...lost, [name]: value }] },
					{ rules: [{ ...lost, params: { disk: "ld0", [name]: name } }] },
					{ rules: [{ ...lost, params: { disk: "ld0", sector: name } }] },
				]) {
					try {
						checkFaultPlan(plan);
					} catch (error) {
						expect(error).toBeInstanceOf(FaultPlanError);
						expect((error as Error).message).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,510}$/u);
					}
				}
			}),
		);
	});
});

it("each model says what it does, and each parameter what it is", () => {
	expect(FAULT_MODELS.size).toBeGreaterThan(6);
	for (const [name, { does, params }] of FAULT_MODELS) {
		expect(does, name).toMatch(/^[A-Z].*\.$/);
		for (const field of Object.values(params)) {
			const inner = "wrapped" in field ? field.wrapped : field;
			expect(JSON.stringify(inner), name).toContain('"description"');
		}
	}
});
