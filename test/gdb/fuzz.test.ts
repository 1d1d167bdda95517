/**
 * Malformed packets: the stub never throws, answers each packet as the protocol prescribes, buffers
 * no more than a packet, and understands the next one.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MachineTarget } from "../../gdb/machine-target.ts";
import { PACKET_MAX, PacketReader } from "../../gdb/protocol/packet.ts";
import { GdbClient, packet, packets } from "../support/gdb-client.ts";
import { debugBare, debugSystem } from "./machines.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 5) * 6;

/** Valid packets, to be damaged. */
const SEEDS = [
	"qSupported:swbreak+;hwbreak+",
	"QStartNoAckMode",
	"qXfer:features:read:target.xml:0,1000",
	"qXfer:threads:read::0,1000",
	"g",
	"G00000000000000000000",
	"p20",
	"P20=00000080",
	"P1=00000000",
	"P1041=01000000",
	"P1c1=00000080",
	"m80000000,10",
	"m10000,40",
	"m7fffe000,2000",
	"M80000000,4:13000000",
	"M12000,4:00000000",
	"X80000100,2:ab",
	"Z0,80000004,4",
	"Z0,10008,2",
	"z0,80000004,4",
	"Z1,80000008,4",
	"Z2,80000040,4",
	"Z3,12000,4",
	"Z4,7fffef00,10",
	"z2,80000040,4",
	"vCont?",
	"vCont;c",
	"vCont;s:1",
	"vCont;r80000000,80000020:1",
	"vCont;S05:1;c",
	"c",
	"s",
	"C0b",
	"s80000000",
	"c80000010",
	"bs",
	"bc",
	"?",
	"qC",
	"qfThreadInfo",
	"qsThreadInfo",
	"qThreadExtraInfo,1",
	"Hg1",
	"Hg0",
	"Hc-1",
	"T1",
	"qAttached",
	"qSymbol::",
	"qOffsets",
	"D",
	"k",
	"vKill;1",
	"vMustReplyEmpty",
	"R00",
	"!",
	...[
		"help",
		"info tlb",
		"info pagetable",
		"info pagetable 1 0x10000",
		"info registers",
		"xp/8xw 1",
		"xp/99999999xw 0x80000000",
		"xp/4c 0x80000000",
		"translate 0x10000",
		"info uvmexp",
		"scope 1",
		"scope 77",
		"catch exec",
		"info processes",
		"reset",
	].map((command) => `qRcmd,${Buffer.from(command).toString("hex")}`),
];

/** A packet with some characters changed, removed, repeated or inserted. */
const mutated = fc
	.tuple(
		fc.constantFrom(...SEEDS),
		fc.array(
			fc.tuple(
				fc.constantFrom("change", "drop", "double", "insert", "cut"),
				fc.nat(),
				fc.constantFrom(..."0123456789abcdef,;:=-+*}$#xsmMzZcCvqQHgGpP\x00\x03\x7f\xff"),
			),
			{ maxLength: 4 },
		),
	)
	.map(([seed, changes]) => {
		let text = seed;
		for (const [what, where, c] of changes) {
			const i = where % (text.length + 1);
			if (what === "change") text = text.slice(0, i) + c + text.slice(i + 1);
			else if (what === "drop") text = text.slice(0, i) + text.slice(i + 1);
			else if (what === "double") text = text.slice(0, i) + text.slice(0, i) + text.slice(i);
			else if (what === "insert") text = text.slice(0, i) + c + text.slice(i);
			else text = text.slice(0, i);
		}
		return text;
	});

const garbage = fc
	.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 })
	.map((bytes) => String.fromCharCode(...bytes));

const stream = fc.array(
	fc.oneof(
		{ weight: 8, arbitrary: mutated.map((data) => ({ framed: true, data })) },
		{ weight: 1, arbitrary: garbage.map((data) => ({ framed: true, data })) },
		{ weight: 1, arbitrary: garbage.map((data) => ({ framed: false, data })) },
	),
	{ minLength: 1, maxLength: 25 },
);

const ANSWER =
	/^(|OK|E\d[\da-f]|[TWX][\da-f]{2}.*|[ml][\s\S]*|QC[\da-f]+|1|vCont;.*|PacketSize=.*|O?[\da-f]+)$/;

function feed(target: MachineTarget, items: readonly { framed: boolean; data: string }[]): void {
	const client = new GdbClient(target);
	for (const { framed, data } of items) {
		client.sent = "";
		client.raw(framed ? packet(data) : data);
		let sent = client.sent;
		if (client.stub.running) {
			client.sent = "";
			client.stub.poll();
			sent += client.sent;
		}
		for (const answer of packets(sent)) expect(answer, data).toMatch(ANSWER);
		if (client.stub.end !== null) break;
		if (client.stub.running) {
			client.sent = "";
			client.raw("\x03");
			for (let i = 0; i < 1000 && client.stub.running; i++) client.stub.poll();
			expect(packets(client.sent)).toHaveLength(1);
		}
	}
	// Part of a packet may be left over; this ends it, so that the next one is understood.
	const after = new GdbClient(target);
	expect(after.ask("vMustReplyEmpty")).toBe("");
}

const PROGRAM = `
	lui a1, 0x80001            # not the page of the code
again:	lw a2, 0(a1)
	addi a2, a2, 1
	sw a2, 0(a1)
	j again
`;

describe("malformed packets", () => {
	it("do no harm to a bare machine", () => {
		fc.assert(
			fc.property(stream, (items) => feed(debugBare(PROGRAM, 1 << 16).target, items)),
			{ numRuns: RUNS },
		);
	});

	it("do no harm to a system", () => {
		fc.assert(
			fc.property(stream, (items) =>
				feed(debugSystem("hello", [], { ram: 1 << 20, swap: [] }).target, items),
			),
			{ numRuns: Math.ceil(RUNS / 4) },
		);
	});

	it("are buffered up to the size of a packet", () => {
		const reader = new PacketReader();
		reader.take(0x24);
		for (let i = 0; i < 20 * PACKET_MAX; i++) reader.take(0x61);
		expect(reader.held).toBeLessThanOrEqual(PACKET_MAX);
	});
});
