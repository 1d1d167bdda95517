/** Instructions that are executed one by one are those of a hart that runs freely. */
import { expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { createSystem, type System } from "../../../computer/system.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { instructionLength } from "../../../machine/decode.ts";
import type { HartFaults } from "../../../machine/fault-hooks.ts";
import type { Hart } from "../../../machine/hart.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import {
	CAUSE_INSTRUCTION_ACCESS_FAULT,
	CAUSE_INSTRUCTION_PAGE_FAULT,
} from "../../../machine/port.ts";
import { MiB, workload } from "../../support/workload.ts";

const NEVER = { hit: 1e15 };
const idle = (id: string, model: string, params: object, more: object = {}): FaultRule =>
	({ id, model, params, when: NEVER, ...more }) as FaultRule;
/** They watch every instruction, and never act. */
const IDLE = [
	...["alu", "load", "store-data", "store-address", "branch"].map((of) =>
		idle(of, "cpu.result", { class: of }),
	),
	idle("stuck", "cpu.stuck", { register: 10, bit: 2 }),
	idle("a-while", "cpu.stuck", { register: 2, bit: 0, value: 1 }, { life: { forNs: 1e6 } }),
];

/** Processes that are paged in and out, and interrupted by disks. */
const fork = (rules: readonly FaultRule[]): System =>
	createSystem({
		program: "fork",
		args: ["3"],
		image: workload("fork"),
		ram: MiB,
		swap: [{ media: 8 * MiB }],
		faults: { rules },
	});
/** Cycles. */
const END = 15e6;

/** M-mode: takes interrupts of a timer, a disk and the serial port. */
const board = (rules: readonly FaultRule[]): Bare =>
	new Bare({
		image: workload("../bare/bin/board"),
		ram: MiB,
		disks: [{ media: new MemoryDisk(16 * 1024), id: "board" }],
		faults: { rules },
	});

it("with rules that never act, a run is the run without them", () => {
	for (const start of [fork, board]) {
		const [free, watched] = [start([]), start(IDLE)];
		for (const computer of [free, watched]) computer.run(END);
		expect(watched.stateHash()).toBe(free.stateHash());
		const { faults, ...rest } = watched.report(0);
		const { faults: _, ...golden } = free.report(0);
		expect({ ...rest, config: null }).toEqual({ ...golden, config: null });
		expect(Object.values(golden.traps.interrupts).some((n) => n > 2)).toBe(true);
		for (const { candidates, applied } of faults!.rules) {
			expect(applied).toBe(0);
			expect(candidates).toBeGreaterThan(1000);
		}
	}
});

/** Where an instruction is: pc, instructions retired and traps taken before it. */
type Place = readonly [number, number, number];

const placeIn = ({ pc, counters, traps }: Hart): Place => [pc, counters.instret, traps.taken];

class Recorder implements HartFaults {
	readonly places: Place[] = [];
	readonly words: number[] = [];
	readonly alone = true;
	readonly stall = 0;
	count = 0;
	readonly #hart: Hart;

	constructor(hart: Hart) {
		this.#hart = hart;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	fetched(half: number): number {
		return half;
	}

	decoded(word: number): void {
		this.count++;
		if (this.count > 100_000) return;
		this.places.push(placeIn(this.#hart));
		this.words.push(word);
	}

	executed(): void {}

	stalled(): void {}
}

it("who watches is told of each instruction once, in their order", () => {
	const computer = board([]);
	const { hart } = computer.machine;
	const recorder = new Recorder(hart);
	hart.faults = recorder;
	computer.run();
	const other = board([]);
	const seen: Place[] = [];
	other.machine.hart.beforeInstruction = () => {
		seen.push(placeIn(other.machine.hart));
	};
	other.run();
	expect(computer.stateHash()).toBe(other.stateHash());
	expect(recorder.count).toBe(seen.length);
	expect(recorder.places).toEqual(seen.slice(0, recorder.places.length));
	// Both kinds of traps are among them.
	expect(hart.traps.taken).toBeGreaterThan(5);
	const { ram8 } = hart.memory;
	const halfAt = (pa: number): number => ram8[pa - RAM_BASE]! | (ram8[pa + 1 - RAM_BASE]! << 8);
	const wordAt = (pc: number): number => {
		const low = halfAt(pc);
		return instructionLength(low) === 2 ? low : low | (halfAt(pc + 2) << 16);
	};
	const right = recorder.places.map(([pc], i) => (pc >= RAM_BASE ? wordAt(pc) : recorder.words[i]));
	expect(recorder.words).toEqual(right);
});

it("instructions that met an exception are among them, but not those that were not fetched", () => {
	const system = fork([]);
	const { hart } = system.machine;
	const recorder = new Recorder(hart);
	hart.faults = recorder;
	system.run(END);
	const free = fork([]);
	free.run(END);
	expect(system.stateHash()).toBe(free.stateHash());
	const { counts } = hart.traps.byCause;
	const exceptions = counts.slice(0, 24).reduce((sum, n) => sum + n, 0);
	const unfetched = counts[CAUSE_INSTRUCTION_PAGE_FAULT]! + counts[CAUSE_INSTRUCTION_ACCESS_FAULT]!;
	expect(recorder.count).toBe(hart.counters.instret + exceptions - unfetched);
});
