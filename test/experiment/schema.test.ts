/** The JSON schema of experiments is the one that is checked, and examples are right. */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { experimentPath, readExperiment, readyExperiments } from "../../cli/experiment-file.ts";
import { Json5Text } from "../../cli/json5-text.ts";
import { checkExperiment, EXPERIMENT } from "../../index.ts";
import { ROOT } from "../support/sources.ts";

const schema: JsonSchema = {
	...toJsonSchema(EXPERIMENT, { target: "draft-2020-12" }),
	title: "An experiment for uvmachine",
};
const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(
	schema as object,
);

it("docs/experiment.schema.json is the schema", async () => {
	const text = `${JSON.stringify(schema, null, "\t")}\n`;
	await expect(text).toMatchFileSnapshot("../../docs/experiment.schema.json");
});

const docs = readFileSync(`${ROOT}/docs/experiments.md`, "utf8");
const examples = [...docs.matchAll(/```json5\n([\s\S]*?)```/g)].map((match) => match[1]!);
const files = readyExperiments().map((name) => readFileSync(experimentPath(name), "utf8"));

it("there are examples", () => {
	expect(examples.length).toBeGreaterThan(0);
	expect(files.length).toBeGreaterThan(0);
});

it.each([...files, ...examples])("is right: %s", (text) => {
	const value = new Json5Text("example", true, text).value();
	expect(() => checkExperiment(value, "example")).not.toThrow();
	validate(value);
	expect(validate.errors).toBe(null);
});

describe("is refused by the schema, too", () => {
	const FILE = { workload: { boot: "walk" }, metrics: ["faults"] };
	it.each([
		[{ ...FILE, metrics: [] }],
		[{ ...FILE, more: 1 }],
		[{ metrics: ["faults"] }],
		[{ ...FILE, expect: [{ metric: "faults", over: "n", is: "grows" }] }],
	])("%j", (value) => {
		expect(() => checkExperiment(value, "test")).toThrow();
		expect(validate(value)).toBe(false);
	});
});

it("each that comes with uvmachine has a question, and says what it expects", () => {
	for (const name of readyExperiments()) {
		const { question, laws, trends, plots } = readExperiment(experimentPath(name));
		expect(question.length, name).toBeGreaterThan(10);
		expect(laws.length + trends.length, name).toBeGreaterThan(0);
		expect(plots.length, name).toBeGreaterThan(0);
	}
});

it("the package holds the programs that experiments run", () => {
	const { files } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as { files: string[] };
	for (const name of readyExperiments()) {
		const path = experimentPath(name);
		for (const { workload } of readExperiment(path).points) {
			const { boot } = workload as { boot?: string };
			if (boot?.startsWith(".") !== true) continue;
			const program = relative(ROOT, join(dirname(path), boot));
			expect(
				files.some((kept) => `${program}/`.startsWith(`${kept}/`)),
				program,
			).toBe(true);
		}
	}
});
