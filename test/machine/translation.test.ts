/**
 * Sv32 and the TLB against a second model, written from section 4.3 of the privileged
 * specification without regard to speed: page tables as an array of words, the TLB as lists.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	MSTATUS_MXR,
	MSTATUS_SUM,
	PRIV_S,
	PRIV_U,
	type Privilege,
} from "../../machine/hart-state.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE, RAM_OFFSET, ROM_BASE } from "../../machine/memory.ts";
import type { AdPolicy } from "../../machine/mmu.ts";
import type { Access } from "../../machine/port.ts";

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const G = 32;
const A = 64;
const D = 128;

interface Entry {
	page: number; // virtual page number; of its first page for a large page
	large: boolean;
	global: boolean;
	asid: number;
	pte: number;
}

interface Outcome {
	fault: number; // 0, or the cause
	pa: number;
}

/** The naive model. Tables lie in `words`, word 0 being the first of RAM. */
class Model {
	readonly sets: Entry[][];
	misses = [0, 0, 0];
	upgrades = 0;
	satp = 0;
	priv: Privilege = PRIV_U;
	sum = false;
	mxr = false;
	readonly words: Uint32Array;
	readonly ways: number;
	readonly ad: AdPolicy;

	constructor(words: Uint32Array, entries: number, ways: number, ad: AdPolicy) {
		this.words = words;
		this.ways = ways;
		this.ad = ad;
		this.sets = Array.from({ length: entries / ways }, () => []);
	}

	get asid(): number {
		return Math.floor(this.satp / 2 ** 22) % 512;
	}

	setOf(page: number, large: boolean): Entry[] {
		return this.sets[(large ? Math.floor(page / 1024) : page) % this.sets.length]!;
	}

	lookup(page: number): Entry | null {
		for (const large of [false, true]) {
			const first = large ? page - (page % 1024) : page;
			for (const e of this.setOf(page, large)) {
				if (e.large !== large || e.page !== first) continue;
				if (e.global || e.asid === this.asid) return e;
			}
		}
		return null;
	}

	allowed(pte: number, access: Access): boolean {
		const user = (pte & U) !== 0;
		if (this.priv === PRIV_U && !user) return false;
		if (this.priv === PRIV_S && user && (access === 0 || !this.sum)) return false;
		if (access === 0) return (pte & X) !== 0;
		if (access === 2) return (pte & W) !== 0;
		return (pte & R) !== 0 || (this.mxr && (pte & X) !== 0);
	}

	word(pa: number): number | null {
		const i = (pa - RAM_BASE) / 4;
		return i >= 0 && i < this.words.length ? this.words[i]! : null;
	}

	/** => a new entry, or the cause of a fault. */
	walk(va: number, access: Access): Entry | number {
		const pageFault = [12, 13, 15][access]!;
		const accessFault = [1, 5, 7][access]!;
		let table = (this.satp % 2 ** 22) * 4096;
		let global = false;
		for (const level of [1, 0]) {
			const index = level === 1 ? Math.floor(va / 2 ** 22) : Math.floor(va / 4096) % 1024;
			const pa = table + 4 * index;
			const pte = this.word(pa);
			if (pte === null) return accessFault;
			if ((pte & V) === 0 || ((pte & R) === 0 && (pte & W) !== 0)) return pageFault;
			global ||= (pte & G) !== 0;
			const ppn = Math.floor(pte / 1024);
			if ((pte & (R | X)) === 0) {
				if (level === 0 || (pte & (A | D | U)) !== 0) return pageFault;
				table = ppn * 4096;
				continue;
			}
			if (level === 1 && ppn % 1024 !== 0) return pageFault;
			if (!this.allowed(pte, access)) return pageFault;
			const wanted = A | (access === 2 ? D : 0);
			let leaf = pte;
			if ((pte & wanted) !== wanted) {
				if (this.ad === "trap") return pageFault;
				leaf = (pte | wanted) >>> 0;
				this.words[(pa - RAM_BASE) / 4] = leaf;
			}
			const page = Math.floor(va / 4096);
			const large = level === 1;
			return {
				page: large ? page - (page % 1024) : page,
				large,
				global,
				asid: this.asid,
				pte: leaf,
			};
		}
		throw new Error("unreachable");
	}

	access(va: number, access: Access): Outcome {
		const page = Math.floor(va / 4096);
		let entry = this.lookup(page);
		if (entry === null) {
			this.misses[access]!++;
			const found = this.walk(va, access);
			if (typeof found === "number") return { fault: found, pa: 0 };
			const set = this.setOf(page, found.large);
			set.unshift(found);
			if (set.length > this.ways) set.pop();
			entry = found;
		} else if (!this.allowed(entry.pte, access)) {
			return { fault: [12, 13, 15][access]!, pa: 0 };
		} else if (access === 2 && (entry.pte & D) === 0) {
			if (this.ad === "trap") return { fault: 15, pa: 0 };
			this.upgrades++;
			const found = this.walk(va, access);
			if (typeof found === "number") return { fault: found, pa: 0 };
			if (found.large === entry.large) {
				entry.pte = found.pte;
				entry.global = found.global;
				entry.asid = found.asid;
			} else {
				const old = this.setOf(page, entry.large);
				old.splice(old.indexOf(entry), 1);
				const set = this.setOf(page, found.large);
				set.unshift(found);
				if (set.length > this.ways) set.pop();
				entry = found;
			}
		}
		const frame = Math.floor(entry.pte / 1024);
		const number = entry.large ? frame - (frame % 1024) + (page % 1024) : frame;
		return { fault: 0, pa: number * 4096 + (va % 4096) };
	}

	fence(va: number | null, asid: number | null): void {
		for (const set of this.sets) {
			for (let i = set.length - 1; i >= 0; i--) {
				const e = set[i]!;
				const page = va === null ? null : Math.floor(va / 4096);
				const hitsPage = page === null || (e.large ? page - (page % 1024) : page) === e.page;
				const hitsAsid = asid === null || (!e.global && e.asid === asid % 512);
				if (hitsPage && hitsAsid) set.splice(i, 1);
			}
		}
	}
}

const RAM = 1 << 20;
/** Few pages and few tables, so that random operations meet. */
const VAS = [0, 0x1000, 0x2000, 0x3ff000, 0x40_0000, 0x40_1000, 0x80_0000, 0xffff_f000];

type Operation =
	| { kind: "map"; table: number; slot: number; ppn: number; flags: number }
	| { kind: "directory"; root: number; slot: number; ppn: number; flags: number }
	| { kind: "fence"; va: number | null; asid: number | null }
	| { kind: "context"; asid: number; root: number; priv: Privilege; sum: boolean; mxr: boolean }
	| { kind: "access"; va: number; access: Access; offset: number };

const ppn = fc.oneof(
	fc.integer({ min: 0x8_0010, max: 0x8_0020 }),
	fc.constantFrom(0, 0x1_0000, 0x8_0000, 0x8_0400, 0x3f_ffff, 0x8_00ff, 0x8_0100),
);
const flags = fc.oneof(
	fc.constantFrom(0xdf, 0xd7, 0x5f, 0x1f, 0xdb, 0xcf, 0xff, 0x53, 0x59, 0x00),
	fc.integer({ min: 0, max: 255 }),
);
const slot = fc.constantFrom(0, 1, 2, 0x3ff);
const pointerOrLeaf = fc.oneof(
	{ weight: 4, arbitrary: fc.constantFrom(V, V, V, V | G) },
	{ weight: 2, arbitrary: flags },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
	{
		weight: 5,
		arbitrary: fc.record({
			kind: fc.constant("map" as const),
			table: fc.integer({ min: 4, max: 6 }),
			slot,
			ppn,
			flags,
		}),
	},
	{
		weight: 2,
		arbitrary: fc.record({
			kind: fc.constant("directory" as const),
			root: fc.integer({ min: 2, max: 3 }),
			slot,
			ppn: fc.oneof(
				{ weight: 6, arbitrary: fc.constantFrom(0x8_0004, 0x8_0005, 0x8_0006) },
				{ weight: 3, arbitrary: fc.constantFrom(0x8_0000, 0x8_0400, 0x8_0004) },
				{ weight: 1, arbitrary: ppn },
			),
			flags: pointerOrLeaf,
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constant("fence" as const),
			va: fc.option(fc.constantFrom(...VAS)),
			asid: fc.option(fc.constantFrom(0, 1, 2, 511, 513)),
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constant("context" as const),
			asid: fc.constantFrom(0, 1, 511),
			root: fc.constantFrom(2, 2, 2, 3, 0x1000),
			priv: fc.constantFrom(PRIV_U, PRIV_U, PRIV_S),
			sum: fc.boolean(),
			mxr: fc.boolean(),
		}),
	},
	{
		weight: 20,
		arbitrary: fc.record({
			kind: fc.constant("access" as const),
			va: fc.constantFrom(...VAS),
			access: fc.constantFrom<Access>(0, 1, 2),
			offset: fc.integer({ min: 0, max: 4095 }),
		}),
	},
);

/** Apply one operation to both. => what an access gave in each, or null. */
function apply(machine: Machine, model: Model, op: Operation): [Outcome, Outcome] | null {
	const { hart, memory } = machine;
	const setPte = (page: number, index: number, pte: number): void => {
		memory.ram32[page * 1024 + index] = pte;
		model.words[page * 1024 + index] = pte;
	};
	switch (op.kind) {
		case "map":
			setPte(op.table, op.slot, op.ppn * 1024 + op.flags);
			return null;
		case "directory":
			setPte(op.root, op.slot, op.ppn * 1024 + op.flags);
			return null;
		case "fence":
			hart.mmu.fence(op.va ?? -1, op.asid ?? -1);
			model.fence(op.va, op.asid);
			return null;
		case "context": {
			const { state } = hart;
			const satp = 0x8000_0000 + op.asid * 2 ** 22 + 0x8_0000 + op.root;
			model.satp = state.satp = satp;
			model.priv = state.priv = op.priv;
			model.sum = op.sum;
			model.mxr = op.mxr;
			state.mstatus = (op.sum ? MSTATUS_SUM : 0) | (op.mxr ? MSTATUS_MXR : 0);
			hart.mmu.updateContext();
			return null;
		}
		case "access": {
			const va = op.va + op.offset;
			const host = hart.mmu.translate(va, op.access);
			const rom = RAM_OFFSET + hart.memory.ramSize;
			const base = host >= rom ? ROM_BASE - rom : RAM_BASE - RAM_OFFSET;
			const got =
				host === 0
					? { fault: hart.state.cause, pa: 0 }
					: { fault: 0, pa: host < 0 ? hart.mmu.pa : host + base };
			if (host === 0) expect(hart.state.tval).toBe(va);
			return [got, model.access(va, op.access)];
		}
	}
}

describe("Sv32 translation", () => {
	for (const adPolicy of ["hardware", "trap"] as const) {
		for (const [entries, ways] of [
			[2, 1],
			[8, 2],
			[4, 4],
			[1024, 4],
		] as const) {
			it(`agrees with the naive model: A/D ${adPolicy}, ${entries} entries, ${ways} ways`, () => {
				fc.assert(
					fc.property(fc.array(operation, { maxLength: 250, size: "max" }), (operations) => {
						const machine = new Machine({
							ramSize: RAM,
							tlbEntries: entries,
							tlbWays: ways,
							adPolicy,
						});
						const model = new Model(new Uint32Array(RAM / 4), entries, ways, adPolicy);
						const start: Operation[] = [
							{ kind: "context", asid: 1, root: 2, priv: PRIV_U, sum: false, mxr: false },
							{ kind: "directory", root: 2, slot: 0, ppn: 0x8_0004, flags: V },
							{ kind: "directory", root: 2, slot: 1, ppn: 0x8_0005, flags: V },
							{ kind: "directory", root: 3, slot: 0, ppn: 0x8_0006, flags: V },
						];
						for (const op of [...start, ...operations]) {
							const outcome = apply(machine, model, op);
							if (outcome !== null) expect(outcome[0], JSON.stringify(op)).toEqual(outcome[1]);
						}
						compare(machine, model);
					}),
					{ numRuns: 30 },
				);
			});
		}
	}
});

/** Counters, entries in order of age, page tables. */
function compare(machine: Machine, model: Model): void {
	const { counters } = machine.hart.mmu;
	expect([counters.fetchMisses, counters.loadMisses, counters.storeMisses]).toEqual(model.misses);
	expect(counters.dirtyUpgrades).toBe(model.upgrades);
	const entries = machine.hart.tlb.list();
	for (const [number, set] of model.sets.entries()) {
		const got = entries
			.filter((e) => Math.floor(e.index / model.ways) === number)
			.map((e) => ({
				page: e.vpn,
				large: e.superpage,
				global: e.global,
				asid: e.asid,
				pte: e.pte,
			}));
		expect(got).toEqual(set);
	}
	expect(Buffer.compare(machine.memory.ram8, new Uint8Array(model.words.buffer))).toBe(0);
}
