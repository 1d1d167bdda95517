/** The report: docs/report.schema.json says what is in it, and docs/report.md says the same. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020, type AnySchemaObject } from "ajv/dist/2020.js";
import { afterAll, describe, expect, it } from "vitest";
import { ROOT } from "./support/sources.ts";

const schema = JSON.parse(readFileSync(`${ROOT}/docs/report.schema.json`, "utf8"));
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addSchema(schema, "report");

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

function report(...args: string[]): unknown {
	const file = join(dir, "report.json");
	const command = ["dist/cli/main.js", args[0]!, "-q", "--json", file, ...args.slice(1)];
	spawnSync(process.execPath, command, { cwd: ROOT, input: "" });
	const text = readFileSync(file, "utf8");
	rmSync(file);
	return JSON.parse(text);
}

describe("is what the schema says", () => {
	it.each([
		["boot", "hello"],
		["boot", "--ram", "1M", "--swap", "4M,hdd", "--swap", "4M", "--check", "sort", "1"],
		["boot", "--disk", "workloads/utils", "--seed", "7", "hello"],
		["boot", "--max-cycles", "1000", "hello"],
		["boot", "wild", "text"],
		["run", "workloads/bare/bin/board"],
		["run", "--sbi", "--append", "x", "--max-cycles", "1000", "workloads/bare/bin/board"],
	])("%s %s %s %s", (...args) => {
		const validate = ajv.getSchema(`report#/$defs/${args[0]}`)!;
		validate(report(...args));
		expect(validate.errors).toBe(null);
	});

	it("and not what has a field less, one more, or one of another type", () => {
		const validate = ajv.getSchema("report#/$defs/boot")!;
		const right = report("boot", "hello") as Record<string, unknown>;
		for (const field of Object.keys(right)) {
			const { [field]: _, ...rest } = right;
			expect(validate(rest), `without ${field}`).toBe(false);
			expect(validate({ ...right, [field]: Number.NaN }), `wrong ${field}`).toBe(false);
		}
		expect(validate({ ...right, more: 1 })).toBe(false);
	});
});

/** A row for each field below `schema`. */
function rows(schema: AnySchemaObject, path = ""): string[] {
	return Object.entries<AnySchemaObject>(schema.properties).flatMap(([name, field]) => {
		const here = path === "" ? name : `${path}.${name}`;
		const inner = field.type === "array" ? field.items : field;
		const below = field.type === "array" ? `${here}[]` : here;
		const always = schema.required.includes(name) ? "" : " (not always there)";
		const own = `| \`${here}\` | ${typeOf(field)} | ${field.description ?? ""}${always} |`;
		return inner.properties === undefined ? [own] : [own, ...rows(inner, below)];
	});
}

function typeOf(field: AnySchemaObject): string {
	if (field.enum !== undefined) return field.enum.map((v: unknown) => `\`${v}\``).join(", ");
	return [field.type].flat().join(" or ");
}

it("docs/report.md has a row for each field", async () => {
	const table = (kind: string): string =>
		["| field | type | what it is |", "|---|---|---|", ...rows(schema.$defs[kind])].join("\n");
	const text = `# The report

\`--json FILE\` writes one JSON object when a run is over; \`System.report\` and \`Bare.report\`
return the same from TypeScript. [report.schema.json](report.schema.json) describes it for
programs. Times are virtual, and so the same on every host, except \`hostMs\`; sizes are in bytes
and addresses are numbers. A report holds its own configuration, so the run can be repeated.

## \`uvmachine boot\`

${table("boot")}

## \`uvmachine run\`

${table("run")}
`;
	await expect(text).toMatchFileSnapshot("../docs/report.md");
});
