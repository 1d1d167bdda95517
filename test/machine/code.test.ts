/** Instruction fetch: decoded code follows memory, and instructions may cross pages. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { RUN_STOPPED } from "../../machine/bare-run.ts";
import { WATCH_STORE } from "../../machine/debug.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE, RAM_OFFSET } from "../../machine/memory.ts";
import {
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FENCE_ALL,
} from "../../machine/port.ts";
import { assemble, encode } from "../isa/assembler.ts";
import { guest } from "../isa/guest.ts";
import { instruction } from "./random-code.ts";
import { RWX, RX, TEXT, TEXT_FRAME, user } from "./user.ts";

describe("code that changes", () => {
	it("a store is seen by the very next instruction, of either length", () => {
		const g = guest(`
			la a1, next
			li a2, 0x00300513     # li a0, 3
			sw a2, 0(a1)
		next:	addi a0, x0, 1
			li a2, 0x4515         # c.li a0, 5
			la a1, half
			sh a2, 0(a1)
		half:	c.li a3, 1
			mv a4, a0
		loop:	j loop
		`);
		g.machine.runBare(30);
		expect([g.machine.hart.x[10], g.machine.hart.x[13], g.machine.hart.x[14]]).toEqual([5, 0, 5]);
	});

	it("a store to the second half of an instruction is seen", () => {
		const g = guest(`
			la a1, patch
			li a2, 0x0030         # the upper half of addi a0, x0, 3
			call patch
			mv a3, a0
			sh a2, 2(a1)
			call patch
		loop:	j loop
		patch:	addi a0, x0, 1
			ret
		`);
		g.machine.runBare(30);
		expect([g.machine.hart.x[13], g.machine.hart.x[10]]).toEqual([1, 3]);
	});

	it("a store to the second half of the last instruction of a loop is seen", () => {
		const g = guest(`
			la a1, patch
			la a5, again
			li a2, 0x00c7         # the upper half of jalr x0, 12(a5)
			li a4, 2
			sb a4, 100(a1)        # the next store is not the first one
		again:	c.addi a0, 1
			c.addi a4, -1
			beq a4, x0, store
		patch:	jalr x0, 0(a5)
		end:	j end
		store:	sh a2, 2(a1)
			j patch
		`);
		g.machine.runBare(40);
		expect([g.machine.hart.x[10], g.machine.hart.pc]).toEqual([2, g.labels.get("end")]);
	});

	it("a page that was written before it was executed is still watched", () => {
		const g = guest(`
			lui a1, 0x80008
			li a4, 0x00008067     # ret
			sw a4, 4(a1)
			li a2, 0x00100513     # li a0, 1
			sw a2, 0(a1)
			jalr ra, 0(a1)
			mv a3, a0
			li a2, 0x00200513     # li a0, 2
			sw a2, 0(a1)
			jalr ra, 0(a1)
		loop:	j loop
		`);
		g.machine.runBare(40);
		expect([g.machine.hart.x[13], g.machine.hart.x[10]]).toEqual([1, 2]);
	});

	it("a misaligned store that ends in a page of code is seen", () => {
		const g = guest(`
			lui a1, 0x80008
			li a2, 0x80824505     # c.li a0, 1; c.jr ra
			sw a2, 0(a1)
			jalr ra, 0(a1)
			mv a3, a0
			li a2, 0x45090000     # c.li a0, 2
			sw a2, -2(a1)
			jalr ra, 0(a1)
		loop:	j loop
		`);
		g.machine.runBare(40);
		expect([g.machine.hart.x[13], g.machine.hart.x[10]]).toEqual([1, 2]);
	});

	it("a store that changes the length of an instruction is seen, and cycles stay exact", () => {
		// The second instruction becomes two of two bytes each.
		const source = `
			la a1, patch
			li a2, 0x05050505      # c.addi a0, 1; c.addi a0, 1
			li a5, 3
		again:	call patch
			sw a2, 0(a1)
			c.addi a5, -1
			bne a5, x0, again
		loop:	j loop
		patch:	addi a0, a0, 16
			ret
		`;
		for (const slice of [1, 3, 1000]) {
			const g = guest(source);
			while (g.machine.clock.cycles < 60) {
				g.machine.runBare(Math.min(slice, 60 - g.machine.clock.cycles));
			}
			expect(g.machine.hart.x[10]).toBe(16 + 2 + 2);
			expect(g.machine.hart.counters.instret).toBe(60);
		}
	});

	it("is seen after DMA, and after fence.i if the cache is told of it", () => {
		const g = guest(`
		again:	addi a0, x0, 1
			fence.i
			mv a1, a0
			j again
		`);
		const { machine } = g;
		machine.runBare(40);
		machine.dma.write(RAM_BASE, assemble("addi a0, x0, 2").bytes);
		machine.runBare(4);
		expect(machine.hart.x[11]).toBe(2);
		machine.memory.ram32[0] = encode("addi", { rd: 10, rs1: 0, imm: 3 });
		machine.hart.code.written(RAM_OFFSET);
		machine.runBare(8);
		expect(machine.hart.x[11]).toBe(3);
		expect(machine.dma.flip(RAM_BASE + 2, 6)).toBe(true); // imm 3 -> 7
		machine.runBare(4);
		expect(machine.hart.x[11]).toBe(7);
	});

	it("a store of two instructions is seen by who jumps to the second one alone", () => {
		const g = guest(`
			la a1, patch
			li a2, 0x450d4509      # c.li a0, 2; c.li a0, 3
			sw a2, 100(a1)        # the next store is not the first one
			call patch
			c.addi a1, 2
			jalr ra, 0(a1)
			mv a3, a0
			sw a2, -2(a1)
			jalr ra, 0(a1)
		loop:	j loop
			c.addi a4, 1
		patch:	c.li a0, 0
			c.li a0, 1
			ret
		`);
		expect(g.labels.get("patch")! % 4).toBe(0);
		g.machine.runBare(40);
		expect([g.machine.hart.x[13], g.machine.hart.x[10]]).toEqual([1, 3]);
	});

	it("fence.i compares all that was decoded of a suspect page, to the end of the page", () => {
		const g = guest(`
			lui a1, 0x80008
			addi a1, a1, -4
		again:	fence.i
			jalr ra, 0(a1)
			mv a2, a0
			j again
		`);
		const { machine } = g;
		const { ram32 } = machine.memory;
		const last = (value: number): number =>
			encode("c.li", { rd: 10, imm: value }) + 0x1_0000 * encode("c.jr", { rs1: 1 });
		ram32[0x7ffc >> 2] = last(1);
		machine.runBare(40);
		expect(machine.hart.x[12]).toBe(1);
		ram32[0x7ffc >> 2] = last(2);
		machine.hart.code.written(RAM_OFFSET + 0x7ffc);
		machine.runBare(14);
		expect(machine.hart.x[12]).toBe(2);
	});

	it("data beside code may be stored to again and again", () => {
		const g = guest(`
			la a1, data
			li a0, 1000
		loop:	lw a2, 0(a1)
			addi a2, a2, 1
			sw a2, 0(a1)
			c.addi a0, -1
			c.bnez a0, loop
		end:	j end
		data:	.word 0
		`);
		g.machine.runBare(5004);
		expect(g.machine.dma.load32(g.labels.get("data")!)).toBe(1000);
		expect(g.machine.hart.counters.instret).toBe(5004);
		expect(g.machine.hart.pc).toBe(g.labels.get("end"));
	});

	/** Counts in a word, a halfword and a byte that lie right behind its code. */
	const COUNTER = `
		la a1, data
		li a0, 1000
	loop:	lw a2, 0(a1)
		addi a2, a2, 1
		sw a2, 0(a1)
		sh a2, 4(a1)
		sb a2, 7(a1)
		c.addi a0, -1
		c.bnez a0, loop

		c.li a3, 1
	end:	c.j end
	data:	.word 0
		.word 0
	`;

	it("stores beside decoded instructions are done without a look at each", () => {
		const g = guest(COUNTER);
		const stored = vi.spyOn(g.machine.hart.code, "stored");
		g.machine.runBare(7100);
		expect(g.machine.hart.pc).toBe(g.labels.get("end"));
		const data = g.labels.get("data")!;
		expect([g.machine.dma.load32(data), g.machine.dma.load32(data + 4)]).toEqual([
			1000,
			(1000 & 0xff) * 0x100_0000 + 1000,
		]);
		expect(stored.mock.calls.length).toBeLessThan(10);
	});

	it("and are seen by checkpoints and watchpoints made while the program runs", () => {
		const g = guest(COUNTER);
		const { machine } = g;
		const data = g.labels.get("data")!;
		machine.runBare(704);
		expect(machine.dma.load32(data)).toBe(100);
		const checkpoint = machine.checkpoint();
		machine.runBare(700);
		expect(machine.dma.load32(data)).toBe(200);
		machine.rollback(checkpoint);
		expect(machine.dma.load32(data)).toBe(100);
		machine.runBare(700);
		expect(machine.dma.load32(data)).toBe(200);
		const debug = machine.hart.attachDebug();
		debug.addWatchpoint({ va: data + 4, length: 2, kind: WATCH_STORE });
		debug.resume(Number.POSITIVE_INFINITY, false);
		expect(machine.runBare(700)).toBe(RUN_STOPPED);
		expect(machine.dma.load32(data)).toBe(201);
	});

	it("a page of code that is write-protected and fenced cannot be stored to", () => {
		const u = user(`
			la a1, data
			li a0, 5
		loop:	sw a0, 0(a1)
			c.addi a0, -1
			c.bnez a0, loop
			ecall
			li a0, 5
			j loop
		data:	.word 0
		`);
		u.map(TEXT, TEXT_FRAME, RWX);
		u.port.run();
		expect(u.port.scause).toBe(CAUSE_USER_ECALL);
		u.map(TEXT, TEXT_FRAME, RX);
		u.port.sfenceVma(TEXT, FENCE_ALL);
		u.port.pc = u.port.sepc + 4;
		u.port.run();
		expect([u.port.scause, u.port.stval]).toEqual([CAUSE_STORE_PAGE_FAULT, u.labels.get("data")]);
	});

	it("more pages of code than are kept decoded also run", () => {
		const pages = 1100;
		const machine = new Machine({ ramSize: (pages + 1) * 4096 });
		const jump = encode("jal", { rd: 0, imm: 4094 });
		for (let i = 0; i < pages; i++) {
			machine.dma.store16(RAM_BASE + i * 4096, encode("c.addi", { rd: 10, imm: 1 }));
			machine.dma.store32(RAM_BASE + i * 4096 + 2, jump);
		}
		const end = RAM_BASE + pages * 4096;
		machine.dma.store32(end, encode("jal", { rd: 0, imm: 0 }));
		for (let round = 1; round <= 2; round++) {
			machine.hart.reset(RAM_BASE);
			machine.runBare(2 * pages);
			expect([machine.hart.pc, machine.hart.x[10]]).toEqual([end, round * pages]);
		}
	});
});

describe("fetch", () => {
	/** A four-byte instruction whose halves lie in two pages. */
	const straddle = () => {
		const u = user(`
			j cross
			.org 4094
		cross:	addi a0, a0, 257
			ecall
		`);
		return u;
	};

	it("an instruction may cross a page, with its halves in any frames", () => {
		const u = straddle();
		const { port } = u;
		port.copyPage(RAM_BASE + (TEXT_FRAME + 1) * 4096, RAM_BASE + 0x50 * 4096);
		port.zeroPage(RAM_BASE + (TEXT_FRAME + 1) * 4096);
		u.map(TEXT + 4096, 0x50, RX);
		port.run();
		expect([port.scause, port.x[10], port.pc]).toEqual([CAUSE_USER_ECALL, 257, TEXT + 4098]);
		expect([port.instret, u.machine.hart.mmu.counters.fetchMisses]).toEqual([2, 2]);
	});

	it("faults at the missing half, and restarts as a whole", () => {
		const u = straddle();
		const { port } = u;
		const present = u.pte(TEXT + 4096);
		u.setPte(TEXT + 4096, 0);
		port.run();
		expect([port.scause, port.sepc, port.stval]).toEqual([
			CAUSE_INSTRUCTION_PAGE_FAULT,
			TEXT + 4094,
			TEXT + 4096,
		]);
		expect([port.x[10], port.instret]).toEqual([0, 1]);
		u.setPte(TEXT + 4096, present);
		u.setPte(TEXT, 0);
		port.sfenceVma(FENCE_ALL, FENCE_ALL);
		port.run();
		expect([port.scause, port.sepc, port.stval]).toEqual([12, TEXT + 4094, TEXT + 4094]);
	});

	it("looks up the TLB when control enters a page, not for each instruction", () => {
		// One entry only: the loads evict the translation of the code that runs.
		const u = user(
			`
			lui a1, 0x40000
			li a0, 50
		loop:	lw a2, 0(a1)
			c.addi a0, -1
			c.bnez a0, loop
			ecall
		`,
			{ tlbEntries: 1, tlbWays: 1 },
		);
		u.map(0x4000_0000, 0x30, 0x53);
		u.port.run();
		expect(u.machine.hart.mmu.counters).toMatchObject({ fetchMisses: 1, loadMisses: 1 });
	});

	it("page faults name the target of a jump, after the jump", () => {
		const u = user(`
			lui a0, 0x50000
			jalr ra, 6(a0)
		`);
		u.port.run();
		expect([u.port.scause, u.port.sepc, u.port.stval]).toEqual([12, 0x5000_0006, 0x5000_0006]);
		expect([u.port.x[1], u.port.instret]).toEqual([TEXT + 8, 2]);
	});
});

describe("counting", () => {
	it("any slicing of a run gives the same state at the same cycle", () => {
		fc.assert(
			fc.property(
				fc.array(instruction, { minLength: 20, maxLength: 150, size: "max" }),
				fc.integer({ min: 0, max: 120 }),
				fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }),
				(code, before, slices) => {
					// Near the end of a page, so that control crosses it.
					const start = RAM_BASE + 4096 - 2 * before;
					const build = (): Machine => {
						const machine = new Machine({ ramSize: 0x1_0000 });
						code.flat().forEach((h, i) => {
							machine.dma.store16(start + 2 * i, h);
						});
						const { hart } = machine;
						hart.state.mtvec = start;
						hart.reset(start);
						for (let r = 8; r < 16; r++) hart.x[r] = r * 0x1234_567;
						hart.x[3] = start & ~3;
						return machine;
					};
					const cycles = 600;
					const whole = build();
					whole.runBare(cycles);
					const sliced = build();
					for (let i = 0; sliced.clock.cycles < cycles; i++) {
						const n = slices[i % slices.length]!;
						sliced.runBare(Math.min(n, cycles - sliced.clock.cycles));
					}
					expect([...sliced.hart.x]).toEqual([...whole.hart.x]);
					expect(sliced.hart.pc).toBe(whole.hart.pc);
					expect(sliced.hart.counters.instret).toBe(whole.hart.counters.instret);
					expect(sliced.stateHash()).toBe(whole.stateHash());
				},
			),
			{ numRuns: 100 },
		);
	});
});
