/** Loads and stores of eight bytes that lie in two pages. */
import { describe, expect, it } from "vitest";
import {
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FS_DIRTY,
	FS_INITIAL,
} from "../../machine/port.ts";
import { RO, RW, TEXT, user } from "./user.ts";

describe("fld and fsd across two pages", () => {
	const DATA = 0x2_0000;
	const SOURCE = `
		li a0, ${DATA + 4092}
		fcvt.d.w fa0,a0
		fsd fa0,0(a0)
		fld fa1,0(a0)
		ecall
	`;

	it("combine the pages, in any frames", () => {
		const u = user(SOURCE);
		u.port.fs = FS_INITIAL;
		u.map(DATA, 0x41, RW);
		u.map(DATA + 4096, 0x40, RW);
		u.port.run();
		expect(u.port.scause).toBe(CAUSE_USER_ECALL);
		const stored = [u.port.ram32[0x42 * 1024 - 1], u.port.ram32[0x40 * 1024]];
		expect([...u.port.f.subarray(22, 24)]).toEqual(stored);
		const value = new Float64Array(new Int32Array(stored as number[]).buffer);
		expect(value[0]).toBe(DATA + 4092);
		expect(u.port.fs).toBe(FS_DIRTY);
	});

	it("do nothing if the second page faults, and name that page", () => {
		for (const [flags, cause, at] of [
			[RO, CAUSE_STORE_PAGE_FAULT, 12],
			[RW, CAUSE_LOAD_PAGE_FAULT, 16],
		] as const) {
			const u = user(SOURCE);
			u.port.fs = FS_INITIAL;
			u.map(DATA, 0x41, RW);
			u.map(DATA + 4096, 0x40, flags);
			u.port.f.fill(-1, 22, 24);
			if (cause === CAUSE_LOAD_PAGE_FAULT) {
				// Begin at fld.
				u.setPte(DATA + 4096, 0);
				u.port.pc = TEXT + 16;
				u.port.x[10] = DATA + 4092;
			}
			u.port.run();
			expect([u.port.scause, u.port.stval]).toEqual([cause, DATA + 4096]);
			expect(u.port.sepc).toBe(TEXT + at);
			expect(u.port.ram32[0x42 * 1024 - 1]).toBe(0);
			expect([...u.port.f.subarray(22, 24)]).toEqual([-1, -1]);
		}
	});
});

it.each(["c.fld fa0,0(a0)", "c.flw fa0,0(a0)", "c.fldsp fa0,0(sp)", "c.flwsp fa0,0(sp)"])(
	"%s makes FS dirty where the page was looked up before, too",
	(load) => {
		const DATA = 0x2_0000;
		const u = user(`
			li a0, ${DATA}
			mv sp, a0
			lw a1,0(a0)
			${load}
			ecall
		`);
		u.port.fs = FS_INITIAL;
		u.map(DATA, 0x41, RW);
		u.port.run();
		expect(u.port.scause).toBe(CAUSE_USER_ECALL);
		expect(u.port.fs).toBe(FS_DIRTY);
	},
);
