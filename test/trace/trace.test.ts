/** Traces: the same run gives the same bytes, and they show what happened. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bare, NEXT_STAGE } from "../../computer/bare.ts";
import { createSystem, type System } from "../../computer/system.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { ChromeTrace } from "../../trace/chrome-trace.ts";
import { traceEvents, traceInstructions } from "../../trace/trace.ts";
import { assemble } from "../isa/assembler.ts";
import { workload } from "../support/workload.ts";
import { workloads } from "../workloads/support.ts";

interface Event {
	readonly ph: string;
	readonly name?: string;
	readonly pid: number;
	readonly tid?: number;
	readonly id?: number;
	readonly ts?: number;
	readonly args?: Record<string, unknown>;
}

const BOARD = join(workloads, "bare", "bin", "board");

const events = (text: string): Event[] =>
	(JSON.parse(text) as { traceEvents: Event[] }).traceEvents;

function collector(): { text: () => string; write: (text: string) => void } {
	let all = "";
	return { text: () => all, write: (text) => (all += text) };
}

/** Every slice and span ends after it begins, and the slices of a track nest. */
function checkShape(list: readonly Event[]): void {
	const open = new Map<number, number>();
	const spans = new Set<string>();
	let last = 0;
	for (const { ph, pid, tid, id, ts } of list) {
		if (ts !== undefined) {
			expect(ts).toBeGreaterThanOrEqual(last);
			last = ts;
		}
		if (ph === "B") open.set(tid!, (open.get(tid!) ?? 0) + 1);
		if (ph === "E") {
			expect(open.get(tid!)).toBeGreaterThan(0);
			open.set(tid!, open.get(tid!)! - 1);
		}
		if (ph === "b") spans.add(`${pid}/${id}`);
		if (ph === "e") expect(spans.delete(`${pid}/${id}`)).toBe(true);
	}
	expect([...open.values()].every((depth) => depth === 0)).toBe(true);
	expect([...spans]).toEqual([]);
}

/** A run with paging and fork, with or without a trace, in slices of `slice` cycles. */
function traced(slice: number, trace = true): { system: System; text: string } {
	const system = createSystem({
		program: "fork",
		image: workload("fork"),
		args: ["8", "32"],
		ram: 1 << 20,
	});
	const { text, write } = collector();
	const tracing = trace ? traceEvents(system, write) : null;
	while (system.run(system.machine.clock.cycles + slice) !== "ended");
	tracing?.end();
	return { system, text: text() };
}

describe("a trace of a system", () => {
	const first = traced(1e9);
	const list = events(first.text);

	it("is the same in every run, regardless of slices", () => {
		expect(traced(1e9).text).toBe(first.text);
		expect(traced(10_007).text).toBe(first.text);
	});

	it("does not affect the run", () => {
		expect(traced(1e9, false).system.stateHash()).toBe(first.system.stateHash());
	});

	it("has well-formed slices and spans", () => checkShape(list));

	it("agrees with the counters", () => {
		const count = (test: (event: Event) => boolean): number => list.filter(test).length;
		const { uvmexp } = first.system.kernel;
		const slept = list.filter((e) => e.ph === "E" && e.args?.slept !== undefined);
		const faults = count((e) => e.ph === "B" && e.name?.startsWith("fault: ") === true);
		expect(slept.length).toBe(faults);
		expect(faults).toBeGreaterThan(0);
		expect(faults).toBeLessThanOrEqual(uvmexp.faults);
		const [swap] = first.system.board.disks;
		const reads = count((e) => e.ph === "b" && e.name === "read" && e.pid === 100);
		const writes = count((e) => e.ph === "b" && e.name === "write" && e.pid === 100);
		expect([reads, writes]).toEqual([swap!.counters.reads, swap!.counters.writes]);
		expect(writes).toBeGreaterThan(0);
		const forks = count((e) => e.ph === "B" && e.name === "clone");
		expect(forks).toBeGreaterThan(0);
	});

	it("has a track for the hart, each process and the page daemon", () => {
		const names = list.filter((e) => e.name === "thread_name").map((e) => e.args?.name);
		expect(names).toEqual(expect.arrayContaining(["hart", "pagedaemon", "fork (1)", "fork (2)"]));
		const queues = list.filter((e) => e.name === "process_name").map((e) => e.args?.name);
		expect(queues).toContain("ld0 queue");
	});
});

describe("a bare machine", () => {
	const create = (): Bare =>
		new Bare({ image: readFileSync(BOARD), disks: [{ media: new MemoryDisk(1 << 16) }] });

	it("has its interrupts and requests in its trace", () => {
		const bare = create();
		const { text, write } = collector();
		const tracing = traceEvents(bare, write);
		bare.run(1e9);
		tracing.end();
		const list = events(text());
		checkShape(list);
		const named = (name: string): number => list.filter((e) => e.name === name).length;
		expect(named("machine timer interrupt")).toBe(3);
		expect(named("machine external interrupt")).toBe(5);
		expect(list.filter((e) => e.ph === "b").map((e) => e.name)).toEqual([
			"get id",
			"read",
			"write",
			"flush",
			"read",
		]);
	});

	it("shows every wait: in wfi at the end of a slice, and in a call of the firmware", () => {
		const source = `
	csrrs a0, time, zero
	addi a0, a0, 10
	li a1, 0
	li a7, 0
	ecall
	li t0, 0x20
	csrrw zero, sie, t0
	lui a7, 0x485
	addi a7, a7, 0x34d
	li a6, 3
	li a0, 0
	ecall
	csrrs a0, time, zero
	addi a0, a0, 10
	li a7, 0
	ecall
	wfi
	li a7, 8
	ecall`;
		const image = assemble(source, NEXT_STAGE).bytes;
		const waits = (slice: number): number => {
			const bare = new Bare({ image, sbi: true, ram: 8 << 20 });
			const { text, write } = collector();
			const tracing = traceEvents(bare, write);
			while (bare.run(bare.machine.clock.cycles + slice) !== "ended");
			tracing.end();
			return events(text()).filter((e) => e.ph === "B" && e.name === "wfi").length;
		};
		expect(waits(1e9)).toBe(2);
		expect(waits(1)).toBe(2);
	});

	it("writes every instruction, and runs as without a trace", () => {
		const plain = create();
		plain.run(1e9);
		const bare = create();
		const { text, write } = collector();
		const tracing = traceInstructions(bare, write);
		bare.run(1e9);
		tracing.end();
		expect(bare.stateHash()).toBe(plain.stateHash());
		const lines = text().trimEnd().split("\n");
		expect(lines.length).toBe(bare.machine.hart.counters.instret);
		expect(lines[0]).toMatch(/^0 M 00001000: {2}00000297 {2}auipc t0,0x0 +t0=00001000$/);
		expect(lines.filter((line) => line.includes("  mret")).length).toBe(8);
	});
});

it("closes open slices at the end", () => {
	const { text, write } = collector();
	const trace = new ChromeTrace(write);
	trace.begin(1, 10, "outer");
	trace.begin(1, 20, "inner");
	trace.close(30);
	expect(
		events(text())
			.filter((e) => e.ph === "E")
			.map((e) => e.ts),
	).toEqual([0.03, 0.03]);
});
