/** Checkpoints of a machine against a model that copies everything. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Checkpoint, Machine, MachineState } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { CYCLES_PER_TIME_TICK, FENCE_ALL, SIP_STIP } from "../../machine/port.ts";
import { scanPages, scratchHash } from "../support/scratch-hash.ts";
import { RW, TEXT, TEXT_FRAME, type User, user } from "./user.ts";

const RUNS = Number(process.env.CHECKPOINT_RUNS ?? 20);
const MIB = 1 << 20;

/** Data of eight pages, and a second mapping of the program, to be written to. */
const DATA = 0x4000_0000;
const DATA_FRAME = 0x30;
const DATA_PAGES = 8;
const ALIAS = 0x5000_0000;

/** Stores all over the data, and changes one of its own instructions. */
const SOURCE = `
		la s0, seed
		lw s0, 0(s0)
		lui s2, ${DATA >>> 12}
		lui s3, ${ALIAS >>> 12}
		li s4, 0x7fff
	loop:
		slli t0, s0, 13
		xor s0, s0, t0
		srli t0, s0, 17
		xor s0, s0, t0
		slli t0, s0, 5
		xor s0, s0, t0
		and t1, s0, s4
		add t1, t1, s2
		sb s0, 0(t1)
		sw s0, 0(t1)
		andi t1, t1, -4
		amoadd.w t2, s0, (t1)
		lr.w t2, (t1)
		sc.w t2, s0, (t1)
		slli t2, s0, 20
		ori t2, t2, 0x493
	patched:
		addi s1, s1, 1
		andi t0, s0, 0x3f
		bne t0, zero, loop
		sw t2, 0x48(s3)
		j loop
	seed:
		.word 0x12345
`;

function build(adPolicy: "hardware" | "trap"): User {
	const u = user(SOURCE, { tlbEntries: 8, tlbWays: 2, adPolicy });
	// One page more: stores near the end of the data may cross it.
	for (let i = 0; i <= DATA_PAGES; i++) u.map(DATA + i * 4096, DATA_FRAME + i, RW);
	u.map(ALIAS, TEXT_FRAME, RW);
	u.port.sie = SIP_STIP;
	return u;
}

type Op =
	| { readonly op: "run"; readonly ticks: number }
	/** `clean`: first the A and D bits of all data are cleared, and the TLB is emptied. */
	| { readonly op: "take"; readonly clean: boolean }
	| { readonly op: "back" | "release" | "load"; readonly which: number }
	| { readonly op: "hash" }
	| { readonly op: "write" | "zero" | "copy" | "flip" | "word"; readonly at: number };

const page = fc.integer({ min: 0, max: DATA_PAGES + 1 });
const operation: fc.Arbitrary<Op> = fc.oneof(
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constant("run" as const),
			ticks: fc.integer({ min: 1, max: 40 }),
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({ op: fc.constant("take" as const), clean: fc.boolean() }),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constantFrom("back", "back", "release", "load") as fc.Arbitrary<"back">,
			which: fc.nat(20),
		}),
	},
	{ weight: 3, arbitrary: fc.constant({ op: "hash" } as const) },
	{
		weight: 3,
		arbitrary: fc.record({
			op: fc.constantFrom(
				"write",
				"zero",
				"copy",
				"flip",
				"word",
				"clean",
			) as fc.Arbitrary<"write">,
			at: page,
		}),
	},
);

/** Physical address of the page that an operation is about: data, or the program. */
const addressOf = (at: number): number =>
	RAM_BASE + (at > DATA_PAGES ? TEXT_FRAME : DATA_FRAME + at) * 4096;

/** What software and devices do to RAM; the program itself stays whole. */
function change(u: User, op: Op["op"], at: number, step: number): void {
	const { port, machine } = u;
	const pa = addressOf(Math.min(at, DATA_PAGES));
	if (op === "write") machine.dma.write(pa + 100, Uint8Array.of(step, step + 1, step + 2));
	else if (op === "zero") port.zeroPage(pa);
	else if (op === "copy") port.copyPage(addressOf(at), pa);
	else if (op === "flip") machine.dma.flip(pa + 7, step & 7);
	else if (op === "word") port.storeWord((pa - RAM_BASE) / 4 + 5, step);
}

/** The next walk for any data writes to a page table. */
function cleanAll(u: User): void {
	for (let i = 0; i <= DATA_PAGES; i++) {
		const va = DATA + i * 4096;
		u.setPte(va, u.pte(va) & ~0xc0);
	}
	u.port.sfenceVma(FENCE_ALL, FENCE_ALL);
}

function run(u: User, ticks: number): void {
	const { port } = u;
	port.stimecmp = Math.floor(port.cycles / CYCLES_PER_TIME_TICK) + ticks;
	port.run();
}

const bytesOf = ({ buffer }: Int32Array): Uint8Array => new Uint8Array(buffer);

/** What is kept of the hash of RAM is that of all of it. */
function checkHash(machine: Machine): void {
	// First the hash: to save looks at the pages, too.
	const hash = machine.stateHash();
	const { ram } = machine.save();
	const all = scanPages(machine);
	expect([...ram.numbers]).toEqual([...all.numbers]);
	expect(Buffer.compare(bytesOf(ram.words), bytesOf(all.words))).toBe(0);
	expect(hash).toBe(scratchHash(machine));
}

describe.each(["hardware", "trap"] as const)("with A and D by %s", (adPolicy) => {
	it("any checkpoint brings back what a copy of everything holds, and its hash", () => {
		fc.assert(
			fc.property(fc.array(operation, { minLength: 5, maxLength: 60 }), (ops) => {
				const u = build(adPolicy);
				const { machine } = u;
				const taken: { checkpoint: Checkpoint; copy: MachineState }[] = [];
				for (const [step, op] of ops.entries()) {
					const which = "which" in op && taken.length > 0 ? op.which % taken.length : -1;
					if (op.op === "run") run(u, op.ticks);
					else if (op.op === "take") {
						if (op.clean && adPolicy === "hardware") cleanAll(u);
						taken.push({ checkpoint: machine.checkpoint(), copy: machine.save() });
					} else if ("at" in op) {
						change(u, op.op, op.at, step);
					} else if (op.op === "hash") {
						checkHash(machine);
					} else if (which >= 0 && op.op === "load") {
						machine.restore(taken[which]!.copy);
						checkHash(machine);
					} else if (which >= 0 && op.op === "release") {
						machine.release(taken[which]!.checkpoint);
						taken.splice(which, 1);
					} else if (which >= 0) {
						machine.rollback(taken[which]!.checkpoint);
						expect(machine.save()).toEqual(taken[which]!.copy);
						// And it continues like a machine without checkpoints.
						const fresh = build(adPolicy);
						fresh.machine.restore(taken[which]!.copy);
						for (const one of [u, fresh]) run(one, 30);
						expect(machine.stateHash()).toBe(fresh.machine.stateHash());
					}
				}
				checkHash(machine);
				for (const { checkpoint } of taken) machine.release(checkpoint);
				expect(machine.checkpointBytes).toBe(0);
			}),
			{ numRuns: RUNS },
		);
	});
});

describe("a checkpoint", () => {
	const change1 = (machine: Machine, pages: number): void => {
		for (let i = 0; i < pages; i++) machine.dma.store8(RAM_BASE + i * 4096, 1);
	};

	it("costs copies of the pages that are written, once, however many there are", () => {
		const { machine } = user("ecall", { ramSize: 16 * MIB });
		const checkpoints = [machine.checkpoint(), machine.checkpoint()];
		expect(machine.checkpointBytes).toBe(0);
		change1(machine, 10);
		change1(machine, 10);
		expect(machine.checkpointBytes).toBe(10 * 4096);
		machine.release(checkpoints[0]!);
		expect(machine.checkpointBytes).toBe(10 * 4096);
		machine.release(checkpoints[1]!);
		machine.release(checkpoints[1]!);
		expect(machine.checkpointBytes).toBe(0);
	});

	it("that was released cannot be restored", () => {
		const { machine } = user("ecall");
		const checkpoint = machine.checkpoint();
		machine.release(checkpoint);
		expect(() => machine.rollback(checkpoint)).toThrow(/released/);
	});

	it("keeps code decoded that has not changed", () => {
		const u = build("hardware");
		run(u, 20);
		const checkpoint = u.machine.checkpoint();
		u.machine.dma.store8(addressOf(0), 1);
		u.machine.rollback(checkpoint);
		const host = u.machine.memory.offsetOf(RAM_BASE + TEXT_FRAME * 4096, 1);
		const first = u.machine.hart.code.enter(host);
		const decoded = u.machine.memory.i32.subarray(first, first + 64);
		expect(decoded.some((word) => word !== 0)).toBe(true);
	});

	it("survives a state that is restored over it", () => {
		const u = build("hardware");
		const saved = u.machine.save();
		run(u, 20);
		const checkpoint = u.machine.checkpoint();
		const copy = u.machine.save();
		u.machine.restore(saved);
		run(u, 5);
		u.machine.rollback(checkpoint);
		expect(u.machine.save()).toEqual(copy);
		expect(u.port.pc).toBeGreaterThanOrEqual(TEXT);
	});
});

describe("whatever the size of RAM", () => {
	/** Pages that were hashed by `action`. */
	function hashed(machine: Machine, action: () => void): number {
		const before = machine.pagesHashed;
		action();
		return machine.pagesHashed - before;
	}

	it.each([16, 256])("%i MiB: only pages that were written are hashed and copied", (mib) => {
		const { machine } = user("ecall", { ramSize: mib * MIB });
		const last = mib * 256 - 1;
		const write = (pages: number): void => {
			for (let i = 0; i < pages; i++) machine.dma.store8(RAM_BASE + (last - i) * 4096, 7);
		};
		const first = hashed(machine, () => machine.stateHash());
		expect(first).toBeLessThan(5);
		write(10);
		expect(hashed(machine, () => machine.stateHash())).toBe(10);
		expect(hashed(machine, () => machine.stateHash())).toBe(0);
		let saved = machine.save();
		expect(saved.ram.numbers).toHaveLength(10 + first);
		const checkpoint = machine.checkpoint();
		write(3);
		expect(machine.checkpointBytes).toBe(3 * 4096);
		machine.rollback(checkpoint);
		expect(hashed(machine, () => machine.stateHash())).toBe(3);
		machine.restore(saved);
		expect(hashed(machine, () => machine.stateHash())).toBe(10 + first);
		expect(machine.checkpointBytes).toBe((10 + first) * 4096);
		machine.release(checkpoint);
		expect(hashed(machine, () => (saved = machine.save()))).toBe(0);
		expect(saved.ram.numbers).toHaveLength(10 + first);
	});

	it("a page that is zero again is as one that was never written", () => {
		const { machine } = user("ecall", { ramSize: 16 * MIB });
		const before = machine.stateHash();
		machine.dma.fill(RAM_BASE + 8 * MIB, 8192, 1);
		expect(machine.stateHash()).not.toBe(before);
		machine.dma.fill(RAM_BASE + 8 * MIB, 8192, 0);
		expect(machine.stateHash()).toBe(before);
	});

	it("where a page is makes a difference, and what it holds", () => {
		const hashes = [0, 4096, 4].flatMap((at) =>
			[1, 2].map((value) => {
				const { machine } = user("ecall", { ramSize: 16 * MIB });
				machine.dma.store32(RAM_BASE + 8 * MIB + at, value);
				return machine.stateHash();
			}),
		);
		expect(new Set(hashes).size).toBe(6);
	});
});
