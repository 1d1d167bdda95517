/** References do to MMU, TLB, page tables and time what loads and stores of a program do. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { ACCESS_FETCH, FENCE_ALL } from "../../machine/port.ts";
import type { References } from "../../machine/references.ts";
import { runUntil } from "../support/until.ts";
import { TEXT, type User, user } from "./user.ts";

const DATA = 0x4000_1000;
const PAGES = 12;
/** V R U and V R W U: A and D are set by the hardware, or trap. */
const KINDS = [0, 0x13, 0x17];

interface Access {
	readonly page: number;
	readonly store: boolean;
}
const accesses = fc.array(fc.record({ page: fc.nat(PAGES - 1), store: fc.boolean() }), {
	minLength: 1,
	maxLength: 60,
});
const policies = fc.constantFrom<"hardware" | "trap">("hardware", "trap");

/** The text's page has a set of the TLB for itself: its entries are those of no data. */
const SETS = 4;
const dataAt = (page: number): number => DATA + (page + Math.floor(page / (SETS - 1))) * 4096;

const LOAD = 0;
const STORE = 4;
const PROGRAM = `
	lw a1, 0(a0)
	sw a1, 0(a0)
`;

function machineOf(adPolicy: "hardware" | "trap", kinds: readonly number[]): User {
	const u = user(PROGRAM, { adPolicy, tlbEntries: 8, tlbWays: 2, walkCycles: 7 });
	for (const [page, kind] of kinds.entries()) u.map(dataAt(page), 0x40 + page, KINDS[kind]!);
	return u;
}

/** What a kernel does about a page fault. */
function resolve(u: User, page: number): void {
	u.map(dataAt(page), 0x40 + page, 0xd7);
	u.port.sfenceVma(dataAt(page), FENCE_ALL);
}

interface Seen {
	readonly traps: unknown[];
	readonly cycles: number;
	readonly instret: number;
	readonly ptes: number[];
	readonly tlb: unknown;
}

function seenOf(u: User, traps: unknown[]): Seen {
	const { fetchMisses: _, ...tlb } = u.machine.hart.mmu.counters;
	const ptes = Array.from({ length: PAGES }, (_, page) => u.pte(dataAt(page)));
	return { traps, cycles: u.port.cycles, instret: u.port.instret, ptes, tlb };
}

/** One access; again after a fault. `make` => whether it has trapped */
function follow(u: User, all: readonly Access[], make: (access: Access) => boolean): Seen {
	const traps: unknown[] = [];
	for (const access of all) {
		while (make(access)) {
			traps.push([u.port.scause, u.port.stval]);
			resolve(u, access.page);
		}
	}
	return seenOf(u, traps);
}

function ofProgram(u: User, all: readonly Access[]): Seen {
	const { port, machine } = u;
	// The text's page is looked up before, and costs nothing.
	machine.hart.mmu.translate(TEXT, ACCESS_FETCH);
	machine.hart.state.stall = 0;
	return follow(u, all, ({ page, store }) => {
		port.x[10] = dataAt(page);
		port.pc = TEXT + (store ? STORE : LOAD);
		return runUntil(port, port.cycles + 1);
	});
}

function ofReferences(u: User, references: References, all: readonly Access[]): Seen {
	const one = new Int32Array(1);
	return follow(u, all, ({ page, store }) => {
		one[0] = dataAt(page) | (store ? 1 : 0);
		if (references.left === 0) references.give(one, 1);
		return u.port.run();
	});
}

it("as loads and stores do, one by one", () => {
	const kinds = fc.array(fc.nat(KINDS.length - 1), { minLength: PAGES, maxLength: PAGES });
	fc.assert(
		fc.property(accesses, policies, kinds, (all, adPolicy, pages) => {
			const program = machineOf(adPolicy, pages);
			const trace = machineOf(adPolicy, pages);
			const references = trace.machine.refer();
			expect(ofReferences(trace, references, all)).toEqual(ofProgram(program, all));
		}),
		{ numRuns: 30 },
	);
});

it("the same in whatever parts they come", () => {
	fc.assert(
		fc.property(accesses, fc.integer({ min: 1, max: 60 }), (all, size) => {
			const run = (count: number): Seen => {
				const u = machineOf("hardware", new Array<number>(PAGES).fill(0));
				const references = u.machine.refer();
				const traps: unknown[] = [];
				const words = Int32Array.from(all, ({ page, store }) => dataAt(page) | (store ? 1 : 0));
				for (let at = 0; at < words.length; at += count) {
					references.give(words.subarray(at), Math.min(count, words.length - at));
					while (u.port.run()) {
						traps.push([u.port.scause, u.port.stval]);
						resolve(u, Array.from({ length: PAGES }, (_, i) => dataAt(i)).indexOf(u.port.stval));
					}
					expect(u.port.stopped).toBe(true);
					expect(references.left).toBe(0);
				}
				return seenOf(u, traps);
			};
			expect(run(size)).toEqual(run(all.length));
		}),
		{ numRuns: 20 },
	);
});

it("events fire at their cycle", () => {
	const u = machineOf("hardware", new Array<number>(PAGES).fill(2));
	const references = u.machine.refer();
	references.give(new Int32Array(1000).fill(dataAt(0)), 1000);
	expect(runUntil(u.port, u.port.cycles + 300)).toBe(false);
	expect([u.port.cycles, references.left]).toEqual([300, 1000 - 300 + 7]);
	expect(u.port.stopped).toBe(false);
	expect(u.port.run()).toBe(false);
	expect([u.port.cycles, u.port.instret, u.port.stopped]).toEqual([1007, 1000, true]);
});
