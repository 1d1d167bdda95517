/** The attached supervisor: what machine/port.ts promises. */

import { describe, expect, it } from "vitest";
import { RAM_BASE, RAM_OFFSET } from "../../machine/memory.ts";
import {
	ACCESS_FETCH,
	ACCESS_LOAD,
	ACCESS_STORE,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FENCE_ALL,
	SCAUSE_INTERRUPT,
	SIP_SEIP,
	SIP_STIP,
} from "../../machine/port.ts";
import { Panic } from "../../sys/panic.ts";
import { RO, RW, RWX, TEXT, TEXT_FRAME, user } from "./user.ts";

const DATA = 0x4000_0000;

describe("run", () => {
	it("returns at an ecall with pc and sepc at it, and continues at pc", () => {
		const { port } = user(`
			li a0, 5
			ecall
			addi a0, a0, 1
			ecall
		`);
		port.run();
		expect([port.scause, port.sepc, port.pc, port.stval]).toEqual([
			CAUSE_USER_ECALL,
			TEXT + 4,
			TEXT + 4,
			0,
		]);
		expect([port.x[10], port.x[0]]).toEqual([5, 0]);
		port.pc += 4;
		port.run();
		expect([port.x[10], port.pc]).toEqual([6, TEXT + 12]);
		expect(port.instret).toBe(2);
	});

	it("returns at a page fault and retries after the page is mapped, without a fence", () => {
		const u = user(`
			lui a1, ${DATA / 4096}
			li a0, 77
			sw a0, 12(a1)
			lw a2, 12(a1)
			ecall
		`);
		const { port } = u;
		port.run();
		expect([port.scause, port.stval, port.pc]).toEqual([
			CAUSE_STORE_PAGE_FAULT,
			DATA + 12,
			TEXT + 8,
		]);
		u.map(DATA, 0x30, RW);
		port.run();
		expect([port.scause, port.x[12]]).toEqual([CAUSE_USER_ECALL, 77]);
		expect(port.ram32[(0x30 * 4096 + 12) / 4]).toBe(77);
	});

	it("shows stale translations until the fence, for permissions and for frames", () => {
		const u = user(`
			lui a1, ${DATA / 4096}
		again:	lw a2, 0(a1)
			ecall
			sw a2, 4(a1)
			ecall
			j again
		`);
		const { port } = u;
		u.map(DATA, 0x30, RO);
		port.storeWord((0x30 * 4096) / 4, 1);
		port.storeWord((0x31 * 4096) / 4, 2);
		port.run();
		expect(port.x[12]).toBe(1);
		// Writable now in the table, but not in the TLB.
		u.map(DATA, 0x31, RW);
		port.pc += 4;
		port.run();
		expect([port.scause, port.stval]).toEqual([CAUSE_STORE_PAGE_FAULT, DATA + 4]);
		port.pc = u.labels.get("again")!;
		port.run();
		expect(port.x[12]).toBe(1);
		port.sfenceVma(DATA + 0xabc, 1);
		port.pc = u.labels.get("again")!;
		port.run();
		expect(port.x[12]).toBe(2);
		// Unmapped, but still translated until the fence.
		u.setPte(DATA, 0);
		port.pc = u.labels.get("again")!;
		port.run();
		expect([port.scause, port.x[12]]).toEqual([CAUSE_USER_ECALL, 2]);
		port.sfenceVma(FENCE_ALL, FENCE_ALL);
		port.pc = u.labels.get("again")!;
		port.run();
		expect(port.scause).toBe(CAUSE_LOAD_PAGE_FAULT);
	});

	it("keeps address spaces apart by ASID across changes of satp, without fences", () => {
		const u = user(`
			lui a1, ${DATA / 4096}
			lw a2, 0(a1)
			ecall
		`);
		const { port, machine } = u;
		u.map(DATA, 0x30, RO, 1);
		u.map(DATA, 0x31, RO, 2);
		u.map(TEXT, TEXT_FRAME, 0x5b, 2);
		port.storeWord((0x30 * 4096) / 4, 1);
		port.storeWord((0x31 * 4096) / 4, 2);
		const seen: number[] = [];
		for (let i = 0; i < 3; i++) {
			for (const space of [1, 2]) {
				port.satp = u.satp(space, space);
				port.pc = TEXT;
				port.run();
				seen.push(port.x[12]!);
			}
		}
		expect(seen).toEqual([1, 2, 1, 2, 1, 2]);
		const { fetchMisses, loadMisses } = machine.hart.mmu.counters;
		expect([fetchMisses, loadMisses]).toEqual([2, 2]);
	});

	it("charges and counts one walk for a page, and none for hits", () => {
		const u = user(
			`
			lui a1, ${DATA / 4096}
			lw a2, 0(a1)
			lw a2, 4(a1)
			sw a2, 8(a1)
			sw a2, 8(a1)
			ecall
		`,
			{ walkCycles: 100 },
		);
		const { port, machine } = u;
		u.map(DATA, 0x30, 0x17); // V R W U, A and D clear
		port.run();
		expect(machine.hart.mmu.counters).toMatchObject({
			fetchMisses: 1,
			loadMisses: 1,
			storeMisses: 0,
			dirtyUpgrades: 1,
		});
		expect(u.pte(DATA) & 0xff).toBe(0xd7);
		expect([port.instret, port.cycles]).toEqual([5, 6 + 300]);
	});

	it("a store that must set D follows a page whose size has changed without a fence", () => {
		const u = user(`
			lui a1, ${DATA / 4096}
			lw a2, 0(a1)
			sw a2, 4(a1)
			lw a3, 4(a1)
			ecall
		`);
		const { port, machine } = u;
		u.map(DATA, 0x31, RW);
		const directory = 1024 + (DATA >>> 22);
		const pointer = port.ram32[directory]!;
		// A 4 MiB page over the start of RAM, clean.
		port.storeWord(directory, ((RAM_BASE / 4096) << 10) | 0x57);
		port.storeWord(0, 5);
		const stop = machine.clock.register(() => machine.lines.raise(9));
		machine.clock.schedule(42, stop);
		port.sie = SIP_SEIP;
		port.run();
		expect([port.pc, port.x[12]]).toEqual([TEXT + 8, 5]);
		expect(machine.hart.tlb.list().filter((e) => e.superpage)).toHaveLength(1);
		machine.lines.lower(9);
		port.storeWord(directory, pointer);
		port.run();
		expect([port.scause, port.x[13]]).toEqual([CAUSE_USER_ECALL, 5]);
		expect([port.ram32[1], port.ram32[0x31 * 1024 + 1]]).toEqual([0, 5]);
		expect(machine.hart.tlb.list().filter((e) => e.superpage)).toHaveLength(0);
		expect(machine.hart.mmu.counters).toMatchObject({ loadMisses: 1, dirtyUpgrades: 1 });
		// The entry lies where a lookup of its size finds it, and where a fence does.
		port.sfenceVma(DATA, 1);
		expect(machine.hart.tlb.list().map((e) => e.vpn)).toEqual([TEXT / 4096]);
	});

	it("lets user code read the counters and refuses it the rest", () => {
		const { port } = user(`
			csrrs a0, cycle, x0
			csrrs a1, time, x0
			csrrs a2, sscratch, x0
		`);
		port.run();
		expect([port.scause, port.pc, port.stval]).toEqual([2, TEXT + 8, 0x1400_2673]);
	});
});

describe("time", () => {
	const LOOP = `
		loop:	addi a0, a0, 1
			addi a1, a1, 1
			c.addi a2, 1
			j loop
	`;

	it("the timer interrupts at exactly its cycle", () => {
		for (let ticks = 1; ticks < 40; ticks++) {
			const { port } = user(LOOP, { walkCycles: 0 });
			port.sie = SIP_STIP;
			port.stimecmp = ticks;
			port.run();
			expect([port.scause, port.stval]).toEqual([SCAUSE_INTERRUPT + 5, 0]);
			const n = ticks * 100;
			expect([port.cycles, port.instret, port.sepc]).toEqual([n, n, port.pc]);
			expect([port.x[10], port.x[11], port.x[12]]).toEqual([n / 4, n / 4, n / 4]);
			expect(port.pc).toBe(TEXT);
		}
	});

	it("an event of the clock stops the hart at its cycle, and a line interrupts there", () => {
		for (const cycle of [1, 2, 3, 4, 5, 6, 7, 97, 1001]) {
			const { port, machine } = user(LOOP, { walkCycles: 0 });
			const seen: number[] = [];
			const handler = machine.clock.register(() => {
				seen.push(machine.clock.cycles);
				machine.lines.raise(9);
			});
			machine.clock.schedule(cycle, handler);
			port.sie = SIP_SEIP;
			port.run();
			expect(seen).toEqual([cycle]);
			expect([port.scause, port.cycles, port.instret]).toEqual([
				SCAUSE_INTERRUPT + 9,
				cycle,
				cycle,
			]);
			expect(port.pc).toBe(TEXT + [0, 4, 8, 10][cycle % 4]!);
			expect(port.sip).toBe(SIP_SEIP);
		}
	});

	it("an event that a walk passes over fires after the instruction, an interrupt with it", () => {
		const u = user(`
			lui a1, ${DATA / 4096}
			lw a2, 0(a1)
			c.addi a0, 1
			ecall
		`);
		u.map(DATA, 0x30, RO);
		const { clock, lines } = u.machine;
		clock.schedule(
			30,
			clock.register(() => lines.raise(9)),
		);
		u.port.sie = SIP_SEIP;
		u.port.run();
		// Fetch walk 20, lui 1, load walk 20, lw 1.
		expect([u.port.cycles, u.port.pc, u.port.instret]).toEqual([42, TEXT + 8, 2]);
	});

	it("stimecmp of infinity disarms the timer, and STIP follows the comparison", () => {
		const { port } = user(LOOP);
		port.sie = SIP_STIP;
		port.stimecmp = 5;
		expect(port.sip).toBe(0);
		port.charge(499);
		expect(port.sip).toBe(0);
		port.charge(1);
		expect(port.sip).toBe(SIP_STIP);
		port.stimecmp = Number.POSITIVE_INFINITY;
		expect([port.sip, port.stimecmp]).toEqual([0, Number.POSITIVE_INFINITY]);
		expect(port.wfi()).toBe(false);
	});

	it("wfi jumps from event to event until an enabled interrupt is pending", () => {
		const { port, machine } = user(LOOP);
		const idle = machine.clock.register(() => {});
		machine.clock.schedule(100, idle);
		machine.clock.schedule(900, idle);
		port.sie = SIP_STIP;
		port.stimecmp = 20;
		expect(port.wfi()).toBe(true);
		expect([port.cycles, port.sip]).toEqual([2000, SIP_STIP]);
		port.run();
		expect([port.scause, port.instret]).toEqual([SCAUSE_INTERRUPT + 5, 0]);
		port.sie = 0;
		expect(port.wfi()).toBe(false);
	});
});

describe("memory", () => {
	it("translate goes through the TLB with the supervisor's rights", () => {
		const u = user("ecall");
		const { port, machine } = u;
		u.map(DATA, 0x30, 0x13); // V R U, A clear
		expect(port.translate(DATA + 5, ACCESS_LOAD)).toBe(RAM_BASE + 0x30 * 4096 + 5);
		expect(u.pte(DATA) & 0xff).toBe(0x53);
		expect(port.translate(DATA + 5, ACCESS_STORE)).toBe(-1);
		expect(port.translate(DATA + 4096, ACCESS_LOAD)).toBe(-1);
		// A supervisor executes no user page.
		expect(port.translate(TEXT, ACCESS_FETCH)).toBe(-1);
		expect(machine.hart.mmu.counters).toMatchObject({ loadMisses: 2, fetchMisses: 1 });
		expect(port.cycles).toBe(60);
		// What it left in the TLB serves user code: no other walk for the load.
		u.map(DATA + 4096, 0x31, RW);
		expect(port.translate(DATA + 4096, ACCESS_STORE)).toBe(RAM_BASE + 0x31 * 4096);
		expect(port.translate(DATA + 4096, ACCESS_STORE)).toBe(RAM_BASE + 0x31 * 4096);
		expect(machine.hart.mmu.counters.storeMisses).toBe(1);
	});

	it("zeroPage, copyPage and writeRam are seen by instruction fetch", () => {
		const u = user(`
			li a0, 1
			ecall
		`);
		const { port } = u;
		const text = RAM_BASE + TEXT_FRAME * 4096;
		const once = (): number => {
			port.pc = TEXT;
			port.x[10] = 0;
			port.run();
			return port.scause === CAUSE_USER_ECALL ? port.x[10]! : -port.scause;
		};
		expect(once()).toBe(1);
		port.writeRam(text, Uint8Array.of(0x13, 0x05, 0x20, 0x00)); // li a0, 2
		expect(once()).toBe(2);
		port.copyPage(text, RAM_BASE + 0x40 * 4096);
		port.zeroPage(text);
		// A page that is no longer code can be stored to at full speed again.
		expect(u.machine.hart.mirror.isWatched(text - RAM_BASE + RAM_OFFSET)).toBe(false);
		expect(once()).toBe(-2);
		port.copyPage(RAM_BASE + 0x40 * 4096, text);
		expect(once()).toBe(2);
		// What the software stores word by word needs fence.i, as the hart's stores do.
		port.storeWord(TEXT_FRAME * 1024, 0x0030_0513); // li a0, 3
		port.fenceI();
		expect(once()).toBe(3);
		port.clearBits(TEXT_FRAME * 1024, 1, 0, 0x0010_0000); // li a0, 2
		port.fenceI();
		expect(once()).toBe(2);
	});

	it("clears bits of those words that have some others", () => {
		const { port } = user("ecall");
		const words = [0b1111, 0b1101, 0b0111, 0, -1, 0b1110];
		const index = 0x32 * 1024 - words.length;
		for (const [i, word] of words.entries()) port.storeWord(index + i, word);
		port.clearBits(index + 1, words.length - 1, 0b101, 0b1010);
		const after = Array.from(words, (_, i) => port.ram32[index + i]);
		expect(after).toEqual([0b1111, 0b0101, 0b0101, 0, ~0b1010, 0b1110]);
		port.clearBits(index, 0, 0, -1);
		expect(port.ram32[index]).toBe(0b1111);
	});

	it("an access to memory outside RAM panics, and writes nothing", () => {
		const { port } = user("ecall");
		const end = RAM_BASE + (1 << 20);
		const before = Uint8Array.from(port.ram8);
		for (const access of [
			() => port.zeroPage(RAM_BASE - 4096),
			() => port.copyPage(RAM_BASE, end),
			() => port.copyPage(end, RAM_BASE),
			() => port.writeRam(end - 1, new Uint8Array(2)),
			() => port.storeWord((1 << 20) / 4, 1),
			() => port.storeWord(-1, 1),
			() => port.clearBits((1 << 20) / 4 - 1, 2, 0, -1),
			() => port.clearBits(-1, 1, 0, -1),
			// Nor two pages at a time.
			() => port.clearBits(1023, 2, 0, -1),
		]) {
			expect(access).toThrow(Panic);
		}
		expect(port.ram8).toEqual(before);
	});

	it("device registers answer, and an access that no device answers panics", () => {
		const { port, machine } = user("ecall");
		machine.bus.attach(0x1000_0000, 16, {
			load: (offset) => offset + 0x8000_0000,
			store: (offset) => offset === 4,
		});
		expect(port.load(0x1000_0008, 4)).toBe(0x8000_0008);
		port.store(0x1000_0004, 4, 1);
		expect(() => port.store(0x1000_0008, 4, 1)).toThrow(Panic);
		expect(() => port.load(0x1000_0002, 4)).toThrow(Panic);
		expect(() => port.load(0x2000_0000, 4)).toThrow(Panic);
		expect(() => port.store(0x2000_0000, 4, 1)).toThrow(Panic);
	});

	it("a user store to a page of the program is executed at once", () => {
		const u = user(`
			la a1, patch
			li a2, 0x00200513   # li a0, 2
			call patch
			mv a3, a0
			sw a2, 0(a1)
			call patch
			ecall
		patch:	addi a0, x0, 1
			ret
		`);
		for (let i = 0; i < 4; i++) u.map(TEXT + i * 4096, TEXT_FRAME + i, RWX);
		u.port.run();
		expect([u.port.scause, u.port.x[13], u.port.x[10]]).toEqual([CAUSE_USER_ECALL, 1, 2]);
	});
});
