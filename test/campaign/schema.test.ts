/** The JSON schema of campaigns is the one that is checked, and examples are right. */
import { readdirSync, readFileSync } from "node:fs";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, it } from "vitest";
import { readyCampaigns } from "../../cli/campaign-file.ts";
import { Json5Text } from "../../cli/json5-text.ts";
import { CAMPAIGN, checkCampaign } from "../../index.ts";
import { ROOT } from "../support/sources.ts";

const schema: JsonSchema = {
	...toJsonSchema(CAMPAIGN, {
		target: "draft-2020-12",
		// Conditions between fields are left to the program.
		ignoreActions: ["check", "partial_check"],
	}),
	title: "A campaign of faults for uvmachine",
};
const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(
	schema as object,
);

it("docs/campaign.schema.json is the schema", async () => {
	const text = `${JSON.stringify(schema, null, "\t")}\n`;
	await expect(text).toMatchFileSnapshot("../../docs/campaign.schema.json");
});

const docs = readFileSync(`${ROOT}/docs/campaigns.md`, "utf8");
const READY = `${ROOT}/campaign/ready`;
const files = readdirSync(READY).map((name) => readFileSync(`${READY}/${name}`, "utf8"));
const examples = [...docs.matchAll(/```json5\n([\s\S]*?)```/g)].map((match) => match[1]!);

it.each([...files, ...examples])("is right: %s", (text) => {
	const value = new Json5Text("example", true, text).value();
	expect(() => checkCampaign(value)).not.toThrow();
	validate(value);
	expect(validate.errors).toBe(null);
});

it("every ready-made campaign has its name, and a description", () => {
	const values = files.map((text) => checkCampaign(new Json5Text("ready", true, text).value()));
	expect(values.map(({ name }) => name).sort()).toEqual(readyCampaigns());
	expect(values.every(({ description }) => description.length > 10)).toBe(true);
	expect(examples).toHaveLength(1);
});
