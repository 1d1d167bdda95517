/** lr.w, sc.w and amos where something looks at the pages that they store to. */
import { describe, expect, it } from "vitest";
import {
	CAUSE_LOAD_MISALIGNED,
	CAUSE_STORE_MISALIGNED,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
} from "../../machine/port.ts";
import { guest } from "../isa/guest.ts";
import { RO, RW, user } from "./user.ts";

const DATA = 0x2_0000;
const DATA_FRAME = 0x30;
const PTE_D = 0x80;

describe("in the interpreter's loop", () => {
	it.each(["sc.w a2, a0, (a1)", "amoadd.w a2, a0, (a1)"])(
		"%s faults in a page that was only loaded from, and says that it stores",
		(store) => {
			const u = user(`
				lui a1, 0x20
				li a2, 7
				lr.w a0, (a1)
				lr.w a0, (a1)
			patch:	${store}
				ecall
			`);
			u.map(DATA, DATA_FRAME, RO);
			u.port.run();
			expect([u.port.scause, u.port.stval]).toEqual([CAUSE_STORE_PAGE_FAULT, DATA]);
			expect(u.port.sepc).toBe(u.labels.get("patch"));
			expect(u.machine.hart.x[12]).toBe(7);
		},
	);

	it.each([
		["lr.w a2, (a1)", CAUSE_LOAD_MISALIGNED],
		["sc.w a2, a0, (a1)", CAUSE_STORE_MISALIGNED],
		["amoor.w a2, a0, (a1)", CAUSE_STORE_MISALIGNED],
	])("%s traps at an address that is not aligned, whatever was reserved", (access, cause) => {
		const u = user(`
			lui a1, 0x20
			sw a1, 0(a1)
			lr.w a0, (a1)
			c.addi a1, 2
			${access}
			ecall
		`);
		u.map(DATA, DATA_FRAME, RW);
		u.port.run();
		expect([u.port.scause, u.port.stval]).toEqual([cause, DATA + 2]);
	});

	it.each(["sc.w a2, a0, (a1)", "amoswap.w a2, a0, (a1)"])("%s sets D once", (store) => {
		const u = user(`
			lui a1, 0x20
			lr.w a0, (a1)
			${store}
			lr.w a0, (a1)
			${store}
			ecall
		`);
		u.map(DATA, DATA_FRAME, RW & ~PTE_D);
		u.port.run();
		expect(u.port.scause).toBe(CAUSE_USER_ECALL);
		expect(u.pte(DATA) & PTE_D).toBe(PTE_D);
		expect(u.machine.hart.mmu.counters.dirtyUpgrades).toBe(1);
	});

	it("a trap ends a reservation, and so does sc.w to another place", () => {
		const u = user(`
			lui a1, 0x20
			c.addi a1, 8
			sw x0, 0(a1)
			lr.w a0, (a1)
			ecall
			sc.w a2, a1, (a1)
			lr.w a0, (a1)
			c.addi a1, 4
			sc.w a3, a1, (a1)
			c.addi a1, -4
			sc.w a4, a1, (a1)
			lr.w a0, (a1)
			sc.w a5, a1, (a1)
			sc.w a6, a1, (a1)
			lw a7, 0(a1)
			ecall
		`);
		u.map(DATA, DATA_FRAME, RW);
		u.port.run();
		u.port.pc = u.port.sepc + 4;
		u.port.run();
		expect([...u.machine.hart.x.subarray(12, 18)]).toEqual([1, 1, 1, 0, 1, DATA + 8]);
	});
});

describe("atomics and those who watch stores", () => {
	it.each(["sc.w a3, a2, (a1)", "amoswap.w a3, a2, (a1)"])(
		"%s into code is seen by the next instruction",
		(store) => {
			const g = guest(`
				la a1, patch
				li a2, 0x00200513     # li a0, 2
				call patch
				mv a4, a0
				lr.w a5, (a1)
				${store}
				j patch
				nop
			patch:	li a0, 1
				ret
			`);
			// ret goes back behind the call, once more.
			g.machine.runBare(30);
			expect([g.machine.hart.x[14], g.machine.hart.x[10]]).toEqual([2, 2]);
		},
	);

	it("a rollback undoes what they stored, and they store again", () => {
		const g = guest(`
			lui a1, 0x80008
			li a2, 1
		loop:	amoadd.w x0, a2, (a1)
			lr.w a0, (a1)
			addi a0, a0, 1
			sc.w a3, a0, (a1)
			j loop
		`);
		const { machine } = g;
		const data = (): number => machine.dma.load32(0x8000_8000);
		machine.runBare(2 + 5 * 100);
		expect(data()).toBe(200);
		const checkpoint = machine.checkpoint();
		const hash = machine.stateHash();
		machine.runBare(500);
		expect(data()).toBe(400);
		machine.rollback(checkpoint);
		expect([data(), machine.stateHash()]).toEqual([200, hash]);
		machine.runBare(500);
		expect(data()).toBe(400);
	});

	it("a checkpoint between lr.w and sc.w keeps the reservation", () => {
		const g = guest(`
			lui a1, 0x80008
			lr.w a0, (a1)
			sc.w a2, a1, (a1)
			sc.w a3, a1, (a1)
		loop:	j loop
		`);
		const { machine } = g;
		machine.runBare(2);
		const checkpoint = machine.checkpoint();
		expect(checkpoint.registers.reservation).toBe(machine.hart.state.reservation);
		machine.runBare(3);
		expect([machine.hart.x[12], machine.hart.x[13]]).toEqual([0, 1]);
		machine.rollback(checkpoint);
		machine.hart.x[12] = machine.hart.x[13] = 5;
		machine.runBare(3);
		expect([machine.hart.x[12], machine.hart.x[13]]).toEqual([0, 1]);
	});
});
