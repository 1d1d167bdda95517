/** `uvmachine inject --engine`: campaigns have the same results on every engine. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { uvmachine } from "../support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-inject-"));
const path = (name: string): string => join(folder, name);

/** Write a campaign. => its path */
function campaign(name: string, text: string): string {
	writeFileSync(path(name), text);
	return path(name);
}

const flips = campaign(
	"flips.json5",
	`{
		workload: { boot: "hello", ram: "1M", swap: ["1M"] },
		rules: [{ model: "cpu.register", when: { atInsn: { from: 0, to: 440, step: 22 } } }],
	}`,
);

it("has the same results on every engine, which may change in between", () => {
	const when = "when: { atInsn: 300000 }";
	const file = campaign(
		"engines.json5",
		`{
			workload: { boot: "walk", args: ["1", "1"], ram: "1M", swap: ["2M"] },
			rules: [
				{ model: "cpu.register", ${when} },
				{ model: "mmu.pte-flip", params: { va: 0x10000 }, ${when} },
				{ model: "memory.flip", ${when} },
				{ model: "cpu.result", params: { class: "alu" }, when: { hit: 20000 } },
				{ model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: 3 } },
			],
		}`,
	);
	const on = (engine: string, ...more: string[]) =>
		uvmachine(["inject", file, "--jobs", "1", "--engine", engine, ...more]);
	const out = (engine: string): string => path(`engine-${engine}`);
	const filesOf = (engine: string) =>
		["campaign.json", "golden.json", "results.jsonl"].map((name) =>
			readFileSync(join(out(engine), name), "utf8"),
		);
	const reports = ["interp", "jit"].map((engine) => {
		const { stdout, status } = on(engine, "--out", out(engine), "--json", "-");
		expect(status).toBe(0);
		const { seconds: _, perHour: __, ...report } = JSON.parse(stdout);
		return report;
	});
	expect(reports[0].runs).toBe(5);
	expect(reports[1]).toEqual(reports[0]);
	const files = filesOf("interp");
	expect(filesOf("jit")).toEqual(files);
	writeFileSync(join(out("jit"), "results.jsonl"), files[2]!.slice(0, files[2]!.length / 2));
	expect(on("interp", "--out", out("jit"), "--resume").status).toBe(0);
	expect(filesOf("jit")).toEqual(files);
	const replay = ["inject", "replay", out("interp"), "0", "--engine", "jit"];
	expect(uvmachine(replay)).toMatchObject({
		status: 0,
		stderr: expect.stringContaining("(as before):"),
	});
	const short = path("engine-flips");
	uvmachine(["inject", flips, "--out", short, "--jobs", "1", "--engine", "jit"]);
	const minimised = ["jit", "interp"].map((engine) => {
		const { status, stdout } = uvmachine(["inject", "minimise", short, "3", "--engine", engine]);
		expect([status, stdout]).toEqual([0, expect.stringContaining('"cpu.register"')]);
		return stdout;
	});
	expect(minimised[0]).toBe(minimised[1]);
});
