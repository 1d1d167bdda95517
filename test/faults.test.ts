/** The JSON schema of fault plans is the one that is checked, and the documentation is right. */
import { readFileSync } from "node:fs";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { readFaults } from "../cli/fault-file.ts";
import { FAULT_PLAN, FAULT_PLAN_PARTS } from "../computer/fault/plan.ts";
import { checkFaultPlan, FAULT_MODELS } from "../index.ts";
import { ROOT } from "./support/sources.ts";

const schema: JsonSchema = {
	...toJsonSchema(FAULT_PLAN, {
		target: "draft-2020-12",
		definitions: FAULT_PLAN_PARTS,
		// Conditions between fields are left to the program.
		ignoreActions: ["check", "partial_check"],
	}),
	title: "A fault plan for uvmachine",
};
const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
const validate = ajv.compile(schema as object);

const docs = readFileSync(`${ROOT}/docs/faults.md`, "utf8");
const readme = readFileSync(`${ROOT}/README.md`, "utf8");

/** Plans, and rules on command lines. */
const examples = [docs, readme].flatMap((text) => [
	...[...text.matchAll(/```json5\n([\s\S]*?)```/g)].map((match) =>
		match[1]!.replace(/^\/\/.*\n/, ""),
	),
	...[...text.matchAll(/--faults '(\{[^']*)'/g)].map((match) => match[1]!),
]);

it("docs/fault-plan.schema.json is the schema", async () => {
	const text = `${JSON.stringify(schema, null, "\t")}\n`;
	await expect(text).toMatchFileSnapshot("../docs/fault-plan.schema.json");
});

describe("an example of the documentation", () => {
	it("exists, for each family of models", () => {
		const models = examples.flatMap((text) =>
			readFaults(text).plan.rules.map(({ model }) => model),
		);
		const families = new Set([...FAULT_MODELS.keys()].map((name) => name.split(".")[0]!));
		for (const family of families) {
			expect(models.some((model) => model.startsWith(`${family}.`))).toBe(true);
		}
		expect(examples.length).toBeGreaterThan(4);
	});

	it.each(examples)("is right: %s", (text) => {
		const { plan } = readFaults(text);
		validate(plan);
		expect(validate.errors).toBe(null);
	});
});

describe("the schema takes what the program takes", () => {
	const rule = (change: object): unknown => ({
		rules: [{ model: "disk.torn-write", params: { disk: "ld0" }, ...change }],
	});
	const flip = (when: unknown): unknown => ({ rules: [{ model: "memory.flip", when }] });

	it.each([
		[{ rules: [] }, true],
		[{ $schema: "fault-plan.schema.json", seed: 3, rules: [] }, true],
		[rule({ life: { count: 2 }, budget: { skip: 1, times: -1 }, note: "x" }), true],
		[rule({ life: { onNs: 2, offNs: 2 }, when: { window: [1, 2], chance: 0.5 } }), true],
		[flip({ atNs: 1 }), true],
		[flip({ atInsn: 1 }), true],
		[{}, false],
		[{ rules: [], more: 1 }, false],
		[{ rules: [{}] }, false],
		[{ rules: [{ model: "disk.torn" }] }, false],
		[rule({ id: "a b" }), false],
		[rule({ id: 1 }), false],
		[rule({ life: "ever" }), false],
		[rule({ life: { count: 0 } }), false],
		[rule({ when: { hit: 0 } }), false],
		[rule({ when: { chance: 2 } }), false],
		[rule({ when: { window: [1] } }), false],
		[rule({ when: { atNs: 1 } }), false],
		[rule({ params: {} }), false],
		[rule({ params: { disk: "sda" } }), false],
		[rule({ params: { disk: "ld0", unit: 1024 } }), false],
		[flip(undefined), false],
		[flip({ hit: 1 }), false],
	])("%j: %s", (plan, right) => {
		expect(validate(plan)).toBe(right);
		expect(validate.errors === null).toBe(right);
		if (right) expect(() => checkFaultPlan(plan)).not.toThrow();
		else expect(() => checkFaultPlan(plan)).toThrow(/^[^\n]+$/);
	});
});

/** The words for a type in JSON schema. */
function typeOf(field: JsonSchema): string {
	if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(", ");
	if (field.type !== "integer") return String(field.type);
	const { minimum: min, maximum: max } = field;
	const least = min === 0 || min === undefined ? "" : `${min}`;
	if (max === undefined || max === Number.MAX_SAFE_INTEGER) {
		return least === "" ? "number" : `number from ${least}`;
	}
	const limit = (n: number): string => (n === 2 ** 32 - 1 ? "2^32 - 1" : `${n}`);
	return max === 2 ** 40 ? "number" : `${min} to ${limit(max)}`;
}

/** What docs/fault-models.md says of a model. */
function section(name: string): string {
	const { does, candidates, params } = FAULT_MODELS.get(name)!;
	const when = candidates === null ? "Acts at an instant." : `Candidates: ${candidates}.`;
	const rows = Object.entries(params).map(([param, field]) => {
		const { description, ...type } = toJsonSchema(field, { ignoreActions: ["check"] });
		return `| \`${param}\` | ${typeOf(type)} | ${description} |`;
	});
	const table = ["| parameter | type | |", "|---|---|---|", ...rows].join("\n");
	return `## \`${name}\`\n\n${does} ${when}\n\n${table}\n`;
}

it("docs/fault-models.md has a section for each model", async () => {
	const text = `# Fault models

What can break, and the parameters of each model. [faults.md](faults.md) says how rules use them.
Parameters without a default must be given. What the seed chooses is the same in every run.

${[...FAULT_MODELS.keys()].map(section).join("\n")}`;
	await expect(text).toMatchFileSnapshot("../docs/fault-models.md");
});
