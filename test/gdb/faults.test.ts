/** Triggers of faults beside breakpoints and watchpoints, at the same addresses and pages. */
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { createSystem } from "../../computer/system.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import { BareTarget, SystemTarget } from "../../gdb/session.ts";
import { assemble } from "../isa/assembler.ts";
import { GdbClient } from "../support/gdb-client.ts";
import { elf } from "../support/program.ts";
import { MiB } from "../support/workload.ts";

const COUNT = 12;
/** Counts in a0, stores it and loads it again, and adds it up in a1. */
const loop = (data: string): string => `
	${data}
	li a0, 0
	li a1, 0
	li s3, ${COUNT}
again:	addi a0, a0, 1
	sw a0, 0(s0)
	lw a2, 0(s0)
	add a1, a1, a2
	bne a0, s3, again
`;

const rules = (again: number, data: number): FaultRule[] => [
	{
		id: "sum",
		model: "cpu.register",
		params: { register: 11, mask: 0x400 },
		when: { pc: { addr: again, hit: 3 } },
		nextState: "bumped",
	},
	{
		id: "stored",
		model: "cpu.register",
		params: { register: 11, mask: 0x800 },
		when: { access: { va: [data, data + 4], kind: "w", hit: 2 } },
		state: "bumped",
	},
	{
		id: "loaded",
		model: "cpu.register",
		params: { register: 11, mask: 0x1000 },
		when: { access: { va: [data + 3, data + 8], kind: "rw", hit: 13 } },
	},
	{ id: "skipped", model: "cpu.skip", when: { pc: { addr: again + 12, hit: 9 } } },
	{
		id: "fetched",
		model: "cpu.stall",
		params: { cycles: 7 },
		when: { access: { va: [again, again + 4], kind: "x", hit: 5 } },
	},
];

const hex = (n: number): string => n.toString(16);
const kinds: readonly (readonly string[])[] = [
	["Z0"],
	["Z1"],
	["Z2"],
	["Z3"],
	["Z4"],
	["Z0", "Z4"],
];
const ORDER = ["sum", "stored", "fetched", "loaded", "skipped"];

/** Run with these stops on, one of `again` and `data` each. => how often it has stopped */
function debugged(
	client: GdbClient,
	stops: readonly string[],
	again: number,
	data: number,
): number {
	for (const stop of stops) {
		const at = stop < "Z2" ? again : data;
		expect(client.ask(`${stop},${hex(at)},4`)).toBe("OK");
	}
	for (let stopped = 0; ; stopped++) {
		const last = client.all("vCont;c").at(-1)!;
		if (!last.startsWith("T05")) return stopped;
		// Looking at the data changes nothing.
		client.ask(`m${hex(data)},4`);
		// As gdb does, to leave a breakpoint.
		client.all("vCont;s");
	}
}

it("a bare machine does the same with and without a debugger", () => {
	const source = `${loop("li s0, 0x80000000\nlui s1, 1\nadd s0, s0, s1")}
		lui t1, 0x100
		lui t0, 0x5
		addi t0, t0, 0x555
		sw t0, 0(t1)
	end:	j end`;
	const base = 0x8000_0000;
	const { bytes, labels } = assemble(source, base);
	const again = labels.get("again")! >>> 0;
	// On the page of the code as well.
	const near = assemble(source.replace("lui s1, 1", "addi s1, zero, 1024"), base).bytes;
	for (const [image, data] of [
		[bytes, base + 4096],
		[near, base + 1024],
	] as const) {
		const options = { image, ram: MiB, faults: { rules: rules(again, data) } };
		const plain = new Bare(options);
		plain.run(1e6);
		const expected = plain.report(0);
		expect(expected.faults!.ledger.map(({ rule }) => rule)).toEqual(ORDER);
		for (const stops of kinds) {
			const bare = new Bare(options);
			const target = new BareTarget(bare, () => {}, true);
			const client = new GdbClient(target);
			expect(debugged(client, stops, again, data)).toBeGreaterThan(8);
			expect(bare.report(0)).toEqual(expected);
		}
	}
});

it("so does a process, and it goes back over its faults", () => {
	const source = `${loop("la s0, data")}
		andi a0, a1, 255
		li a7, 93
		ecall
	data:	.word 0`;
	const { labels } = assemble(source, 0x10000);
	const [again, data] = [labels.get("again")!, labels.get("data")!];
	const options = {
		program: "loop",
		image: elf(source),
		ram: MiB,
		faults: { rules: rules(again, data) },
	};
	const plain = createSystem(options);
	plain.run();
	const expected = { ...plain.report(0), hostMs: 0 };
	expect(expected.faults!.ledger.map(({ rule }) => rule)).toEqual(ORDER);
	for (const stops of kinds) {
		const system = createSystem(options);
		const client = new GdbClient(new SystemTarget(system, () => {}, true));
		expect(debugged(client, stops, again, data)).toBeGreaterThan(8);
		expect({ ...system.report(0), hostMs: 0 }).toEqual(expected);
	}
	// Back to before the first fault, and forward again.
	const system = createSystem(options);
	const client = new GdbClient(new SystemTarget(system, () => {}, true));
	client.ask(`Z0,${hex(again)},4`);
	const go = (): void => {
		client.all("vCont;s");
		client.all("vCont;c");
	};
	for (let i = 0; i < 6; i++) go();
	const { applied, ledger } = system.faultReport()!;
	expect(applied).toBe(3);
	for (let i = 0; i < 5; i++) client.all("bc");
	expect(system.faultReport()!.applied).toBe(0);
	for (let i = 0; i < 5; i++) go();
	expect(system.faultReport()!.ledger).toEqual(ledger);
	client.ask(`z0,${hex(again)},4`);
	expect(client.ask("vCont;c")).toMatch(/^W/);
	expect({ ...system.report(0), hostMs: 0 }).toEqual(expected);
});
