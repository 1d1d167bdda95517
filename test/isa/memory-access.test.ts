/** Loads, stores and atomics, without paging: values, alignment, devices, reservations. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ACCESS_FAULT, type MmioDevice, type Width } from "../../machine/bus.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode } from "./assembler.ts";
import { type Guest, guest } from "./guest.ts";

const BUFFER = RAM_BASE + 0x8000;
const HANDLER = RAM_BASE + 0x4000;

/** A machine whose exceptions end in a loop at HANDLER. */
function trapping(options: object = {}): Guest {
	const g = guest("nop", options);
	g.machine.dma.store32(HANDLER, encode("jal", { rd: 0, imm: 0 }));
	g.machine.hart.state.mtvec = HANDLER;
	return g;
}

interface Result {
	trapped: boolean;
	cause: number;
	tval: number;
	a2: number;
}

/** Execute `w` with a0 = address, a1 = operand. */
function execute(g: Guest, w: number, a0: number, a1 = 0): Result {
	const { hart, dma } = g.machine;
	dma.store32(RAM_BASE, w);
	hart.x[10] = a0;
	hart.x[11] = a1;
	hart.x[12] = 0x0bad_cafe;
	hart.pc = RAM_BASE;
	g.machine.runBare(1);
	return {
		trapped: hart.pc === HANDLER,
		cause: hart.state.mcause,
		tval: hart.state.mtval,
		a2: hart.x[12]! >>> 0,
	};
}

const LOADS: Record<string, [number, (view: DataView, at: number) => number]> = {
	lb: [1, (v, at) => v.getInt8(at)],
	lbu: [1, (v, at) => v.getUint8(at)],
	lh: [2, (v, at) => v.getInt16(at, true)],
	lhu: [2, (v, at) => v.getUint16(at, true)],
	lw: [4, (v, at) => v.getInt32(at, true)],
};
const STORES: Record<string, [number, (view: DataView, at: number, value: number) => void]> = {
	sb: [1, (v, at, value) => v.setInt8(at, value)],
	sh: [2, (v, at, value) => v.setInt16(at, value, true)],
	sw: [4, (v, at, value) => v.setInt32(at, value, true)],
};

describe("loads and stores", () => {
	it("read and write what a DataView does, at any alignment, across pages", () => {
		const g = trapping();
		const size = 0x2000;
		const shadow = new DataView(new ArrayBuffer(size));
		const actual = new Uint8Array(size);
		const offset = fc.oneof(
			fc.integer({ min: 0, max: size - 4 }),
			fc.constantFrom(4093, 4094, 4095),
		);
		fc.assert(
			fc.property(
				offset,
				fc.integer(),
				fc.integer({ min: -2048, max: 2047 }),
				fc.constantFrom(...Object.keys(STORES)),
				fc.constantFrom(...Object.keys(LOADS)),
				(at, value, imm, store, load) => {
					const address = BUFFER + at - imm;
					const s = encode(store, { rs1: 10, rs2: 11, imm });
					expect(execute(g, s, address, value).trapped).toBe(false);
					STORES[store]![1](shadow, at, value);
					const l = encode(load, { rd: 12, rs1: 10, imm });
					expect(execute(g, l, address).a2).toBe(LOADS[load]![1](shadow, at) >>> 0);
				},
			),
			{ numRuns: 1000 },
		);
		g.machine.dma.read(BUFFER, actual);
		expect(actual).toEqual(new Uint8Array(shadow.buffer));
	});

	it("misaligned ones trap where the option says so", () => {
		const g = trapping({ misaligned: "trap" });
		for (const [name, [width]] of Object.entries(LOADS)) {
			const r = execute(g, encode(name, { rd: 12, rs1: 10, imm: 1 }), BUFFER);
			expect([r.trapped, name]).toEqual([width > 1, name]);
			if (r.trapped) expect([r.cause, r.tval, r.a2]).toEqual([4, BUFFER + 1, 0x0bad_cafe]);
		}
		for (const [name, [width]] of Object.entries(STORES)) {
			g.machine.dma.store32(BUFFER, 0x1122_3344);
			const r = execute(g, encode(name, { rs1: 10, rs2: 11, imm: 1 }), BUFFER, -1);
			expect([r.trapped, name]).toEqual([width > 1, name]);
			if (!r.trapped) continue;
			expect([r.cause, r.tval]).toEqual([6, BUFFER + 1]);
			expect(g.machine.dma.load32(BUFFER)).toBe(0x1122_3344);
		}
	});

	it("fault where no device answers, and change nothing", () => {
		const g = trapping();
		for (const address of [0, 0x10_0000 - 4, RAM_BASE - 4, RAM_BASE + (1 << 20), 0xffff_fffc]) {
			const load = execute(g, encode("lw", { rd: 12, rs1: 10 }), address);
			expect(load).toEqual({ trapped: true, cause: 5, tval: address, a2: 0x0bad_cafe });
			const store = execute(g, encode("sw", { rs1: 10, rs2: 11 }), address);
			expect([store.trapped, store.cause, store.tval]).toEqual([true, 7, address]);
		}
		// Half of it in RAM: nothing is written, and the part that failed is named.
		const end = RAM_BASE + (1 << 20);
		g.machine.dma.store16(end - 2, 0x5566);
		const store = execute(g, encode("sw", { rs1: 10, rs2: 11 }), end - 2, -1);
		expect([store.cause, store.tval]).toEqual([7, end]);
		expect(g.machine.dma.load16(end - 2)).toBe(0x5566);
	});

	it("reach devices with address, width and value, and never twice", () => {
		const g = trapping();
		const log: unknown[] = [];
		const device: MmioDevice = {
			load: (offset: number, width: Width) => {
				log.push(["load", offset, width]);
				return offset === 8 ? ACCESS_FAULT : 0xf0f1_f2f3 >>> (32 - 8 * width);
			},
			store: (offset: number, width: Width, value: number) => {
				log.push(["store", offset, width, value]);
				return offset !== 8;
			},
		};
		g.machine.bus.attach(0x1000_0000, 0x100, device);
		const load = (name: string, offset: number) =>
			execute(g, encode(name, { rd: 12, rs1: 10 }), 0x1000_0000 + offset);
		expect(load("lw", 0).a2).toBe(0xf0f1_f2f3);
		expect(load("lb", 1).a2).toBe(0xffff_fff0);
		expect(load("lhu", 2).a2).toBe(0xf0f1);
		expect(load("lw", 8)).toMatchObject({ trapped: true, cause: 5, tval: 0x1000_0008 });
		// Misaligned accesses to a device are refused.
		expect(load("lw", 2)).toMatchObject({ trapped: true, cause: 5, tval: 0x1000_0002 });
		const store = (name: string, offset: number, value: number) =>
			execute(g, encode(name, { rs1: 10, rs2: 11 }), 0x1000_0000 + offset, value);
		store("sb", 3, 0x1234_56f8);
		store("sh", 4, -2);
		store("sw", 12, -3);
		expect(store("sw", 8, 0)).toMatchObject({ trapped: true, cause: 7, tval: 0x1000_0008 });
		expect(log).toEqual([
			["load", 0, 4],
			["load", 1, 1],
			["load", 2, 2],
			["load", 8, 4],
			["store", 3, 1, 0xf8],
			["store", 4, 2, 0xfffe],
			["store", 12, 4, 0xffff_fffd],
			["store", 8, 4, 0],
		]);
	});
});

const signed = BigInt.asIntN.bind(null, 32);
const unsigned = BigInt.asUintN.bind(null, 32);
const ATOMICS: Record<string, (old: bigint, operand: bigint) => bigint> = {
	"amoswap.w": (_, b) => b,
	"amoadd.w": (a, b) => a + b,
	"amoxor.w": (a, b) => a ^ b,
	"amoand.w": (a, b) => a & b,
	"amoor.w": (a, b) => a | b,
	"amomin.w": (a, b) => (signed(a) < signed(b) ? a : b),
	"amomax.w": (a, b) => (signed(a) > signed(b) ? a : b),
	"amominu.w": (a, b) => (unsigned(a) < unsigned(b) ? a : b),
	"amomaxu.w": (a, b) => (unsigned(a) > unsigned(b) ? a : b),
};

describe("atomics", () => {
	for (const [name, oracle] of Object.entries(ATOMICS)) {
		it(`${name} returns the old value and leaves the new one`, () => {
			const g = trapping();
			fc.assert(
				fc.property(fc.integer(), fc.integer(), (old, operand) => {
					g.machine.dma.store32(BUFFER, old);
					const r = execute(g, encode(name, { rd: 12, rs1: 10, rs2: 11 }), BUFFER, operand);
					expect(r.a2).toBe(old >>> 0);
					const wanted = Number(unsigned(oracle(BigInt(old), BigInt(operand))));
					expect(g.machine.dma.load32(BUFFER)).toBe(wanted);
				}),
			);
		});
	}

	it("must be aligned and in RAM", () => {
		const g = trapping();
		const sc = encode("sc.w", { rd: 12, rs1: 10, rs2: 11 });
		const lr = encode("lr.w", { rd: 12, rs1: 10 });
		const amo = encode("amoadd.w", { rd: 12, rs1: 10, rs2: 11 });
		expect(execute(g, lr, BUFFER + 2)).toMatchObject({ cause: 4, tval: BUFFER + 2 });
		expect(execute(g, sc, BUFFER + 2)).toMatchObject({ cause: 6, tval: BUFFER + 2 });
		expect(execute(g, amo, BUFFER + 1)).toMatchObject({ cause: 6, tval: BUFFER + 1 });
		expect(execute(g, lr, 0x4000_0000)).toMatchObject({ cause: 5, tval: 0x4000_0000 });
		expect(execute(g, amo, 0x4000_0000)).toMatchObject({ cause: 7, tval: 0x4000_0000 });
	});

	it("sc.w succeeds once after lr.w of the same word, and not otherwise", () => {
		const g = trapping();
		const { dma, hart } = g.machine;
		const sc = encode("sc.w", { rd: 12, rs1: 10, rs2: 11 });
		const lr = encode("lr.w", { rd: 12, rs1: 10 });
		expect(execute(g, sc, BUFFER, 1).a2).toBe(1);
		dma.store32(BUFFER, 41);
		expect(execute(g, lr, BUFFER).a2).toBe(41);
		expect(execute(g, sc, BUFFER, 42).a2).toBe(0);
		expect(dma.load32(BUFFER)).toBe(42);
		expect(execute(g, sc, BUFFER, 43).a2).toBe(1);
		expect(dma.load32(BUFFER)).toBe(42);
		// Another word.
		execute(g, lr, BUFFER);
		expect(execute(g, sc, BUFFER + 4, 1).a2).toBe(1);
		// A trap, and a device that writes the word, end the reservation.
		execute(g, lr, BUFFER);
		execute(g, encode("ecall"), 0);
		expect(execute(g, sc, BUFFER, 1).a2).toBe(1);
		execute(g, lr, BUFFER);
		dma.store8(BUFFER + 3, 0);
		expect(execute(g, sc, BUFFER, 1).a2).toBe(1);
		execute(g, lr, BUFFER);
		dma.store32(BUFFER, 0);
		expect(execute(g, sc, BUFFER, 1).a2).toBe(1);
		execute(g, lr, BUFFER);
		dma.store8(BUFFER + 4, 0);
		expect(execute(g, sc, BUFFER, 7).a2).toBe(0);
		expect(hart.state.reservation).toBe(-1);
	});
});
