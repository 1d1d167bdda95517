/** Interrupts that are lost, late, doubled, out of order, or that nobody has asked for. */
import { describe, expect, it } from "vitest";
import { Board, boardParts } from "../../../devices/board.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import type { PlicRequests } from "../../../devices/plic.ts";
import { IRQ_SEI } from "../../../machine/port.ts";
import { UserError } from "../../../machine/user-error.ts";
import { guest } from "../../isa/guest.ts";

const CLAIM = 0x20_1004;
const THRESHOLD = 0x20_1000;
const ENABLE = 0x2080;
const SOURCES = [3, 5, 9];

/** A board, its sources enabled for S-mode with priority 2; 9 has 3. */
function board(rules: readonly MachineRule[], plic: PlicRequests = "level") {
	const g = guest("loop: j loop");
	const { machine } = g;
	const parts = new Board(boardParts(machine), {
		plic,
		disks: [{ media: new MemoryDisk(4096) }],
	});
	for (const source of SOURCES) parts.plic.store(source * 4, 4, source === 9 ? 3 : 2);
	parts.plic.store(ENABLE, 4, 0b10_0010_1000);
	const faults = new MachineFaults(machine, rules, 1, parts);
	return {
		machine,
		plic: parts.plic,
		board: parts,
		faults,
		set: (source: number, level: boolean) => parts.plic.line(source).set(level),
		/** Is the hart interrupted? */
		get seip() {
			return ((machine.lines.levels >>> IRQ_SEI) & 1) === 1;
		},
		claim: () => parts.plic.load(CLAIM, 4),
		complete: (source: number) => parts.plic.store(CLAIM, 4, source),
	};
}
const rule = (model: string, params: object, rest: object = {}): MachineRule =>
	({ id: "i", model, params, ...rest }) as MachineRule;

describe("a lost interrupt", () => {
	it("comes with the next request of its device", () => {
		for (const requests of ["level", "raise"] as const) {
			const b = board([rule("irq.lost", { source: 5 })], requests);
			b.set(5, true);
			expect(b.seip).toBe(false);
			b.set(3, true);
			expect([b.seip, b.claim()]).toEqual([true, 3]);
			b.set(3, false);
			b.complete(3);
			// The wire of 5 is high all the time, but only its device can say so.
			expect(b.seip).toBe(false);
			b.set(5, true);
			expect([b.seip, b.claim()]).toEqual([true, 5]);
			expect(b.faults.ledger.entries).toHaveLength(1);
		}
	});

	it("that is an edge alone is seen when the last one is completed", () => {
		for (const drop of ["level", "edge"] as const) {
			const b = board([rule("irq.lost", { source: 5, drop }, { when: { hit: 2 } })]);
			b.set(5, true);
			expect(b.claim()).toBe(5);
			b.set(5, false);
			b.set(5, true);
			b.complete(5);
			expect([drop, b.seip]).toEqual([drop, drop === "edge"]);
		}
	});
});

describe("a delayed interrupt", () => {
	it("comes later, and in another machine at the same time", () => {
		const late = rule("irq.delayed", { source: 5, addNs: 1000 });
		const b = board([late]);
		b.machine.clock.advance(77);
		b.set(5, true);
		b.machine.clock.advance(900);
		expect(b.seip).toBe(false);
		const saved = structuredClone({
			machine: b.machine.save(),
			board: b.board.save(),
			faults: b.faults.save(),
		});
		const other = board([late]);
		other.machine.restore(saved.machine);
		other.board.restore(saved.board);
		other.faults.restore(saved.faults);
		for (const { machine, seip } of [b, other]) {
			expect(seip).toBe(false);
			machine.clock.advance(99);
		}
		for (const each of [b, other]) {
			expect(each.seip).toBe(false);
			each.machine.clock.advance(1);
			expect([each.seip, each.claim()]).toEqual([true, 5]);
		}
	});

	it("that its device has withdrawn does not come", () => {
		const b = board([rule("irq.delayed", { source: 5, addNs: 1000 })]);
		b.set(5, true);
		b.set(5, false);
		b.machine.clock.advance(2000);
		expect([b.seip, b.machine.clock.nextEvent]).toEqual([false, Number.POSITIVE_INFINITY]);
	});
});

it("a duplicated interrupt comes once more when it is completed", () => {
	const b = board([rule("irq.duplicated", { source: 5 }, { life: "permanent" })]);
	for (let n = 1; n <= 3; n++) {
		b.set(5, true);
		expect(b.claim()).toBe(5);
		b.set(5, false);
		b.complete(5);
		expect([b.seip, b.claim()]).toEqual([true, 5]);
		// What comes again is also saved, and comes no third time.
		b.faults.restore(structuredClone(b.faults.save()));
		b.complete(5);
		expect([b.seip, b.faults.ledger.total]).toEqual([false, n]);
	}
});

describe("a spurious interrupt", () => {
	it("gives its source when it is claimed, or nothing", () => {
		for (const [params, claimed] of [
			[{ source: 3 }, 3],
			[{}, 0],
		] as const) {
			const b = board([rule("irq.spurious", params, { when: { atNs: 50 } })]);
			b.machine.clock.advance(49);
			expect(b.seip).toBe(false);
			b.machine.clock.advance(1);
			// Saved and restored, it is still there.
			b.board.restore(structuredClone(b.board.save()));
			expect([b.seip, b.claim(), b.seip]).toEqual([true, claimed, false]);
		}
	});

	it("at a number of instructions is taken before the next one", () => {
		const b = board([rule("irq.spurious", { source: 3 }, { when: { atInsn: 7 } })]);
		const { hart } = b.machine;
		hart.state.mideleg = 1 << IRQ_SEI;
		hart.state.mie = 1 << IRQ_SEI;
		hart.state.priv = 1;
		hart.state.mstatus = 2;
		hart.state.stvec = 0x8000_0000;
		let taken = -1;
		hart.observer = {
			exception: () => {},
			waits: () => {},
			interrupt: () => {
				taken = hart.counters.instret;
			},
		};
		b.machine.runBare(100);
		expect(taken).toBe(7);
	});
});

it("a storm makes requests at its rate, for its time, and then no more", () => {
	const storm = rule("irq.storm", { source: 3, rateHz: 1e6, durNs: 10_000 }, { when: { atNs: 0 } });
	const b = board([storm]);
	let seen = 0;
	let before = 0;
	for (let t = 0; t < 20_000; t += 250) {
		b.machine.clock.advance(250);
		if (t === 5000) {
			const saved = structuredClone({ m: b.machine.save(), f: b.faults.save() });
			b.machine.restore(saved.m);
			b.faults.restore(saved.f);
		}
		if (!b.seip) continue;
		expect(b.claim()).toBe(3);
		b.complete(3);
		seen++;
		before = t;
	}
	expect([seen, before < 10_000]).toEqual([10, true]);
	expect(b.machine.clock.nextEvent).toBe(Number.POSITIVE_INFINITY);
	// One that is lifted ends at once.
	const c = board([storm]);
	c.machine.clock.advance(1500);
	c.faults.lift("i");
	expect(c.machine.clock.nextEvent).toBe(Number.POSITIVE_INFINITY);
});

it("a claim gives the wrong source where there are several", () => {
	const b = board([rule("irq.reordered", {}, { life: "permanent" })]);
	b.set(9, true);
	expect([b.claim(), b.faults.ledger.total]).toEqual([9, 0]);
	b.complete(9);
	b.set(3, true);
	b.set(5, true);
	// 9 has the highest priority.
	expect([b.claim(), b.claim()]).toEqual([5, 3]);
	expect(b.claim()).toBe(9);
	expect(b.faults.ledger.total).toBe(2);
});

it("a bit of a register is inverted", () => {
	const flip = (params: object) => {
		const b = board([rule("irq.flip", params, { when: { atNs: 10 } })]);
		b.set(3, true);
		b.machine.clock.advance(10);
		return b;
	};
	expect(flip({ source: 3, bit: 1 }).seip).toBe(false);
	expect(flip({ source: 3, bit: 0 }).plic.load(12, 4)).toBe(3);
	const b = flip({ register: "threshold", bit: 1 });
	expect([b.plic.load(THRESHOLD, 4), b.seip]).toEqual([2, false]);
	expect(flip({ register: "enable", source: 3 }).seip).toBe(false);
	expect(flip({ register: "pending", source: 3 }).seip).toBe(false);
	expect(flip({ register: "pending", source: 9 }).claim()).toBe(9);
});

it("devices have names; those that are not there are refused, and rules without a target", () => {
	const b = board([]);
	const add = (params: object, model = "irq.lost", rest = {}) => {
		b.faults.add({ ...rule(model, params, rest), id: JSON.stringify(params) } as MachineRule);
	};
	for (const device of ["uart", "rtc", "ld0", "disk0"]) add({ device });
	const virtio = b.board.virtio[0]!;
	expect(virtio).toBeDefined();
	b.set(1, true);
	b.set(10, true);
	b.set(11, true);
	expect(b.faults.armings.map(({ applied }) => applied)).toEqual([1, 1, 1, 1]);
	const at = { when: { atNs: 1 } };
	for (const [params, model, rest] of [
		[{ device: "ld1" }],
		[{ device: "sda" }],
		[{ source: 97 }],
		[{ source: 1, device: "uart" }],
		[{}],
		[{}, "irq.storm", at],
		[{ source: 1, rateHz: 0 }, "irq.storm", at],
		[{ source: 1, register: "enable", bit: 1 }, "irq.flip", at],
		[{ source: 1, addNs: 0 }, "irq.delayed"],
		[{ claim: "id" }, "irq.spurious", at],
	] as [object, string?, object?][]) {
		expect(() => add(params, model, rest), JSON.stringify(params)).toThrow(UserError);
	}
	const alone = new MachineFaults(guest("nop").machine);
	expect(() => alone.add(rule("irq.lost", { source: 1 }))).toThrow(/no interrupt controller/);
});
