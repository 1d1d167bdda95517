/** The protocol, packet by packet: GDB manual, appendix E. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frame, PACKET_MAX, PacketReader } from "../../gdb/protocol/packet.ts";
import { type GdbClient, latin1, packet, packets } from "../support/gdb-client.ts";
import { BARE_BASE, debugBare } from "./machines.ts";

const PROGRAM = `
	la a1, data
	li a0, 0x1234
	sw a0, 0(a1)
	lw a2, 0(a1)
	addi a3, a3, 1
	lui a4, 0x10000
	li a5, 0x41
	sb a5, 0(a4)
	sb a5, 0(a4)
end:	j end
data:	.word 0
`;

const hex = (n: number): string => n.toString(16);

describe("packets", () => {
	const client = (): GdbClient => debugBare(PROGRAM).client;

	it("are acknowledged until QStartNoAckMode", () => {
		const c = client();
		expect(c.raw(packet("qC"))).toBe(`+${packet("QC1")}`);
		expect(c.raw(packet("QStartNoAckMode"))).toBe(`+${packet("OK")}`);
		expect(c.raw(packet("qC"))).toBe(packet("QC1"));
		expect(c.raw("$qC#00")).toBe("");
	});

	it("with a wrong checksum are requested again, and answers are repeated on request", () => {
		const c = client();
		expect(c.raw("$qC#00")).toBe("-");
		expect(c.raw("$qC#zz")).toBe("-");
		expect(c.raw(packet("qC"))).toBe(`+${packet("QC1")}`);
		expect(c.raw("-")).toBe(packet("QC1"));
		expect(c.raw("+")).toBe("");
	});

	it("that are unknown get an empty answer", () => {
		const c = client();
		for (const data of [
			"",
			"vMustReplyEmpty",
			"qUnknown",
			"QUnknown:1",
			"!",
			"A",
			"b",
			"Zz",
			"Z9,0,4",
		]) {
			expect(c.raw(packet(data)), data).toBe(`+${packet("")}`);
		}
	});

	it("that cannot be carried out get an error", () => {
		const c = client();
		const wrong = [
			"m",
			"m0",
			"mx,4",
			"m80000000,fffffff",
			"M80000000,4:00",
			"M80000000,1:zz",
			"X80000000,2:a",
			"p",
			"pffffffff",
			"P0=00000000",
			"P1",
			"P1=00",
			"Gzz",
			"Hx0",
			"Hg77",
			"T9",
			"Z0,",
			"Z2,0,0",
			"Z2,fffffff0,20",
			"Z0,123456789,4",
			"vCont;",
			"vCont;q",
			"vCont;s:9",
			"vCont;r1",
			"cxyz",
			"qThreadExtraInfo,9",
			"qRcmd,1",
			"qXfer:features:read:target.xml:x,y",
			"qXfer:threads:read::0",
		];
		for (const data of wrong) expect(packets(c.raw(packet(data)))[0], data).toMatch(/^E\d\w$/);
		expect(c.ask("m0,4")).toBe("E0e");
		expect(c.ask("M0,1:00")).toBe("E0e");
		expect(c.ask("m10000000,4"), "device registers are not read").toBe("E0e");
	});

	it("are decoded with escapes and runs, and encoded with escapes", () => {
		const reader = new PacketReader();
		const take = (text: string): unknown =>
			[...latin1(text)].map((byte) => reader.take(byte)).findLast((got) => got !== null);
		expect(take(packet("a}\x03b0* c"))).toEqual({ kind: "packet", data: "a#b0000c" });
		expect(take(packet("* "))).toEqual({ kind: "bad" });
		expect(take(packet("a}"))).toEqual({ kind: "bad" });
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 0, max: 255 })), (bytes) => {
				const data = String.fromCharCode(...bytes);
				expect(packets(frame(data))).toEqual([data]);
				expect(take(frame(data))).toEqual({ kind: "packet", data });
			}),
		);
	});

	it("that are too long are refused", () => {
		const c = client();
		expect(c.raw(packet("q".repeat(PACKET_MAX + 1)))).toBe("-");
		expect(c.raw(packet(`0${"*~".repeat(PACKET_MAX / 8)}`))).toBe("-");
		expect(c.raw(packet("qC"))).toBe(`+${packet("QC1")}`);
	});
});

describe("a bare machine", () => {
	it("lists the features it supports", () => {
		const { client } = debugBare(PROGRAM);
		const features = client.ask("qSupported:swbreak+;xmlRegisters=i386").split(";");
		expect(features).toContain("qXfer:features:read+");
		expect(features).toContain("ReverseStep+");
		expect(features[0]).toBe(`PacketSize=${hex(PACKET_MAX)}`);
		expect(client.ask("vCont?")).toBe("vCont;c;C;s;S;r");
		expect(client.ask("qAttached")).toBe("1");
		expect(client.ask("?")).toBe("T05thread:01;swbreak:;");
	});

	it("describes its registers in pieces", () => {
		const { client } = debugBare(PROGRAM);
		let xml = "";
		for (let more = true; more; ) {
			const piece = client.ask(`qXfer:features:read:target.xml:${hex(xml.length)},100`);
			more = piece[0] === "m";
			xml += piece.slice(1);
		}
		expect(xml).toContain("<architecture>riscv:rv32</architecture>");
		expect(xml).toContain('<reg name="pc" bitsize="32" regnum="32" type="code_ptr"/>');
		expect(xml).toContain('<reg name="mstatus" bitsize="32" regnum="833" type="int"/>');
		expect(xml.match(/<reg /g)!.length).toBeGreaterThan(60);
		expect(xml.trim().endsWith("</target>")).toBe(true);
	});

	it("reads and writes registers", () => {
		const { client } = debugBare(PROGRAM);
		expect(client.ask("g")).toHaveLength(33 * 8);
		expect(client.register(32)).toBe(BARE_BASE);
		expect(client.ask("P5=78563412")).toBe("OK");
		expect(client.register(5)).toBe(0x1234_5678);
		expect(client.ask("P341=00180000")).toBe("OK"); // mstatus
		expect(client.register(65 + 0x300)).toBe(0x1800);
		expect(client.register(65 + 0x1000)).toBe(3);
		expect(client.ask("P21=182d4454fb210940")).toBe("OK"); // f0
		expect(client.ask("p21")).toBe("182d4454fb210940");
		expect(client.ask("P44=e1000000")).toBe("OK"); // fcsr
		expect([client.register(66), client.register(67)]).toEqual([1, 7]);
		expect(client.ask("P21=00")).toBe("E16");
		const all = client.ask("g");
		expect(client.ask(`G${"11".repeat(4)}${all.slice(8)}`)).toBe("OK");
		expect(client.ask("g")).toBe(all);
	});

	it("reads and writes memory, including code that is already decoded", () => {
		const { client, label } = debugBare(PROGRAM);
		client.ask("vCont;s");
		expect(client.ask(`M${hex(label("data"))},4:efbeadde`)).toBe("OK");
		expect(client.ask(`m${hex(label("data"))},4`)).toBe("efbeadde");
		expect(client.ask(`m${hex(BARE_BASE + (1 << 20) - 2)},10`), "what there is").toHaveLength(4);
		const pc = client.register(32);
		expect(client.ask(`X${hex(pc)},4:${"\x13\x05\x70\x00"}`)).toBe("OK"); // li a0, 7
		client.ask("vCont;s");
		expect(client.register(10)).toBe(7);
	});

	it("steps, runs to breakpoints and watchpoints, and can be interrupted", () => {
		const { client, label } = debugBare(PROGRAM);
		expect(client.ask("s")).toBe("T05thread:01;");
		expect(client.register(32)).toBe(BARE_BASE + 4);
		expect(client.ask(`Z2,${hex(label("data"))},4`)).toBe("OK");
		expect(client.ask("c")).toBe(`T05thread:01;watch:${hex(label("data"))};`);
		expect(client.ask(`z2,${hex(label("data"))},4`)).toBe("OK");
		expect(client.ask(`Z1,${hex(label("end"))},4`)).toBe("OK");
		expect(client.ask("vCont;c:1")).toBe("T05thread:01;hwbreak:;");
		expect(client.ask(`z1,${hex(label("end"))},4`)).toBe("OK");
		expect(client.all("c")).toEqual([]);
		client.sent = "";
		client.stub.receive(Uint8Array.of(3));
		client.stub.poll();
		expect(packets(client.sent)).toEqual(["T02thread:01;"]);
	});

	it("steps until pc leaves a range", () => {
		const { client, label } = debugBare(PROGRAM);
		expect(client.ask(`vCont;r${hex(BARE_BASE)},${hex(label("end"))}:1`)).toBe("T05thread:01;");
		expect(client.register(32)).toBe(label("end"));
	});

	it("prints each byte once, even if it is replayed", () => {
		const { client, output, label } = debugBare(PROGRAM);
		client.ask(`Z0,${hex(label("end"))},4`);
		client.ask("c");
		for (let i = 0; i < 3; i++) {
			expect(client.ask("bs")).toBe("T05thread:01;");
			client.ask("bs");
			client.ask("c");
		}
		expect(output()).toBe("AA");
	});

	it("goes back to the beginning and no further", () => {
		const { client, label } = debugBare(PROGRAM);
		client.ask(`Z0,${hex(label("end"))},4`);
		client.ask("c");
		client.ask(`z0,${hex(label("end"))},4`);
		expect(client.ask("bc")).toBe("T05thread:01;replaylog:begin;");
		expect(client.register(32)).toBe(0x1000);
		expect(client.ask("bs")).toBe("T05thread:01;replaylog:begin;");
	});

	it("reports the guest's exit code, and can be reset afterwards", () => {
		const { client } = debugBare("lui t0, 0x100\nli t1, 0x33333\nsw t1, 0(t0)\nend: j end");
		expect(client.ask("c")).toBe("W03");
		expect(client.ask("?")).toBe("W03");
		expect(client.monitor("reset")).toBe("reset\n");
		expect(client.register(32)).toBe(0x1000);
		expect(client.ask("c")).toBe("W03");
	});

	it("answers monitor commands; one line for an unknown one", () => {
		const { client, label } = debugBare(PROGRAM);
		expect(client.monitor("translate 0x80000010")).toContain("80000010 -> 80000010");
		client.ask(`M${hex(label("data"))},4:01020304`);
		const address = `0x${hex(label("data"))}`;
		expect(client.monitor(`xp/2xw ${address}`)).toContain(": 0x04030201 0x00000000\n");
		expect(client.monitor(`xp/4ub ${address}`)).toContain(": 1 2 3 4\n");
		expect(client.monitor("xp/1xw 0x1000")).toContain("0x00000297");
		expect(client.monitor("info registers")).toContain("mode       machine\n");
		expect(client.monitor("info clock")).toContain("cycles");
		for (const wrong of ["", "x", "info", "info x", "translate", "xp/q", "xp", "\x00\xff"]) {
			expect(client.monitor(wrong).match(/\n/g), wrong).toHaveLength(1);
		}
	});
});
