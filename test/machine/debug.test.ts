/** Breakpoints, watchpoints and steps of the hart, none of which may affect the guest. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { createSystem } from "../../computer/system.ts";
import { RUN_STOPPED } from "../../machine/bare-run.ts";
import {
	DEBUG_BREAKPOINT,
	DEBUG_GOAL,
	DEBUG_NONE,
	DEBUG_WATCHPOINT,
	type Debug,
	WATCH_BOTH,
	WATCH_LOAD,
	WATCH_STORE,
} from "../../machine/debug.ts";
import type { Machine } from "../../machine/machine.ts";
import { assemble } from "../isa/assembler.ts";
import { type Guest, guest } from "../isa/guest.ts";
import { workload } from "../support/workload.ts";
import { RW, RX, TEXT, TEXT_FRAME, user } from "./user.ts";

const LOOP = `
	li a0, 0
	li a1, 10
again:	addi a0, a0, 1
	c.addi a2, 2
	bne a0, a1, again
	la a3, data
	lw a4, 0(a3)
	sw a4, 4(a3)
	sb a4, 9(a3)
	lh a5, 8(a3)
done:	j done
data:	.word 7
	.word 0
	.word 0
`;

const at = (g: Guest, label: string): number => g.labels.get(label)! >>> 0;

/** Go on to the next stop. */
function go(g: Guest, debug: Debug, goal = Number.POSITIVE_INFINITY, pass = false): number {
	debug.resume(goal, pass);
	g.machine.runBare(10_000);
	return debug.stop;
}

describe("a breakpoint", () => {
	it("stops before its instruction, each time", () => {
		const g = guest(LOOP);
		const debug = g.machine.hart.attachDebug();
		debug.addBreakpoint(at(g, "again"));
		for (let i = 0; i < 10; i++) {
			expect(go(g, debug, undefined, i > 0)).toBe(DEBUG_BREAKPOINT);
			expect([g.machine.hart.pc, g.machine.hart.x[10]]).toEqual([at(g, "again"), i]);
		}
		expect(go(g, debug, undefined, true)).toBe(DEBUG_NONE);
	});

	it("stops again at the same instruction, unless it is to be passed", () => {
		const g = guest(LOOP);
		const debug = g.machine.hart.attachDebug();
		debug.addBreakpoint(at(g, "done"));
		go(g, debug);
		const { steps } = debug;
		debug.resume(Number.POSITIVE_INFINITY, false);
		expect(g.machine.runBare(100)).toBe(RUN_STOPPED);
		expect(debug.steps).toBe(steps);
		go(g, debug, undefined, true);
		expect(debug.steps).toBe(steps + 1);
	});

	it("takes effect in code that is already decoded, and is gone once removed", () => {
		const g = guest(LOOP);
		const debug = g.machine.hart.attachDebug();
		go(g, debug, 10);
		debug.addBreakpoint(at(g, "again"));
		expect(go(g, debug)).toBe(DEBUG_BREAKPOINT);
		debug.removeBreakpoint(at(g, "again"));
		expect(go(g, debug)).toBe(DEBUG_NONE);
	});

	it("applies to a virtual address, independent of the page's frame and of other mappings", () => {
		const source = `
			lui a1, 0x20
			jalr ra, 0x10(a1)
			jal ra, target
			ebreak
		target:	addi a0, a0, 1
			ret
		`;
		const u = user(source);
		u.map(0x2_0000, TEXT_FRAME, RX);
		expect(u.labels.get("target")).toBe(TEXT + 0x10);
		const debug = u.machine.hart.attachDebug();
		debug.addBreakpoint(0x2_0010);
		u.port.run();
		expect([u.port.stopped, u.port.pc, u.port.x[10]]).toEqual([true, 0x2_0010, 0]);
		debug.resume(Number.POSITIVE_INFINITY, true);
		u.port.run();
		expect([u.port.stopped, u.port.scause, u.port.x[10]]).toEqual([false, 3, 2]);
	});

	it("on an instruction that crosses a page stops before the second page is looked up", () => {
		const u = user(`
			lui a1, 0x11
			jalr x0, -2(a1)
		`);
		const code = assemble("addi a0, x0, 5\necall", 0).bytes;
		u.port.writeRam(0x8000_0000 + TEXT_FRAME * 4096 + 0xffe, code);
		const debug = u.machine.hart.attachDebug();
		debug.addBreakpoint(0x1_0ffe);
		u.port.run();
		expect([u.port.stopped, u.machine.hart.mmu.counters.fetchMisses]).toEqual([true, 1]);
		debug.resume(Number.POSITIVE_INFINITY, true);
		u.port.run();
		expect([u.port.x[10], u.machine.hart.mmu.counters.fetchMisses]).toEqual([5, 2]);
	});

	it("stays when the code under it is overwritten", () => {
		const g = guest(`
			la a1, patch
			li a2, 0x00200513     # li a0, 2
			call patch
			sw a2, 0(a1)
			call patch
		done:	j done
		patch:	addi a0, x0, 1
			ret
		`);
		const debug = g.machine.hart.attachDebug();
		debug.addBreakpoint(at(g, "patch"));
		expect(go(g, debug)).toBe(DEBUG_BREAKPOINT);
		expect(go(g, debug, undefined, true)).toBe(DEBUG_BREAKPOINT);
		go(g, debug, undefined, true);
		expect(g.machine.hart.x[10]).toBe(2);
	});
});

describe("a watchpoint", () => {
	const watch = (
		kind: typeof WATCH_LOAD | typeof WATCH_STORE | typeof WATCH_BOTH,
		offset: number,
	) => {
		const g = guest(LOOP);
		const debug = g.machine.hart.attachDebug();
		debug.addWatchpoint({ va: at(g, "data") + offset, length: 4, kind });
		const hits: number[] = [];
		while (go(g, debug, undefined, hits.length > 0) === DEBUG_WATCHPOINT) {
			hits.push(debug.watchedVa - at(g, "data"), g.machine.hart.pc - at(g, "done"));
		}
		return hits;
	};

	it("stops before a store of its bytes, and before no other access", () => {
		expect(watch(WATCH_STORE, 0)).toEqual([]);
		expect(watch(WATCH_STORE, 4)).toEqual([4, -12]);
		expect(watch(WATCH_STORE, 8)).toEqual([9, -8]);
	});

	it("stops before a load, or before both", () => {
		expect(watch(WATCH_LOAD, 0)).toEqual([0, -16]);
		expect(watch(WATCH_LOAD, 4)).toEqual([]);
		expect(watch(WATCH_BOTH, 8)).toEqual([9, -8, 8, -4]);
	});

	it("stops before the access has any effect, and then lets it happen", () => {
		const u = user(`
			lui a1, 0x30
			sw a1, 0(a1)
			ecall
		`);
		u.map(0x3_0000, 0x30, RW & ~0xc0);
		const debug = u.machine.hart.attachDebug();
		debug.addWatchpoint({ va: 0x3_0000, length: 4, kind: WATCH_STORE });
		u.port.run();
		expect([u.port.stopped, debug.stop, u.port.pc]).toEqual([true, DEBUG_WATCHPOINT, TEXT + 4]);
		expect([u.machine.hart.mmu.counters.storeMisses, u.port.instret]).toEqual([0, 1]);
		debug.resume(Number.POSITIVE_INFINITY, true);
		u.port.run();
		expect([u.port.stopped, u.port.scause, u.port.ram32[0x30 * 1024]]).toEqual([
			false,
			8,
			0x3_0000,
		]);
	});

	it("sees atomics", () => {
		const g = guest(`
			la a1, data
			amoadd.w a0, a1, (a1)
			lr.w a0, (a1)
			sc.w a0, a0, (a1)
			sc.w a0, a0, (a1)
		done:	j done
		data:	.word 1
		`);
		const debug = g.machine.hart.attachDebug();
		debug.addWatchpoint({ va: at(g, "data"), length: 1, kind: WATCH_STORE });
		const hits: number[] = [];
		while (go(g, debug, undefined, hits.length > 0) === DEBUG_WATCHPOINT) {
			hits.push(g.machine.hart.pc - at(g, "done"));
		}
		expect(hits).toEqual([-16, -8]);
	});
});

describe("a step", () => {
	it("is one instruction, or one trap", () => {
		const g = guest(`
			la a0, handler
			csrrw x0, mtvec, a0
			addi a1, x0, 1
			ecall
		done:	j done
		handler: addi a1, a1, 1
			mret
		`);
		const debug = g.machine.hart.attachDebug();
		const { hart } = g.machine;
		const pcs: number[] = [];
		for (let i = 0; i < 7; i++) {
			expect(go(g, debug, debug.steps + 1)).toBe(DEBUG_GOAL);
			pcs.push(hart.pc - 0x8000_0000);
		}
		const handler = at(g, "handler") - 0x8000_0000;
		expect(pcs).toEqual([4, 8, 12, 16, handler, handler + 4, 16]);
		expect(hart.counters.instret + hart.traps.taken).toBe(7);
	});
});

/** What a debugger does to a machine between two runs. */
interface Action {
	readonly what: string;
	readonly where: number;
	readonly count: number;
}

const ACTIONS: fc.Arbitrary<Action[]> = fc.array(
	fc.record({
		what: fc.constantFrom("step", "break", "unbreak", "watch", "unwatch", "run"),
		where: fc.nat(),
		count: fc.integer({ min: 1, max: 40 }),
	}),
	{ minLength: 1, maxLength: 30 },
);

interface Subject {
	readonly machine: Machine;
	run(until: number): string;
	stateHash(): string;
}

/** Debug `subject` to its end, over and over by the list of actions. */
function disturb(subject: Subject, actions: readonly Action[], code: number, size: number): number {
	const debug = subject.machine.hart.attachDebug();
	const points = new Set<number>();
	let stops = 0;
	let state = "running";
	for (let i = 0; state === "running"; i++) {
		const { what, where, count } = actions[i % actions.length]!;
		const va = code + (where % size);
		let goal = Number.POSITIVE_INFINITY;
		// A thousand stops are enough; afterwards only the points slow it down.
		if (stops > 1000) debug.clear();
		else if (what === "step") goal = debug.steps + count;
		else if (what === "break") debug.addBreakpoint(va & ~1);
		else if (what === "unbreak") debug.removeBreakpoint(va & ~1);
		else if (what === "watch" && !points.has(va)) {
			points.add(va);
			debug.addWatchpoint({ va, length: 4, kind: WATCH_BOTH });
		} else if (what === "unwatch") {
			points.delete(va);
			debug.removeWatchpoint({ va, length: 4, kind: WATCH_BOTH });
		}
		debug.resume(goal, true);
		state = subject.run(subject.machine.clock.cycles + (stops > 1000 ? 1e9 : 500 * count));
		if (debug.stop !== DEBUG_NONE) stops++;
	}
	return stops;
}

const TIMER = `
	la t0, handler
	csrrw x0, mtvec, t0
	lui s0, 0x200c             # mtime is at 200bff8, mtimecmp at 2004000
	lui s1, 0x2004
	lw t1, -8(s0)
	addi t1, t1, 2
	sw t1, 0(s1)
	sw x0, 4(s1)
	li t2, 0x80
	csrrw x0, mie, t2
	csrrsi x0, mstatus, 8
	la a0, data
	li a1, 3000
loop:	lw a2, 0(a0)
	add a2, a2, a1
	sw a2, 0(a0)
	amoadd.w a3, a2, (a0)
	addi a1, a1, -1
	bne a1, x0, loop
	wfi
	lui t0, 0x100
	li t1, 0x5555
	sw t1, 0(t0)
end:	j end
handler: lw t1, -8(s0)
	addi t1, t1, 5
	sw t1, 0(s1)
	addi s5, s5, 1
	mret
data:	.word 1
`;

describe("the guest notices nothing", () => {
	const timer = (): Subject =>
		new Bare({ image: assemble(TIMER, 0x8000_0000).bytes, ram: 1 << 20 });
	const plain = timer();
	plain.run(1e8);

	it("bare, with interrupts", () => {
		expect(plain.machine.hart.x[21]).toBeGreaterThan(20);
		fc.assert(
			fc.property(ACTIONS, (actions) => {
				const bare = timer();
				disturb(bare, actions, 0x8000_0000, 0x70);
				expect(bare.stateHash()).toBe(plain.stateHash());
			}),
			{ numRuns: 25 },
		);
	});

	it("a program on the kernel, with paging", () => {
		const system = (): ReturnType<typeof createSystem> =>
			createSystem({ program: "sort", image: workload("sort"), args: ["1"], ram: 1 << 20 });
		const undisturbed = system();
		undisturbed.run();
		expect(undisturbed.kernel.uvmexp.pdpageouts).toBeGreaterThan(0);
		fc.assert(
			fc.property(ACTIONS, (actions) => {
				const debugged = system();
				disturb(debugged, actions, 0x1_0000, 0x1000);
				expect(debugged.report(0).exit).toEqual(undisturbed.report(0).exit);
				expect(debugged.stateHash()).toBe(undisturbed.stateHash());
			}),
			{ numRuns: 5 },
		);
	});
});
