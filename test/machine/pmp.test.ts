/**
 * Physical memory protection against a model that looks up the entry of every byte.
 * Privileged specification 1.12, section 3.7.1.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PRIV_M, PRIV_S, PRIV_U, type Privilege } from "../../machine/hart-state.ts";
import { Machine } from "../../machine/machine.ts";
import { PMP_ALLOWED, PMP_MIXED, Pmp } from "../../machine/pmp.ts";
import { ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE, type Access } from "../../machine/port.ts";
import { assemble } from "../isa/assembler.ts";

interface Entry {
	readonly cfg: number;
	readonly addr: number;
}

/** Does entry `i` match the byte at `pa`? Table 3.10, bit by bit. */
function matches(entries: readonly Entry[], i: number, pa: number): boolean {
	const { cfg, addr } = entries[i]!;
	const word = BigInt(pa) >> 2n;
	const top = BigInt(addr);
	switch ((cfg >> 3) & 3) {
		case 0:
			return false;
		case 1: {
			const bottom = i === 0 ? 0n : BigInt(entries[i - 1]!.addr);
			return word >= bottom && word < top;
		}
		case 2:
			return word === top;
		default: {
			let ones = 0n;
			while (ones < 32n && ((top >> ones) & 1n) === 1n) ones++;
			return word >> (ones + 1n) === top >> (ones + 1n);
		}
	}
}

function allowed(
	entries: readonly Entry[],
	pa: number,
	bytes: number,
	access: Access,
	priv: Privilege,
): boolean {
	for (let i = 0; i < entries.length; i++) {
		let count = 0;
		for (let byte = 0; byte < bytes; byte++) if (matches(entries, i, pa + byte)) count++;
		if (count === 0) continue;
		const { cfg } = entries[i]!;
		if (count < bytes) return false;
		if (priv === PRIV_M && (cfg & 0x80) === 0) return true;
		return (cfg & (access === ACCESS_LOAD ? 1 : access === ACCESS_STORE ? 2 : 4)) !== 0;
	}
	return priv === PRIV_M;
}

const BASE = 0x2000_0000;
const addresses = fc.oneof(
	fc.integer({ min: 0, max: 0xfff }).map((n) => BASE + n),
	fc.integer({ min: 0, max: 11 }).map((ones) => BASE + 2 ** ones - 1),
	fc.constantFrom(0, 0xffff_ffff, 0x7fff_ffff, 0xbfff_ffff, 0xf000_0000),
	fc.integer({ min: 0, max: 0xffff_ffff }),
);
// W without R is reserved, and is another test's.
const configurations = fc
	.tuple(fc.constantFrom(0, 1, 3, 4, 5, 7), fc.integer({ min: 0, max: 3 }), fc.boolean())
	.map(([rights, mode, locked]) => rights | (mode << 3) | (locked ? 0x80 : 0));
const tables = fc.array(fc.record({ cfg: configurations, addr: addresses }), {
	minLength: 16,
	maxLength: 16,
});
const accesses = fc.record({
	pa: fc.oneof(
		fc.integer({ min: 0, max: 0x4000 }).map((n) => BASE * 4 + n),
		fc.integer({ min: 0, max: 2 ** 34 - 8 }),
	),
	bytes: fc.constantFrom(1, 2, 4, 8),
	access: fc.constantFrom<Access>(ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE),
	priv: fc.constantFrom<Privilege>(PRIV_U, PRIV_S, PRIV_M),
});

function pmpOf(entries: readonly Entry[]): Pmp {
	const pmp = new Pmp(16);
	entries.forEach(({ addr }, i) => {
		pmp.writeAddr(i, addr);
	});
	for (let i = 0; i < 4; i++) {
		const [a, b, c, d] = entries.slice(4 * i, 4 * i + 4).map(({ cfg }) => cfg) as number[];
		pmp.writeCfg(i, (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0);
	}
	return pmp;
}

describe("protection agrees with the model", () => {
	it("about every access", () => {
		fc.assert(
			fc.property(tables, accesses, (entries, { pa, bytes, access, priv }) => {
				const pmp = pmpOf(entries);
				const expected = allowed(entries, pa, bytes, access, priv);
				expect(pmp.allows(pa, bytes, access, priv)).toBe(expected);
				// A mode that PMP does not restrict is never checked.
				if (!pmp.binds(priv) && pa % 4096 <= 4096 - bytes) expect(expected).toBe(true);
			}),
			{ numRuns: 3000 },
		);
	});

	it("about whole pages", () => {
		fc.assert(
			fc.property(tables, accesses, (entries, { pa, access, priv }) => {
				const page = pa - (pa % 4096);
				const verdict = pmpOf(entries).page(page, access, priv);
				if (verdict === PMP_MIXED) return;
				const at = [0, 4, 2044, 4092].map((offset) =>
					allowed(entries, page + offset, 4, access, priv),
				);
				expect(at).toEqual(at.map(() => verdict === PMP_ALLOWED));
			}),
			{ numRuns: 1000 },
		);
	});

	it("and what is locked stays as it is", () => {
		fc.assert(
			fc.property(tables, tables, (before, after) => {
				const pmp = pmpOf(before);
				const locked = (i: number): boolean => ((before[i]?.cfg ?? 0) & 0x80) !== 0;
				after.forEach(({ addr }, i) => {
					pmp.writeAddr(i, addr);
				});
				for (let i = 0; i < 4; i++) pmp.writeCfg(i, 0);
				before.forEach(({ cfg, addr }, i) => {
					const nextIsTor = locked(i + 1) && ((before[i + 1]!.cfg >> 3) & 3) === 1;
					const kept = locked(i) || nextIsTor;
					expect(pmp.readAddr(i)).toBe(kept ? addr : after[i]!.addr);
					expect((pmp.readCfg(i >> 2) >>> (8 * (i & 3))) & 0xff).toBe(locked(i) ? cfg : 0);
				});
			}),
			{ numRuns: 300 },
		);
	});
});

it("M-mode, too, may not make an access of which an unlocked region has only a part", () => {
	const { bytes, labels } = assemble(`
		la t0, fault
		csrrw x0, mtvec, t0
		la t0, 0x20000801
		csrrw x0, pmpaddr0, t0
		li t0, 0x17
		csrrw x0, pmpcfg0, t0
		la t1, 0x80002000
		sw t1, 4(t1)
		sw t1, 2(t1)
		ebreak
	fault:
		csrrs a0, mcause, x0
		csrrs a1, mepc, x0
		csrrs a2, mtval, x0
	end:
		wfi
	`);
	const machine = new Machine({ ramSize: 1 << 20, pmpEntries: 16 });
	machine.dma.write(0x8000_0000, bytes);
	machine.reset(0x8000_0000);
	machine.runBare(1000, true);
	expect(machine.hart.pc).toBe(labels.get("end")! + 4);
	expect([...machine.hart.x.slice(10, 13)].map((v) => v >>> 0)).toEqual([
		7,
		labels.get("fault")! - 8,
		0x8000_2002,
	]);
	// The first store was made.
	expect(machine.dma.load32(0x8000_2004)).toBe(0x8000_2000);
});
