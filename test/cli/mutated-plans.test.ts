/**
 * Plans and campaigns with mistakes: each is right after all, and a short run of it ends, or one
 * line says what is wrong. MUTATED_RUNS is how many of each kind.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CampaignError, checkCampaign } from "../../campaign/campaign.ts";
import { prepareCampaign } from "../../campaign/conduct.ts";
import { Runner } from "../../campaign/run/runner.ts";
import type { Workload } from "../../campaign/run/workload.ts";
import { readFaults } from "../../cli/fault-file.ts";
import { Json5Text } from "../../cli/json5-text.ts";
import type { Computer } from "../../computer/computer.ts";
import { Bare, checkFaultPlan, createSystem, FaultPlanError, UserError } from "../../index.ts";
import { mutatedText, mutatedValue } from "../support/mutations.ts";
import { ROOT } from "../support/sources.ts";
import { MiB, workload } from "../support/workload.ts";

const RUNS = Number(process.env.MUTATED_RUNS ?? 500);
const CAMPAIGNS = Math.ceil(RUNS * 0.3);
/** Anything but a line break or another control character. */
const LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]{1,1000}$/u;

const docs = readFileSync(`${ROOT}/docs/faults.md`, "utf8");
const plans = [
	...[...docs.matchAll(/```json5\n([\s\S]*?)```/g)].map((match) => match[1]!),
	`{ seed: 3, rules: [
		{ id: "a", model: "cpu.register", state: 1, nextState: "b", note: "n",
			when: { pc: { addr: 0x10074, hit: 2 }, milestone: { console: "^H(e|l)+" } } },
		{ id: "b", model: "mmu.spurious-fault", params: { access: "load" }, state: "b",
			when: { hits: [1, 3], window: [0, 1000000] },
			life: { onNs: 1000, offNs: 9000 }, budget: { skip: 1, times: -1 } },
		{ id: "c", model: "memory.flip", params: { pa: 0x80080000, mask: 0x10 },
			when: { access: { va: [0x10000, 0x11000], kind: "rw", hit: 3 } } },
		{ id: "d", model: "disk.power-cut",
			params: { disk: "ld0", keep: "prefix", units: 2, cache: 4096 } },
		{ id: "e", model: "alloc.fail", params: { of: "page" },
			when: { event: { uvmhist: "uvm_fault", hit: 2 } } },
		{ id: "f", model: "irq.storm", params: { device: "uart", rateHz: 1000 }, when: { atInsn: 9 } },
		{ id: "g", model: "clock.drift", params: { ppm: -200.5 }, when: { atNs: 1000 }, },
		{ id: "h", model: "cpu.result", params: { class: "branch" }, when: { chance: 0.01 },
			life: { count: 3 } }]}`,
];

const system = createSystem({
	program: "hello",
	image: workload("hello"),
	ram: MiB,
	swap: [{ media: MiB }],
	framebuffer: null,
});
const bare = new Bare({ image: workload("../bare/bin/board"), ram: MiB });
const starts = [system, bare].map((computer: Computer) => {
	let start = computer.checkpoint();
	for (let at = 1000; start === null; at += 1000) {
		computer.run(at);
		start = computer.checkpoint();
	}
	return { computer, start };
});

/** What is said of a plan that does not fit, or "". */
function run(plan: ReturnType<typeof checkFaultPlan>): string[] {
	return starts.map(({ computer, start }) => {
		try {
			computer.inject(plan);
			computer.run(400_000);
			expect(Array.isArray(computer.faultReport()!.ledger)).toBe(true);
			return "";
		} catch (error) {
			if (!(error instanceof FaultPlanError)) throw error;
			return error.message;
		} finally {
			computer.rollback(start);
			computer.inject();
		}
	});
}

let right: number;
let wrong: number;

/** `look` throws what is wrong. => what it says, and what runs say, is one line each */
function judge(look: () => string[]): void {
	let said: string[];
	try {
		said = look();
		right++;
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		said = [error.message];
		wrong++;
	}
	for (const line of said) if (line !== "") expect(line).toMatch(LINE);
}

function property(
	arbitrary: fc.Arbitrary<unknown>,
	numRuns: number,
	look: (value: never) => string[],
): void {
	right = 0;
	wrong = 0;
	fc.assert(
		fc.property(arbitrary, (value) => judge(() => look(value as never))),
		// They are small already.
		{ numRuns, endOnFailure: true },
	);
	expect(right).toBeGreaterThan(numRuns / 200);
	expect(wrong).toBeGreaterThan(numRuns / 3);
}

it("plans with changes in their text", () => {
	const texts = fc.constantFrom(...plans).chain(mutatedText);
	property(texts, RUNS, (text: string) => {
		// What does not begin so is the name of a file.
		return readFaults(/^\s*\{/.test(text) ? text : `{${text}`).build(run);
	});
});

it("plans with changes in their values", () => {
	const values = plans.map((text) => new Json5Text("plan", true, text).value());
	property(fc.constantFrom(...values).chain(mutatedValue), RUNS, (value) =>
		run(checkFaultPlan(value)),
	);
});

const READY = `${ROOT}/campaign/ready`;
const campaigns = [
	...readdirSync(READY).map((name) => readFileSync(`${READY}/${name}`, "utf8")),
	`{ workload: { boot: "hello" }, combine: "pairs", sample: { every: 3 }, checkpoints: 3,
		stop: { outcome: "sdc", runs: 2 },
		limits: { instructions: 3, idleNs: 1000000, seconds: 5 }, rules: [
		{ model: "memory.flip", nextState: 2, weight: 3,
			params: { pa: [0x80080000, 0x80090000], bits: { from: 1, to: 8, step: 3 } },
			when: { atInsn: "all" } },
		{ model: "mmu.lost-fence", when: { hit: "all", pc: { addr: 0x10074 } }, state: 2,
			life: { count: 2 }, budget: { skip: 1 } },
		{ model: "cpu.register", when: { access: { va: [0x10000, 0x11000], kind: "r" } } }] }`,
];
const hello: Workload = {
	kind: "boot",
	options: { program: "hello", image: workload("hello"), ram: MiB, framebuffer: null },
	swap: [{ bytes: MiB }],
};

/** One run of a campaign, on a workload that does not wait for input. */
function one(value: unknown): string[] {
	const campaign = checkCampaign(value);
	try {
		const { runner, runs } = prepareCampaign({ ...campaign, checkpoints: 1 }, hello, 1);
		const { evidence } = new Runner({ ...runner, limits: { instructions: 2, idleNs: 1e9 } }).run(
			runs.at(0).plan,
		);
		expect(evidence.error).toBeNull();
		return [];
	} catch (error) {
		if (error instanceof CampaignError) expect(error.path[0]).toBe("rules");
		throw error;
	}
}

it("campaigns with changes in their text", () => {
	const texts = fc.constantFrom(...campaigns).chain(mutatedText);
	property(texts, CAMPAIGNS, (text: string) => one(new Json5Text("campaign", true, text).value()));
});

it("campaigns with changes in their values", () => {
	const values = campaigns.map((text) => new Json5Text("campaign", true, text).value());
	property(fc.constantFrom(...values).chain(mutatedValue), CAMPAIGNS, one);
});
