/** Options, snapshots, hashing, the layout that interpreter.ts repeats. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RUN_HALTED, RUN_IDLE, RUN_LIMIT } from "../../machine/bare-run.ts";
import { STORES } from "../../machine/code-cache.ts";
import { DMA_FAULT } from "../../machine/dma.ts";
import { WordHash } from "../../machine/hash.ts";
import { Machine } from "../../machine/machine.ts";
import * as layout from "../../machine/memory.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { OP } from "../../machine/op.ts";
import { Prng } from "../../machine/prng.ts";
import { UserError } from "../../machine/user-error.ts";
import { guest } from "../isa/guest.ts";
import { RW, user } from "./user.ts";

const MIB = 1 << 20;

describe("options", () => {
	it.each([
		[{ ramSize: 0 }, "RAM size 0"],
		[{ ramSize: 0x1_0000 - 4096 }, "RAM size 61440"],
		[{ ramSize: MIB + 1 }, "multiple of 4096"],
		[{ ramSize: 1024 * MIB }, "to 1023348736 bytes"],
		[{ ramSize: Number.NaN }, "RAM size NaN"],
		[{ ramSize: MIB, tlbEntries: 3 }, "TLB entries 3"],
		[{ ramSize: MIB, tlbEntries: 2 ** 17 }, "TLB entries 131072"],
		[{ ramSize: MIB, tlbEntries: 8, tlbWays: 16 }, "TLB ways 16"],
		[{ ramSize: MIB, tlbWays: 0 }, "TLB ways 0"],
		[{ ramSize: MIB, walkCycles: -1 }, "walk cycles -1"],
		[{ ramSize: MIB, walkCycles: 0.5 }, "walk cycles 0.5"],
	])("%o is refused with a message that names it", (options, message) => {
		expect(() => new Machine(options)).toThrow(UserError);
		expect(() => new Machine(options)).toThrow(message);
	});

	it("RAM and ROM lie below 1 GiB, so that table entries fit the one-test check", () => {
		expect(layout.RAM_OFFSET + layout.RAM_SIZE_MAX + layout.ROM_SIZE).toBe(2 ** 30);
		expect(layout.RAM_OFFSET % 4096).toBe(0);
	});
});

describe("the interpreter's literals", () => {
	const source = readFileSync(new URL("../../machine/interpreter.ts", import.meta.url), "utf8");

	it("are the indexes of memory.ts", () => {
		const hex = (n: number): string => {
			const digits = n.toString(16);
			return `0x${digits.length > 4 ? `${digits.slice(0, -4)}_${digits.slice(-4)}` : digits}`;
		};
		for (const [text, value] of [
			["m32[(tables + (va >>> 12)) | 0]", layout.RT],
			[`tables = m32[${layout.H_TABLES}]`, layout.H_TABLES],
			[`m32[(tables + ${hex(layout.WT)} + (va >>> 12)) | 0]`, layout.WT],
			[`m32[(tables + ${hex(layout.CT)} + (va >>> 12)) | 0]`, layout.CT],
			[`m32[(tables + ${hex(layout.XT)} + (pc >>> 12)) | 0]`, layout.XT],
			[`m32[${hex(layout.CODE_MAP)} + ((e - ${hex(layout.RAM_OFFSET)}) >> 12)]`, 0],
			[`u16[${hex(layout.LENGTHS - (layout.CODE >> 1))} + (ip >> 1)]`, layout.LENGTHS],
			[`ip = m32[${layout.H_IP}]`, layout.H_IP],
			[`pcBase = m32[${layout.H_PC_BASE}]`, layout.H_PC_BASE],
			[`base = m32[${layout.H_BASE}]`, layout.H_BASE],
			[`first = m32[${layout.H_FIRST}]`, layout.H_FIRST],
			[`page = m32[${layout.H_FETCH_PAGE}]`, layout.H_FETCH_PAGE],
			[`m32[${layout.H_PC}] = pc`, layout.H_PC],
			[`m32[${layout.H_LEFT}] = left`, layout.H_LEFT],
			[`m32[${layout.H_FETCH_HOST}] = e`, layout.H_FETCH_HOST],
			[`m32[${layout.H_RESERVATION}] = e`, layout.H_RESERVATION],
			[`m32[(left + ${STORES}) | 0]!--`, STORES],
			[`m32[${layout.H_PRIV}]`, layout.H_PRIV],
			[`m32[(left + ${layout.H_CSR_MASK - layout.H_CSR}) | 0]`, layout.H_CSR_MASK],
		] as const) {
			expect(source.includes(text), `${text} (${value})`).toBe(true);
		}
	});

	it("name a case for every operation that is not rare", () => {
		const cases = [...source.matchAll(/^\t{5}case ([0-9]+):/gm)].map((m) => Number(m[1]));
		const own = (op: number): boolean => op < OP.STRADDLE || op === OP.CSR;
		const wanted = Object.values(OP).filter((op) => op !== OP.UNDECODED && own(op));
		expect(cases.toSorted((a, b) => a - b)).toEqual(wanted.toSorted((a, b) => a - b));
	});
});

describe("the floating-point unit's literals", () => {
	const url = new URL("../../machine/float/unit.ts", import.meta.url);
	const source = readFileSync(url, "utf8");

	it("are the indexes of memory.ts", () => {
		expect([layout.RT, layout.WT]).toEqual([0, 0x10_0000]);
		expect([layout.H_IP, layout.H_F, layout.H_TABLES]).toEqual([40, 64, 161]);
		// Half of the index of a register's low word is its index as a double.
		expect(layout.H_F % 2).toBe(0);
	});

	it("name a case for every operation of F and D, under its name", () => {
		const cases = [...source.matchAll(/^\t+case ([0-9]+): \/\/ ([a-z.]+)/gm)];
		const found = cases.map(([, n, name]) => [name!.toUpperCase().replaceAll(".", "_"), Number(n)]);
		const wanted = Object.entries(OP).filter(([, op]) => op >= OP.FLW);
		expect(new Map(found as [string, number][])).toEqual(new Map(wanted));
		expect(found.length).toBe(wanted.length);
	});
});

describe("runBare", () => {
	it("says why it has returned", () => {
		const g = guest(`
			li a0, 1
			wfi
		loop:	j loop
		`);
		expect(g.machine.runBare(1)).toBe(RUN_LIMIT);
		expect(g.machine.runBare(100)).toBe(RUN_IDLE);
		const stop = g.machine.clock.register(() => g.machine.hart.halt());
		g.machine.hart.state.waiting = 0;
		g.machine.clock.schedule(50, stop);
		expect(g.machine.runBare(1000)).toBe(RUN_HALTED);
		expect(g.machine.clock.cycles).toBe(50);
	});

	it("ends even if a trap handler does nothing but trap", () => {
		const g = guest(".word 0");
		g.machine.hart.state.mtvec = 0x10; // outside RAM
		expect(g.machine.runBare(1000)).toBe(RUN_LIMIT);
		expect([g.machine.clock.cycles, g.machine.hart.counters.instret]).toEqual([1000, 0]);
	});
});

describe("snapshots", () => {
	const SOURCE = `
		lui a1, 0x40000
		li a3, 0
	loop:	lw a2, 0(a1)
		add a3, a3, a2
		sw a3, 4(a1)
		lr.w a4, (a1)
		csrrs a5, cycle, x0
		add a3, a3, a5
		j loop
	`;

	it("a restored machine continues like the saved one", () => {
		const build = () => {
			const u = user(SOURCE, { tlbEntries: 2, tlbWays: 1 });
			u.machine.clock.register(() => u.machine.lines.raise(9));
			return u;
		};
		const a = build();
		a.map(0x4000_0000, 0x30, RW);
		a.port.storeWord(0x30 * 1024, 3);
		a.port.sie = 0x220;
		a.port.stimecmp = 7;
		a.machine.clock.schedule(400, 1);
		a.port.run();
		expect(a.port.cycles).toBe(400);
		const saved = structuredClone(a.machine.save());
		const b = build();
		b.machine.restore(saved);
		expect(b.machine.stateHash()).toBe(a.machine.stateHash());
		expect(b.port.stimecmp).toBe(7);
		for (const u of [a, b]) {
			u.machine.lines.lower(9);
			u.port.run();
			expect([u.port.scause, u.port.cycles]).toEqual([0x8000_0005, 700]);
		}
		expect(b.machine.stateHash()).toBe(a.machine.stateHash());
		expect(b.machine.hart.mmu.counters).toEqual(a.machine.hart.mmu.counters);
		// And back: nothing of the current state remains.
		a.machine.restore(saved);
		expect(a.machine.save()).toEqual(saved);
	});

	it("are refused by a machine of another size", () => {
		const state = new Machine({ ramSize: MIB }).save();
		expect(() => new Machine({ ramSize: 2 * MIB }).restore(state)).toThrow(UserError);
		expect(() => new Machine({ ramSize: MIB, tlbEntries: 512 }).restore(state)).toThrow(UserError);
	});

	it("a state hash is added to another one as two words", () => {
		const machine = new Machine({ ramSize: MIB });
		machine.hart.x[5] = 0x1234_5678;
		const digest = machine.stateHash();
		const into = new WordHash().number(7);
		machine.hashInto(into);
		const expected = new WordHash().number(7);
		for (const at of [0, 8]) expected.number(Number.parseInt(digest.slice(at, at + 8), 16));
		expect(into.digest()).toBe(expected.digest());
	});

	it("the state hash sees one bit anywhere", () => {
		const machine = new Machine({ ramSize: MIB });
		const hashes = new Set([machine.stateHash()]);
		const { hart } = machine;
		const changes: (() => void)[] = [
			() => machine.dma.flip(RAM_BASE, 0),
			() => machine.dma.flip(RAM_BASE + MIB - 1, 7),
			() => (hart.x[31] = 1),
			() => (hart.pc = RAM_BASE + 2),
			() => (hart.state.mscratch = 1),
			() => (hart.state.stimecmpHigh = 0),
			() => hart.tlb.fill(5, false, false, 1, 0xdf),
			() => machine.clock.advance(1),
			() => machine.lines.raise(9),
		];
		for (const change of changes) {
			change();
			hashes.add(machine.stateHash());
		}
		expect(hashes.size).toBe(changes.length + 1);
	});
});

describe("dma", () => {
	it("reads pages as they are, also those that share the place of a view", () => {
		const { dma } = new Machine({ ramSize: 16 * 1024 * 1024 });
		const pages = [0, 1, 1024, 2048, 3072].map((page) => RAM_BASE + page * 4096);
		const into = new Uint8Array(3 * 4096);
		for (let round = 1; round < 4; round++) {
			for (const [i, pa] of pages.entries()) dma.fill(pa, 4096, 10 * round + i);
			for (const [i, pa] of pages.entries()) {
				expect(dma.read(pa, into, 4096, 4096)).toBe(true);
				const value = 10 * round + i;
				expect([into[4095], into[4096], into[8191], into[8192]]).toEqual([0, value, value, 0]);
			}
		}
	});

	it.each([
		["whole pages", 0x2000, 2 * 4096],
		["pages and a part of one", 0x2000, 2 * 4096 + 100],
		["what does not begin with a page", 0x2004, 3 * 4096],
		["a part of a page", 0x2000, 40],
	])("reads %s as they lie, by physical addresses and from the start of RAM on", (_, at, bytes) => {
		const { dma, memory } = new Machine({ ramSize: MIB });
		for (let i = 0; i < 0x8000; i++) memory.ram8[i] = (i * 7 + (i >> 8)) & 0xff;
		const expected = new Uint8Array(bytes + 10);
		expected.set(memory.ram8.subarray(at, at + bytes), 5);
		const into = new Uint8Array(bytes + 10);
		expect(dma.readAt(at, into, 5, bytes)).toBe(true);
		expect(Buffer.compare(into, expected)).toBe(0);
		expect(dma.read(RAM_BASE + at, into.fill(0), 5, bytes)).toBe(true);
		expect(Buffer.compare(into, expected)).toBe(0);
	});

	it("refuses what is not in RAM, whichever way it is named", () => {
		const { dma } = new Machine({ ramSize: MIB });
		for (const at of [-1, MIB - 1, MIB, -RAM_BASE, 2 ** 32 - RAM_BASE, 2 ** 32]) {
			expect([dma.containsAt(at, 2), dma.load16At(at), dma.store16At(at, 1)]).toEqual([
				...[false, DMA_FAULT, false],
			]);
			expect([dma.contains(RAM_BASE + at, 2), dma.store16(RAM_BASE + at, 1)]).toEqual([
				false,
				false,
			]);
		}
	});
});

describe("WordHash", () => {
	it("has not changed, and depends on order, place and length", () => {
		const digest = (...words: number[]) => new WordHash().words(Int32Array.from(words)).digest();
		expect(digest(1, 2, 3, 4, 5)).toBe("c69d4bf823cbd6d8");
		const different = [
			digest(),
			digest(0),
			digest(0, 0),
			digest(1, 2, 3, 4, 6),
			digest(2, 1, 3, 4, 5),
			digest(5, 2, 3, 4, 1),
			digest(1, 2, 3, 4, 5),
		];
		expect(new Set(different).size).toBe(different.length);
		const numbers = [0, 1, -1, 2 ** 32, 2 ** 52, Number.POSITIVE_INFINITY];
		expect(new Set(numbers.map((n) => new WordHash().number(n).digest())).size).toBe(6);
	});
});

describe("Prng", () => {
	it("repeats itself from a seed and from a saved state", () => {
		const a = new Prng(42);
		const b = new Prng(42);
		const first = Array.from({ length: 5 }, () => a.uint32());
		expect(Array.from({ length: 5 }, () => b.uint32())).toEqual(first);
		const state = a.save();
		const next = [a.uint32(), a.below(10), a.float()];
		b.restore(structuredClone(state));
		expect([b.uint32(), b.below(10), b.float()]).toEqual(next);
		for (const seed of [43, 42 + 2 ** 32, 0]) expect(new Prng(seed).uint32()).not.toBe(first[0]);
	});

	it("is xoshiro128**", () => {
		// The reference implementation's first numbers from the state 1, 2, 3, 4.
		const prng = new Prng(0);
		prng.restore([1, 2, 3, 4]);
		expect([prng.uint32(), prng.uint32(), prng.uint32()]).toEqual([11520, 0, 5927040]);
		expect(() => prng.restore([0, 0, 0, 0])).toThrow(RangeError);
	});

	it("below reaches every number and nothing else, about equally", () => {
		const prng = new Prng(7);
		const counts = new Array<number>(6).fill(0);
		for (let i = 0; i < 60_000; i++) counts[prng.below(6)]!++;
		for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
		expect(() => prng.below(0)).toThrow(RangeError);
		expect(() => prng.below(1.5)).toThrow(RangeError);
		for (let i = 0; i < 100; i++) expect(prng.float()).toBeLessThan(1);
		expect([prng.chance(0, 5), prng.chance(5, 5)]).toEqual([false, true]);
	});
});
