/** Bugs that were fixed. */
import { describe, expect, it } from "vitest";
import { Board, boardParts } from "../../devices/board.ts";
import { RUN_HALTED } from "../../machine/bare-run.ts";
import { MSTATUS_FS } from "../../machine/hart-state.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { CAUSE_LOAD_PAGE_FAULT, CAUSE_STORE_PAGE_FAULT } from "../../machine/port.ts";
import { UserError } from "../../machine/user-error.ts";
import { guest } from "../isa/guest.ts";

describe("halt", () => {
	const halting = () => {
		const g = guest(`
			lui a0, 0x100
			sw x0, 0(a0)
		loop:	j loop
		`);
		g.machine.bus.attach(0x10_0000, 4, {
			load: () => 0,
			store: () => {
				g.machine.hart.halt();
				return true;
			},
		});
		return g.machine;
	};

	it("is reported when cycles are left", () => {
		expect(halting().runBare(3)).toBe(RUN_HALTED);
	});

	it("is reported when the store to the power switch was the last cycle of the run", () => {
		expect(halting().runBare(2)).toBe(RUN_HALTED);
	});
});

describe("mtime and the time register", () => {
	const timeAfter = (high: number, low: number): [number, number] => {
		const g = guest(`
			lui a0, 0x200c
			li a1, ${low}
			li a2, ${high}
			sw a2, -4(a0)
			sw a1, -8(a0)
			li a3, 1000
		wait:	addi a3, a3, -1
			bne a3, x0, wait
			sw x0, -4(a0)
			csrrs a4, time, x0
			lw a5, -8(a0)
		loop:	j loop
		`);
		new Board(boardParts(g.machine));
		g.machine.runBare(3000);
		return [g.machine.hart.x[14]!, g.machine.hart.x[15]!];
	};

	it("agree after a small value was written", () => {
		const [time, mtime] = timeAfter(1, 5);
		expect(time).toBe(mtime);
	});

	it("agree after a value above 2^53 was written, and from then on", () => {
		const [time, mtime] = timeAfter(0x40000000, 5);
		expect(time).toBe(mtime);
	});
});

describe("restore", () => {
	it("refuses a snapshot of a TLB with another number of ways", () => {
		const from = new Machine({ ramSize: 1 << 16, tlbEntries: 16, tlbWays: 4 });
		const to = new Machine({ ramSize: 1 << 16, tlbEntries: 16, tlbWays: 1 });
		expect(() => to.restore(from.save())).toThrow(UserError);
	});
});

describe("an access to two pages, one outside memory and the other not mapped", () => {
	const DATA = 0x4000_0000;
	const ROOT = RAM_BASE + 0x1_0000;
	const TABLE = RAM_BASE + 0x1_1000;
	const LEAF = 0xdf; // D A U X W R V

	it.each([
		["lw a2, 0(a0)", CAUSE_LOAD_PAGE_FAULT],
		["sw a2, 0(a0)", CAUSE_STORE_PAGE_FAULT],
		["fld fa2, 0(a0)", CAUSE_LOAD_PAGE_FAULT],
		["fsd fa2, 0(a0)", CAUSE_STORE_PAGE_FAULT],
	])("%s is a page fault", (source, cause) => {
		const { machine } = guest(`${source}\nloop: j loop`);
		const { hart, dma } = machine;
		// Code is mapped; the first page of data lies beyond RAM, the second is not mapped.
		dma.store32(ROOT + 4 * (RAM_BASE >>> 22), (RAM_BASE / 4) | LEAF);
		dma.store32(ROOT + 4 * (DATA >>> 22), (TABLE / 4) | 1);
		dma.store32(TABLE, ((RAM_BASE + hart.memory.ramSize) / 4) | LEAF);
		hart.state.satp = 0x8000_0000 + ROOT / 4096;
		hart.state.priv = 0;
		hart.state.mstatus |= MSTATUS_FS;
		hart.mmu.updateContext();
		hart.x[10] = DATA + 0xffe;
		hart.state.mtvec = RAM_BASE + 4;
		machine.runBare(100);
		expect([hart.state.mcause, hart.state.mtval]).toEqual([cause, DATA + 0x1000]);
	});
});
