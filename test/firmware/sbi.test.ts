/** The built-in SBI, call by call, against RISC-V SBI 2.0. Numbers are the specification's. */
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";

const ENTRY = 0x8040_0000;
const BUFFER = 0x8041_0000;
/** ecall; j . - 0 */
const IMAGE = Uint8Array.of(0x73, 0, 0, 0, 0x6f, 0, 0, 0);

const INVALID_PARAM = -3;
const NOT_SUPPORTED = -2;
const ALREADY_AVAILABLE = -6;

const TIME = 0x5449_4d45;
const IPI = 0x73_5049;
const RFENCE = 0x5246_4e43;
const HSM = 0x48_534d;
const SRST = 0x5352_5354;
const DBCN = 0x4442_434e;

class Guest {
	output = "";
	readonly bare = new Bare({
		image: IMAGE,
		sbi: true,
		ram: 8 << 20,
		console: (byte) => {
			this.output += String.fromCharCode(byte);
		},
	});

	/** Make a call. => [a0, a1] */
	call(extension: number, id: number, ...args: number[]): [number, number] {
		const { machine } = this.bare;
		const { hart } = machine;
		hart.x.fill(0x5555_5555, 1);
		hart.x[17] = extension;
		hart.x[16] = id;
		for (let i = 0; i < 6; i++) hart.x[10 + i] = args[i] ?? 0;
		hart.pc = ENTRY;
		this.bare.run(machine.clock.cycles + 4);
		return [hart.x[10]!, hart.x[11]!];
	}

	get sip(): number {
		return this.bare.machine.hart.traps.mip & 0x222;
	}
}

describe("start", () => {
	it("is in S-mode with interrupts off and no translation, a0 the hart, a1 the device tree", () => {
		const { machine } = new Guest().bare;
		const { hart, dma } = machine;
		expect([hart.pc, hart.state.priv, hart.x[10], hart.state.satp]).toEqual([ENTRY, 1, 0, 0]);
		expect(hart.state.mstatus & 2).toBe(0);
		expect(dma.load32(hart.x[11]! >>> 0)).toBe(0xedfe_0dd0);
	});
});

describe("exceptions and interrupts", () => {
	it("an error of memory goes to the handler of S-mode, too", () => {
		const { bare } = new Guest();
		const { machine } = bare;
		const { hart } = machine;
		machine.dma.store32(ENTRY, 0x0005_2283); // lw t0, 0(a0)
		machine.dma.store32(BUFFER, 0x6f);
		hart.state.stvec = BUFFER;
		hart.x[10] = BUFFER + 64;
		bare.inject({
			rules: [
				{ id: "ecc", model: "memory.ecc" },
				{
					id: "two",
					model: "memory.flip",
					params: { pa: BUFFER + 64, mask: 3 },
					when: { atNs: machine.clock.cycles },
				},
			],
		});
		bare.run(machine.clock.cycles + 4);
		const { state } = hart;
		expect([hart.pc, state.priv, state.scause, state.stval, state.sepc]).toEqual([
			BUFFER,
			1,
			19,
			BUFFER + 64,
			ENTRY,
		]);
	});

	it("go to the handler of S-mode", () => {
		const { bare } = new Guest();
		const { machine } = bare;
		const { hart } = machine;
		machine.dma.store32(ENTRY, 0); // illegal
		machine.dma.store32(BUFFER, 0x6f);
		hart.state.stvec = BUFFER;
		bare.run(machine.clock.cycles + 4);
		expect([hart.pc, hart.state.priv, hart.state.scause]).toEqual([BUFFER, 1, 2]);
		hart.state.mie = 0x20;
		hart.state.mstatus |= 2;
		hart.timer.set(0, 0);
		bare.run(machine.clock.cycles + 4);
		expect([hart.pc, hart.state.priv, hart.state.scause]).toEqual([BUFFER, 1, 0x8000_0005]);
	});
});

describe("base", () => {
	it("reports version 2.0 and the extensions it has", () => {
		const guest = new Guest();
		expect(guest.call(0x10, 0)).toEqual([0, 0x0200_0000]);
		for (const there of [0x10, TIME, IPI, RFENCE, HSM, SRST, DBCN, 0, 1, 2, 8]) {
			expect(guest.call(0x10, 3, there)).toEqual([0, 1]);
		}
		for (const missing of [9, 0x11, 0x50_4d55, 0x0900_0000, -1]) {
			expect(guest.call(0x10, 3, missing)).toEqual([0, 0]);
		}
		for (const id of [4, 5, 6]) expect(guest.call(0x10, id)[0]).toBe(0);
	});

	it("returns NOT_SUPPORTED for other functions", () => {
		const guest = new Guest();
		expect(guest.call(0x1234_5678, 0)[0]).toBe(NOT_SUPPORTED);
		for (const extension of [0x10, TIME, IPI, RFENCE, HSM, SRST, DBCN]) {
			expect(guest.call(extension, 77)[0]).toBe(NOT_SUPPORTED);
		}
	});

	it("keeps every register but a0 and a1", () => {
		const guest = new Guest();
		guest.call(0x10, 0, 1, 2, 3, 4, 5, 6);
		const { x } = guest.bare.machine.hart;
		expect([...x.subarray(12, 18)]).toEqual([3, 4, 5, 6, 0, 0x10]);
		expect([...x.subarray(1, 10), ...x.subarray(18)].every((v) => v === 0x5555_5555)).toBe(true);
	});
});

describe.each([
	["TIME", (guest: Guest, low: number, high: number) => guest.call(TIME, 0, low, high)],
	["legacy", (guest: Guest, low: number, high: number) => guest.call(0, 0, low, high)],
])("set_timer of %s", (_, setTimer) => {
	it("makes the timer interrupt pending at its time, and clears it before", () => {
		const guest = new Guest();
		const { machine } = guest.bare;
		const soon = machine.time + 50;
		expect(setTimer(guest, soon, 0)[0]).toBe(0);
		expect(guest.sip & 0x20).toBe(0);
		guest.bare.run(soon * 100 - 1);
		expect(guest.sip & 0x20).toBe(0);
		guest.bare.run(soon * 100);
		expect(guest.sip & 0x20).toBe(0x20);
		setTimer(guest, 0, 1);
		expect(guest.sip & 0x20).toBe(0);
	});
});

describe("IPI", () => {
	it("interrupts this hart, if it is named", () => {
		for (const [mask, base, pending] of [
			[1, 0, 2],
			[0, -1, 2],
			[0, 0, 0],
		] as const) {
			const guest = new Guest();
			expect(guest.call(IPI, 0, mask, base)[0]).toBe(0);
			expect(guest.sip).toBe(pending);
		}
	});

	it("refuses other harts", () => {
		const guest = new Guest();
		expect(guest.call(IPI, 0, 2, 0)[0]).toBe(INVALID_PARAM);
		expect(guest.call(IPI, 0, 1, 1)[0]).toBe(INVALID_PARAM);
		expect(guest.sip).toBe(0);
	});

	it("legacy: the mask lies in memory", () => {
		const guest = new Guest();
		guest.bare.machine.dma.store32(BUFFER, 1);
		guest.call(4, 0, BUFFER);
		expect(guest.sip).toBe(2);
		guest.call(3, 0);
		expect(guest.sip).toBe(0);
		guest.bare.machine.dma.store32(BUFFER, 2);
		guest.call(4, 0, BUFFER);
		guest.call(4, 0, 0x1000);
		expect(guest.sip).toBe(0);
	});
});

describe("RFENCE", () => {
	const fences = (guest: Guest): number[] => {
		const { fencesAll, fencesVa, fencesAsid, fencesVaAsid } = guest.bare.machine.hart.mmu.counters;
		return [fencesAll, fencesVa, fencesAsid, fencesVaAsid];
	};
	const by = (guest: Guest, ...args: number[]): number[] => {
		const before = fences(guest);
		expect(guest.call(RFENCE, ...(args as [number]))[0]).toBe(0);
		return fences(guest).map((n, i) => n - before[i]!);
	};

	it("fences pages, or everything if asked or if that is less work", () => {
		const guest = new Guest();
		expect(by(guest, 1, 1, 0, 0x1000, 0x3000)).toEqual([0, 3, 0, 0]);
		expect(by(guest, 1, 1, 0, 0x1fff, 2)).toEqual([0, 2, 0, 0]);
		expect(by(guest, 1, 1, 0, 0, 0)).toEqual([1, 0, 0, 0]);
		expect(by(guest, 1, 1, 0, 0x1000, -1)).toEqual([1, 0, 0, 0]);
		expect(by(guest, 1, 1, 0, 0, 0x1000_0000)).toEqual([1, 0, 0, 0]);
		expect(by(guest, 2, 1, 0, 0x1000, 0x2000, 7)).toEqual([0, 0, 0, 2]);
		expect(by(guest, 2, 1, 0, 0, 0, 7)).toEqual([0, 0, 1, 0]);
		expect(by(guest, 1, 0, 0, 0x1000, 0x3000)).toEqual([0, 0, 0, 0]);
		expect(guest.call(RFENCE, 1, 2, 0, 0x1000, 0x1000)[0]).toBe(INVALID_PARAM);
	});

	it("fence.i lets new code be seen", () => {
		const guest = new Guest();
		guest.call(0x10, 0);
		// Behind the hart's back, as another hart's store would be: li a0, 7 in place of the ecall.
		const { hart, memory } = guest.bare.machine;
		memory.ram8.set([0x13, 0x05, 0x70, 0x00], ENTRY - 0x8000_0000);
		hart.code.written(memory.offsetOf(ENTRY, 4));
		hart.code.fence();
		expect(guest.call(0x10, 0)[0]).toBe(7);
	});
});

describe("HSM", () => {
	it("has one hart, which is started", () => {
		const guest = new Guest();
		expect(guest.call(HSM, 2, 0)).toEqual([0, 0]);
		expect(guest.call(HSM, 2, 1)[0]).toBe(INVALID_PARAM);
		expect(guest.call(HSM, 0, 0, ENTRY, 0)[0]).toBe(ALREADY_AVAILABLE);
		expect(guest.call(HSM, 0, 1, ENTRY, 0)[0]).toBe(INVALID_PARAM);
		expect(guest.call(HSM, 3, 0x1234)[0]).toBe(INVALID_PARAM);
	});

	it("suspends until an interrupt is pending; the resume address counts if state is lost", () => {
		for (const [type, pc] of [
			[0, ENTRY + 4],
			[0x8000_0000, ENTRY + 0x100],
		] as const) {
			const guest = new Guest();
			const { machine } = guest.bare;
			machine.hart.state.mie = 0x20;
			machine.hart.timer.set(machine.time + 100, 0);
			machine.dma.store32(ENTRY + 0x100, 0x6f);
			guest.call(HSM, 3, type, ENTRY + 0x100, 42);
			expect(machine.hart.state.waiting).toBe(1);
			guest.bare.run(machine.clock.cycles + 20_000);
			expect(machine.hart.pc).toBe(pc);
			expect([...machine.hart.x.subarray(10, 12)]).toEqual(type === 0 ? [0, 0] : [0, 42]);
		}
	});
});

describe("SRST", () => {
	it.each([
		[0, 0, 0],
		[0, 1, 1],
	])("shuts down (type %s, reason %s): exit code %s", (type, reason, code) => {
		const guest = new Guest();
		guest.call(SRST, 0, type, reason);
		expect(guest.bare.exit).toMatchObject({ kind: "exited", code });
	});

	it.each([1, 2])("reboots (type %s)", (type) => {
		const guest = new Guest();
		guest.bare.machine.dma.store32(ENTRY, 0);
		guest.bare.machine.dma.store32(ENTRY, 0x73);
		guest.call(SRST, 0, type, 0);
		expect(guest.bare.exit.kind).toBe("running");
		// Registers are as at the start again, and so is the call.
		expect(guest.call(0x10, 0)).toEqual([0, 0x0200_0000]);
	});

	it("refuses reserved values", () => {
		const guest = new Guest();
		expect(guest.call(SRST, 0, 3, 0)[0]).toBe(INVALID_PARAM);
		expect(guest.call(SRST, 0, 0, 2)[0]).toBe(INVALID_PARAM);
		expect(guest.bare.exit.kind).toBe("running");
	});

	it("legacy shutdown", () => {
		const guest = new Guest();
		guest.call(8, 0);
		expect(guest.bare.exit).toMatchObject({ kind: "exited", code: 0 });
	});
});

describe("the console", () => {
	it("prints bytes, and pieces of memory", () => {
		const guest = new Guest();
		guest.bare.machine.dma.write(BUFFER, new TextEncoder().encode("hello"));
		expect(guest.call(DBCN, 0, 5, BUFFER, 0)).toEqual([0, 5]);
		expect(guest.call(DBCN, 2, 0x121)).toEqual([0, 0]);
		expect(guest.call(1, 0, 0x3f)[0]).toBe(0);
		expect(guest.output).toBe("hello!?");
	});

	it("reads what was typed and nothing else", () => {
		const guest = new Guest();
		const { machine } = guest.bare;
		machine.bus.store(0x1000_0002, 1, 1);
		guest.bare.input(new TextEncoder().encode("keys"));
		expect(guest.call(2, 0)[0]).toBe(0x6b);
		expect(guest.call(DBCN, 1, 10, BUFFER, 0)).toEqual([0, 3]);
		expect(machine.dma.load32(BUFFER) & 0xff_ffff).toBe(0x73_7965);
		expect(guest.call(2, 0)[0]).toBe(-1);
		expect(guest.call(DBCN, 1, 10, BUFFER, 0)).toEqual([0, 0]);
	});

	it("stays inside RAM", () => {
		const guest = new Guest();
		for (const id of [0, 1]) {
			expect(guest.call(DBCN, id, 8, 0x8080_0000 - 4, 0)[0]).toBe(INVALID_PARAM);
			expect(guest.call(DBCN, id, 8, 0x1000, 0)[0]).toBe(INVALID_PARAM);
			expect(guest.call(DBCN, id, 8, BUFFER, 1)[0]).toBe(INVALID_PARAM);
			expect(guest.call(DBCN, id, -1, BUFFER, 0)[0]).toBe(INVALID_PARAM);
		}
		expect(guest.output).toBe("");
	});
});
