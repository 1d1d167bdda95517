/** Control and status registers: existence, privilege, WARL fields, counters. */
import { describe, expect, it } from "vitest";
import { CSR, type CsrName } from "../../machine/csr-numbers.ts";
import { PRIV_M, PRIV_S, PRIV_U, type Privilege } from "../../machine/hart-state.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode } from "./assembler.ts";
import { type Guest, guest } from "./guest.ts";

const HANDLER = RAM_BASE + 0x4000;

function machine(priv: Privilege = PRIV_M): Guest {
	const g = guest("nop");
	g.machine.dma.store32(HANDLER, encode("jal", { rd: 0, imm: 0 }));
	g.machine.hart.state.mtvec = HANDLER;
	setPriv(g, priv);
	return g;
}

function setPriv(g: Guest, priv: Privilege): void {
	g.machine.hart.state.priv = priv;
	g.machine.hart.mmu.updateContext();
}

/** Execute a CSR instruction with a1 as source. => the old value, or null if it was illegal. */
function execute(g: Guest, name: string, csr: number, rs1: number, a1 = 0): number | null {
	const { hart, dma } = g.machine;
	dma.store32(RAM_BASE, encode(name, { rd: 10, rs1, imm: csr }));
	hart.x[11] = a1;
	hart.pc = RAM_BASE;
	g.machine.runBare(1);
	if (hart.pc === RAM_BASE + 4) return hart.x[10]! >>> 0;
	expect([hart.pc, hart.state.mcause]).toEqual([HANDLER, 2]);
	return null;
}

const read = (g: Guest, name: CsrName): number | null => execute(g, "csrrs", CSR[name], 0);
const write = (g: Guest, name: CsrName, value: number): number | null =>
	execute(g, "csrrw", CSR[name], 11, value);

describe("control and status registers", () => {
	it("keep exactly the bits that exist", () => {
		const all = 0xffff_ffff;
		const kept: [CsrName, number, number][] = [
			// name, after writing ones, after writing zeros
			["misa", 0x4014_112d, 0x4014_112d],
			["mvendorid", 0, 0],
			["medeleg", 0xb3ff, 0],
			["mideleg", 0x222, 0],
			["mie", 0xaaa, 0],
			["mip", 0x222, 0],
			["mtvec", 0xffff_fffd, 0],
			["stvec", 0xffff_fffd, 0],
			["mepc", 0xffff_fffe, 0],
			["sepc", 0xffff_fffe, 0],
			["mcounteren", 7, 0],
			["scounteren", 7, 0],
			["menvcfg", 1, 0],
			["menvcfgh", 0x8000_0000, 0],
			["senvcfg", 1, 0],
			["mscratch", all, 0],
			["sscratch", all, 0],
			["mcause", all, 0],
			["scause", all, 0],
			["mtval", all, 0],
			["stval", all, 0],
			["satp", all, 0],
			["mstatus", 0x807e_79aa, 0],
			["mstatush", 0, 0],
			["mcountinhibit", 0, 0],
			["pmpcfg0", 0, 0],
			["pmpaddr0", 0, 0],
			["stimecmp", all, 0],
			["stimecmph", all, 0],
		];
		for (const [name, ones, zeros] of kept) {
			const g = machine();
			if (name === "mvendorid") {
				expect(read(g, name)).toBe(0);
				continue;
			}
			// In M-mode, satp and MPRV bear on nothing while MPP is M; mstatus last for that.
			write(g, name, all);
			g.machine.hart.state.priv = PRIV_M;
			expect(read(g, name), name).toBe(ones);
			write(g, name, 0);
			expect(read(g, name), name).toBe(zeros);
		}
	});

	it("MPP never holds the reserved value", () => {
		const g = machine();
		write(g, "mstatus", 1 << 11);
		write(g, "mstatus", 2 << 11);
		expect(read(g, "mstatus")).toBe(1 << 11);
	});

	it("sstatus, sie and sip are views of the machine's registers", () => {
		const g = machine();
		write(g, "mstatus", 0x007e_19aa);
		expect(read(g, "sstatus")).toBe(0x000c_0122);
		write(g, "sstatus", 0);
		expect(read(g, "mstatus")).toBe(0x0072_1888);
		write(g, "mstatus", 0);
		write(g, "mie", 0xaaa);
		write(g, "mip", 0x222);
		expect([read(g, "sie"), read(g, "sip")]).toEqual([0, 0]);
		write(g, "mideleg", 0x22);
		expect([read(g, "sie"), read(g, "sip")]).toEqual([0x22, 0x22]);
		write(g, "sie", 0);
		expect(read(g, "mie")).toBe(0xa88);
		write(g, "sip", 0); // only SSIP is the supervisor's to clear
		expect(read(g, "mip")).toBe(0x220);
	});

	it("set and clear bits, and do not write with x0 or a zero immediate", () => {
		const g = machine();
		write(g, "mscratch", 0xf0);
		expect(execute(g, "csrrs", CSR.mscratch, 11, 0x0f)).toBe(0xf0);
		expect(execute(g, "csrrc", CSR.mscratch, 11, 0x81)).toBe(0xff);
		expect(execute(g, "csrrwi", CSR.mscratch, 21)).toBe(0x7e);
		expect(execute(g, "csrrsi", CSR.mscratch, 2)).toBe(21);
		expect(execute(g, "csrrci", CSR.mscratch, 1)).toBe(23);
		expect(read(g, "mscratch")).toBe(22);
		// Read-only registers may be read by csrrs x0, not written.
		expect(execute(g, "csrrs", CSR.mhartid, 0)).toBe(0);
		expect(execute(g, "csrrsi", CSR.mhartid, 0)).toBe(0);
		expect(execute(g, "csrrs", CSR.mhartid, 11)).toBe(null);
		expect(execute(g, "csrrw", CSR.mhartid, 0)).toBe(null);
	});

	it("are refused to lower modes, and where none exists", () => {
		for (const [name, lowest] of [
			["mscratch", PRIV_M],
			["sscratch", PRIV_S],
			["satp", PRIV_S],
		] as const) {
			for (const priv of [PRIV_U, PRIV_S, PRIV_M] as const) {
				expect(read(machine(priv), name) !== null, `${name} ${priv}`).toBe(priv >= lowest);
			}
		}
		for (const csr of [0x000, 0x001, 0x003, 0x200, 0x5a8, 0x7a8, 0x7b0, 0xc20, 0xfff]) {
			expect(execute(machine(), "csrrs", csr, 0), csr.toString(16)).toBe(null);
		}
		const g = machine();
		write(g, "mstatus", 1 << 20); // TVM
		setPriv(g, PRIV_S);
		expect(read(g, "satp")).toBe(null);
	});

	it("SEIP shows the line, but set and clear touch software's bit alone", () => {
		const g = machine();
		g.machine.lines.raise(9);
		expect(execute(g, "csrrs", CSR.mip, 11, 0x2)).toBe(0x200);
		g.machine.lines.lower(9);
		expect(read(g, "mip")).toBe(0x2);
		write(g, "mip", 0x200);
		expect(read(g, "mip")).toBe(0x200);
	});
});

describe("counters", () => {
	it("count cycles and instructions, and time is a hundredth of the cycles", () => {
		const g = guest(`
			csrrs a0, cycle, x0
			csrrs a1, instret, x0
			wfi
			csrrs a2, cycle, x0
			csrrs a3, instret, x0
			csrrs a4, time, x0
		loop:	j loop
		`);
		const { clock, hart, lines } = g.machine;
		hart.state.mie = 1 << 7;
		clock.schedule(
			12_345,
			clock.register(() => lines.raise(7)),
		);
		g.machine.runBare(12_400);
		expect([...hart.x.slice(10, 15)]).toEqual([0, 1, 12_345, 4, 123]);
	});

	it("are closed to lower modes unless both enables are set", () => {
		for (const [priv, m, s, open] of [
			[PRIV_M, 0, 0, true],
			[PRIV_S, 0, 7, false],
			[PRIV_S, 7, 0, true],
			[PRIV_U, 7, 0, false],
			[PRIV_U, 0, 7, false],
			[PRIV_U, 7, 7, true],
		] as const) {
			const names = ["cycle", "time", "instret", "cycleh", "timeh", "instreth"] as const;
			for (const name of names) {
				const g = machine(priv);
				g.machine.hart.state.mcounteren = m;
				g.machine.hart.state.scounteren = s;
				expect(read(g, name) !== null, `${name} ${priv} ${m} ${s}`).toBe(open);
			}
		}
	});

	it("written, read as written in the next instruction, carry included", () => {
		const g = guest(`
			li a0, -1
			csrrw x0, mcycleh, x0
			csrrw x0, mcycle, a0
			csrrs a1, mcycle, x0
			csrrs a2, mcycle, x0
			csrrs a3, mcycleh, x0
			li a4, 7
			csrrw x0, minstreth, a4
			csrrw x0, minstret, x0
			csrrs a5, minstret, x0
			csrrs a6, instreth, x0
		loop:	j loop
		`);
		g.machine.runBare(20);
		const u = [...g.machine.hart.x.slice(11, 14)].map((v) => v >>> 0);
		expect(u).toEqual([0xffff_ffff, 0, 1]);
		expect([g.machine.hart.x[15], g.machine.hart.x[16]]).toEqual([0, 7]);
	});
});
