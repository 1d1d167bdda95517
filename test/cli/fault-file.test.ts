/** `--faults`: plans as text. A mistake is one line that names the file, the line and the field. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readFaults } from "../../cli/fault-file.ts";
import { planFile } from "../../cli/plan-argument.ts";
import { UsageError } from "../../cli/usage-error.ts";
import type { Report } from "../../computer/system-options.ts";
import { uvmachine } from "../support/cli.ts";

let directory: string;
const file = (name = "plan.json5"): string => join(directory, name);

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "fault-file-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const PLAN = `// Comments are allowed.
{
	seed: 0x10,
	rules: [
		{
			model: "memory.flip",
			when: { atNs: +1e6 },
		},
		{ id: 'lost-1', model: "disk.lost-write",
			params: { disk: "ld0", sector: 8 },
			when: {
				hit: 3,
			} },
	],
}
`;
const MEANT = {
	seed: 16,
	rules: [
		{ id: "memory.flip", model: "memory.flip", params: {}, when: { atNs: 1_000_000 } },
		{
			id: "lost-1",
			model: "disk.lost-write",
			params: { disk: "ld0", sector: 8 },
			when: { hit: 3 },
		},
	],
};

/** What is said of a file that holds this; the file's name is left out. */
function complaint(contents: string | Uint8Array): string {
	writeFileSync(file(), contents);
	return complaintOf(file()).replace(`${file()}:`, "");
}

function complaintOf(argument: string): string {
	try {
		readFaults(argument);
	} catch (error) {
		if (error instanceof UsageError) return error.message;
		throw error;
	}
	return "";
}

describe("a plan", () => {
	it("is read from a file", () => {
		writeFileSync(file(), PLAN);
		expect(readFaults(file()).plan).toEqual(MEANT);
		writeFileSync(file(), `\ufeff${PLAN}`);
		expect(readFaults(file()).plan).toEqual(MEANT);
		writeFileSync(file(), JSON.stringify(MEANT));
		expect(readFaults(file()).plan).toEqual(MEANT);
	});

	it("may be written on the command line, and so may a rule", () => {
		expect(readFaults(JSON.stringify(MEANT)).plan).toEqual(MEANT);
		const rule = ' {model: "disk.lost-write", params: {disk: "ld0"}, when: {hit: 3}}';
		const params = { disk: "ld0" };
		expect(readFaults(rule).plan).toEqual({
			rules: [{ id: "disk.lost-write", model: "disk.lost-write", params, when: { hit: 3 } }],
		});
		expect([planFile(rule), planFile("plan.json5"), planFile(undefined)]).toEqual([
			undefined,
			"plan.json5",
			undefined,
		]);
	});
});

describe("a mistake in a file", () => {
	it.each([
		["sector: 8", "sector: -8", "10: rule 2 (lost-1): params.sector: expected >=0 but received -8"],
		["hit: 3", "hit: 0.5", "12: rule 2 (lost-1): when.hit: expected a whole number"],
		["hit: 3", "hit: Infinity", "12: rule 2 (lost-1): when.hit: expected a whole number"],
		["hit: 3", "hit: NaN", "12: rule 2 (lost-1): when.hit: expected number but received NaN"],
		["hit: 3", "hit: null", "12: rule 2 (lost-1): when.hit: expected number but received null"],
		["hit: 3", "atNs: 3", "12: rule 2 (lost-1): when.atNs: no such field"],
		["hit: 3", "hit: 3,\n hit: 4", '13: "hit" is there twice'],
		["hit: 3", "__proto__: {}", "12: rule 2 (lost-1): when.__proto__: no such field"],
		['disk: "ld0", ', "", "10: rule 2 (lost-1): params.disk: is required"],
		["lost-1", "memory.flip", "9: rule 2 (memory.flip): id: rule 1 has this name already"],
		['model: "memory.flip",', "", "5: rule 1: model: is required"],
		["memory.flip", "memory.flop", "6: rule 1 (memory.flop): model: no such model; those of"],
		["when: { at", "wen: { at", "5: rule 1 (memory.flip): when: is required"],
		["seed: 0x10", "seed: '1'", '3: fault plan: seed: expected number but received "1"'],
		["seed: 0x10", "sed: 0x10", "3: fault plan: sed: no such field"],
		["rules:", "rule:", "2: fault plan: rules: is required"],
		["hit: 3", "hit 3", '12: is not JSON5: unexpected "3"'],
		["hit: 3", "hit: %", '12: is not JSON5: unexpected "%"'],
		["hit: 3", "hit: three", '12: is not JSON5: unexpected "three"'],
		["}\n", "} }\n", '15: is not JSON5: unexpected "}"'],
	])("%j for %j", (right, wrong, expected) => {
		const at = PLAN.indexOf(right);
		expect(at).toBeGreaterThan(0);
		const text = PLAN.slice(0, at) + wrong + PLAN.slice(at + right.length);
		expect(complaint(text).slice(0, expected.length)).toBe(expected);
	});

	it("is a depth that no plan needs", () => {
		const nested = (depth: number): string =>
			PLAN.replace("hit: 3", `hit: ${"[".repeat(depth)}${"]".repeat(depth)}`);
		expect(complaint(nested(40))).toBe("12: is nested too deeply");
		expect(complaint(nested(100_000))).toBe("1: is nested too deeply");
	});

	it("suggests the model that was meant", () => {
		expect(complaint(PLAN.replace("disk.lost-write", "disk.lost-wrte"))).toMatch(
			/^9: rule 2 \(lost-1\): model: no such model; .*; did you mean disk\.lost-write\?$/,
		);
	});

	it("is not a text, or not a file", () => {
		const path = file();
		expect(complaint(new Uint8Array([0x7b, 0xff, 0x7d]))).toMatch(/ is not UTF-8 text$/);
		rmSync(path);
		expect(complaintOf(path)).toBe(`fault plan ${path}: no such file`);
		expect(complaintOf(directory)).toBe(`fault plan ${directory}: not a file`);
	});
});

it("a mistake on the command line has a line only if there are several", () => {
	const rule = '{model: "disk.lost-write", params: {disk: "ld0", sector: -1}}';
	const expected = "rule 1 (disk.lost-write): params.sector: expected >=0 but received -1";
	expect(complaintOf(rule)).toBe(`--faults: ${expected}`);
	expect(complaintOf(rule.replace("sector", "\n\nsector"))).toBe(`--faults:3: ${expected}`);
	expect(complaintOf(`{rules: [\n${rule}]}`)).toBe(`--faults:2: ${expected}`);
	expect(complaintOf("{")).toBe("--faults: the text ends too early");
	expect(complaintOf("{}")).toBe("--faults: rule 1: model: is required");
});

describe("on the command line", () => {
	const lost = '{model: "disk.lost-write", params: {disk: "ld0"}, when: {hit: 3}}';
	const sort = ["boot", "--ram", "1M", "sort", "1"];

	it("a plan breaks a system, and a bare machine", () => {
		writeFileSync(file(), `{rules: [${lost}]}`);
		const run = uvmachine([...sort, "--faults", file()]);
		expect([run.status, run.stderr]).toEqual([1, expect.stringContaining("1 of 1 rules acted")]);
		writeFileSync(file("disk.img"), new Uint8Array(65_536));
		const board = ["run", "workloads/bare/bin/board", "--disk", file("disk.img")];
		const transient = '{model: "disk.transient", params: {disk: "disk0"}}';
		expect(uvmachine([...board, "-q"]).status).toBe(0);
		expect(uvmachine([...board, "-q", "--faults", transient]).status).toBe(1);
	});

	it("a mistake ends the command, and so does what cannot be combined", () => {
		writeFileSync(file(), `{\nrules: [${lost.replace("3", "0")}]}`);
		const wrong = uvmachine([...sort, "--faults", file()]);
		const place = `${file()}:2: rule 1 (disk.lost-write): when.hit`;
		const line = `uvmachine: ${place}: expected >=1 but received 0\n`;
		expect([wrong.status, wrong.stderr]).toEqual([2, line]);
		const same = uvmachine([...sort, "--faults", file(), "--json", file()]);
		expect([same.status, same.stderr]).toEqual([2, expect.stringContaining("--faults")]);
		writeFileSync(file("none.json5"), `{\nrules: [\n${lost.replace("ld0", "ld9")}]}`);
		const none = uvmachine([...sort, "--faults", file("none.json5")]);
		const there = "rule 1 (disk.lost-write): params.disk: no disk ld9; there are ld0, ld1";
		expect([none.status, none.stderr]).toEqual([
			2,
			`uvmachine: ${file("none.json5")}:3: ${there}\n`,
		]);
	});

	/** The report, without what the host says. */
	const reportOf = (args: readonly string[]): Report => {
		const run = uvmachine([...args, "-q", "--json", file("report")]);
		expect(run.stderr).toBe("");
		const { hostMs: _, ...report } = JSON.parse(readFileSync(file("report"), "utf8")) as Report;
		return report as Report;
	};
	const walk = ["boot", "walk", "1", "2", "--ram", "1M", "--swap", "4M"];

	it("a snapshot without a plan takes one, and keeps it", () => {
		const saved = file("snapshot");
		reportOf([...walk, "--save", saved, "--save-at", "12000000"]);
		const faults = `{rules: [
			{ id: "past", model: "memory.flip", params: { pa: 0x80080000 }, when: { atNs: 5 } },
			{ model: "disk.latency", params: { disk: "ld0" }, when: { hit: 2 } }]}`;
		const restored = ["boot", "--restore", saved, "--faults", faults];
		const again = file("again");
		const whole = reportOf([...restored, "--save", again, "--save-at", "13000000"]);
		expect(whole.faults).toMatchObject({ notFired: [], applied: 2 });
		expect(whole.faults!.ledger[0]).toMatchObject({ rule: "past", ns: 12_000_000 });
		expect(reportOf(["boot", "--restore", again])).toEqual(whole);
		const wrong = (args: readonly string[]) => {
			const { status, stderr } = uvmachine(args);
			expect(status).toBe(2);
			return stderr;
		};
		const none = "params.disk: no disk ld3; there are ld0, ld1";
		expect(wrong([...restored.slice(0, -1), faults.replace("ld0", "ld3")])).toBe(
			`uvmachine: --faults:3: rule 2 (disk.latency): ${none}\n`,
		);
		expect(wrong(["boot", "--restore", again, "--faults", faults])).toBe(
			`uvmachine: snapshot ${again}: it has a plan of faults, and takes no other\n`,
		);
	});

	it("goes together with traces, the history and checks, which change nothing", () => {
		const hello = ["boot", "hello", "--ram", "1M"];
		const rules = `{rules: [
			{ id: "event", model: "mmu.spurious-fault",
				when: { event: { uvmhist: "uvm_fault", hit: 2 } }, nextState: "later" },
			{ id: "access", model: "cpu.stall", params: { cycles: 11 },
				when: { access: { va: [0x10000, 0x11000], kind: "x", hit: 100 } }, state: "later" },
			{ id: "pc", model: "cpu.stall", params: { cycles: 9 },
				when: { pc: { addr: 0x10000 } } }]}`;
		const plain = reportOf([...hello, "--faults", rules]);
		expect(plain.faults!.ledger).toHaveLength(3);
		const files = ["trace", "instructions", "history"].map((name) => file(name));
		const all = ["--trace", files[0]!, "--trace-instructions", files[1]!, "--uvmhist", files[2]!];
		const watched = reportOf([...hello, "--faults", rules, ...all, "--check", "--shadow"]);
		const { faults, cycles, instructions, stateHash, uvmexp, console } = plain;
		expect(watched).toMatchObject({ faults, cycles, instructions, stateHash, uvmexp, console });
		for (const name of files) expect(readFileSync(name).length).toBeGreaterThan(300);
	});
});

it("a plan that is cut short ends too early, wherever", () => {
	for (let length = PLAN.indexOf("{"); length < PLAN.lastIndexOf("}"); length++) {
		expect(complaint(PLAN.slice(0, length)), PLAN.slice(0, length)).toMatch(
			/^\d+: the text ends too early$/,
		);
	}
});

it("a thousand plans with mistakes give one line each", () => {
	/** Anything but a line break or another control character. */
	const line = /^[^\p{Cc}\p{Zl}\p{Zp}]{1,800}$/u;
	const values = ["-1", "null", "[]", "{}", "'x\\n'", "1e999", "true", "{a: 1}", "[1, 2]", "0.5"];
	const place = fc.nat(PLAN.length - 1);
	const bytes = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 });
	const mutated = fc.oneof(
		bytes.map((changes) => {
			const contents = new TextEncoder().encode(PLAN);
			for (const [at, byte] of changes) contents[at] = byte;
			return contents;
		}),
		fc
			.tuple(place, fc.nat(12), fc.string({ unit: "grapheme", maxLength: 8 }))
			.map(([at, gone, text]) => PLAN.slice(0, at) + text + PLAN.slice(at + gone)),
		fc.tuple(fc.nat(8), fc.constantFrom(...values)).map(([which, value]) => {
			let seen = 0;
			return PLAN.replace(/: ("[^"]*"|'[^']*'|[+\w]+)/g, (all) =>
				seen++ === which ? `: ${value}` : all,
			);
		}),
		fc.string({ unit: "binary" }),
		fc.json(),
	);
	let wrong = 0;
	fc.assert(
		fc.property(mutated, (contents) => {
			const said = complaint(contents);
			if (said === "") return;
			wrong++;
			expect(said).toMatch(line);
			const text = typeof contents === "string" ? contents : "{";
			const [beginning] = text.trim();
			if (beginning === "{") expect(complaintOf(text)).toMatch(line);
		}),
		{ numRuns: 1500 },
	);
	expect(wrong).toBeGreaterThan(1000);
});
