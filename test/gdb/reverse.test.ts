/** Reverse execution: at every step the state is the same as in the first run. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import type { GdbClient } from "../support/gdb-client.ts";
import { latin1, packet } from "../support/gdb-client.ts";
import { workload } from "../support/workload.ts";
import { debugBare, debugSystem } from "./machines.ts";

/** The state at a step of the run. */
interface Place {
	readonly pc: number;
	readonly registers: string;
	readonly thread: string;
}

const place = (client: GdbClient): Place => ({
	pc: client.register(32),
	registers: client.ask("g"),
	thread: client.ask("qC"),
});

/** Step until the guest ends or there are enough steps. => the state at each step. */
function record(client: GdbClient, steps: number): Place[] {
	const places = [place(client)];
	while (places.length <= steps) {
		if (!client.ask("s").startsWith("T05")) throw new Error("the guest has ended");
		places.push(place(client));
	}
	return places;
}

const MOVES = fc.array(fc.constantFrom("s", "bs", "c", "bc"), { minLength: 1, maxLength: 12 });

/** Move forwards and backwards, with breakpoints, and compare each state with the first run. */
function wander(client: GdbClient, places: readonly Place[], moves: readonly string[]): void {
	const pcs = new Set([places[3]!.pc, places[Math.floor(places.length / 2)]!.pc]);
	for (const pc of pcs) client.ask(`Z0,${pc.toString(16)},2`);
	let at = places.length - 1;
	for (const move of moves) {
		if (move === "s" && at < places.length - 1) at++;
		else if (move === "bs") at = Math.max(0, at - 1);
		else if (move === "bc") {
			do at--;
			while (at > 0 && !pcs.has(places[at]!.pc));
			at = Math.max(0, at);
		} else if (move === "c") {
			// Like a debugger, step off the breakpoint first.
			let next = at + 1;
			while (next < places.length && !pcs.has(places[next]!.pc)) next++;
			if (next >= places.length) continue;
			if (pcs.has(places[at]!.pc)) client.ask("s");
			if (at + 1 === next && pcs.has(places[at]!.pc)) {
				at = next;
				expect(place(client)).toEqual(places[at]);
				continue;
			}
			at = next;
		} else continue;
		client.ask(move);
		expect(place(client), `${move} to ${at}`).toEqual(places[at]);
	}
	for (const pc of pcs) client.ask(`z0,${pc.toString(16)},2`);
}

const TIMER = `
	la t0, handler
	csrrw x0, mtvec, t0
	lui s0, 0x200c
	lui s1, 0x2004
	lw t1, -8(s0)
	addi t1, t1, 1
	sw t1, 0(s1)
	sw x0, 4(s1)
	li t2, 0x80
	csrrw x0, mie, t2
	csrrsi x0, mstatus, 8
	lui a0, 0x80001
loop:	lw a2, 0(a0)
	addi a2, a2, 1
	sw a2, 0(a0)
	ecall
	j loop
handler: csrrs t4, mcause, x0
	blt t4, x0, timer
	csrrs t3, mepc, x0
	addi t3, t3, 4
	csrrw x0, mepc, t3
	mret
timer:	lw t1, -8(s0)
	addi t1, t1, 1
	sw t1, 0(s1)
	mret
`;

describe("a bare machine", () => {
	it("reaches the same state at every step, with interrupts", () => {
		const { client, target } = debugBare(TIMER, 1 << 16, false);
		const places = record(client, 400);
		const end = target.stepsDone;
		fc.assert(
			fc.property(MOVES, (moves) => {
				while (target.stepsDone < end) client.ask("s");
				expect(place(client)).toEqual(places.at(-1));
				wander(client, places, moves);
			}),
			{ numRuns: 15 },
		);
	});

	it("replays the same input", () => {
		const { client, target, output, label } = debugBare(
			`
			lui a4, 0x10000
			addi a1, x0, 1
			sb a1, 2(a4)          # with FIFOs there is room for two bytes
		wait:	lb a1, 5(a4)
			andi a1, a1, 1
			beq a1, x0, wait
			lb a0, 0(a4)
		got:	sb a0, 0(a4)
			j wait
		`,
			1 << 16,
		);
		const got = label("got").toString(16);
		client.ask(`Z0,${got},4`);
		client.raw(packet("c"));
		for (let i = 0; i < 3; i++) expect(client.stub.poll()).toBe(true);
		target.input(latin1("xy"));
		for (let i = 0; i < 100 && client.stub.running; i++) client.stub.poll();
		expect(client.register(10)).toBe(0x78);
		client.ask("s");
		client.ask("c");
		expect(client.register(10)).toBe(0x79);
		client.ask("s");
		for (let i = 0; i < 2; i++) {
			client.ask("bc");
			expect(client.register(10)).toBe(0x79);
			client.ask("bc");
			expect(client.register(10)).toBe(0x78);
			client.ask("bc");
			expect(client.register(10)).toBe(0);
			client.ask("c");
			expect(client.register(10)).toBe(0x78);
			client.ask("s");
			client.ask("c");
			client.ask("s");
		}
		expect(output()).toBe("xy");
	});

	it("finds the store to a watched word, and stops just after it", () => {
		const { client } = debugBare(TIMER, 1 << 16);
		record(client, 100);
		const word = (): number => Number.parseInt(client.ask("m80001000,1"), 16);
		const now = word();
		client.ask("Z2,80001000,4");
		for (let i = 1; i <= now; i++) {
			expect(client.ask("bc")).toBe("T05thread:01;watch:80001000;");
			expect(word()).toBe(now - i + 1);
			client.ask("bs");
			expect(word()).toBe(now - i);
		}
		expect(client.ask("bc")).toBe("T05thread:01;replaylog:begin;");
		expect(client.ask("c")).toBe("T05thread:01;watch:80001000;");
		expect(word()).toBe(0);
		client.ask("s");
		expect(word()).toBe(1);
	});

	it("does not go back beyond a change by the user", () => {
		const { client } = debugBare(TIMER, 1 << 16);
		record(client, 30);
		client.ask("P5=00000000");
		const here = place(client);
		record(client, 5);
		expect(client.ask("bc")).toBe("T05thread:01;replaylog:begin;");
		expect(place(client)).toEqual(here);
	});
});

describe("a system", () => {
	it("reaches the same state at every step", () => {
		const { client, output } = debugSystem("hello", [], { ram: 1 << 20, swap: [] });
		const places = record(client, 380);
		let at = places.length - 1;
		for (let i = 0; i < 12; i++) {
			client.ask("bs");
			// The trap of a page fault is a step of its own, so going back takes one step more.
			const now = place(client);
			if (now.registers !== places[at]!.registers) at--;
			expect(now).toEqual(places[at]);
		}
		expect(client.ask("bc")).toBe("T05thread:01;replaylog:begin;");
		expect(place(client)).toEqual(places[0]);
		expect(client.ask("c")).toBe("W00");
		expect(output()).toBe("hello from user mode\n");
	});

	it("goes back from the end of a long run with paging, and forward again", () => {
		const options = { ram: 1 << 20, swap: [{ media: 8 << 20 }] };
		const args = ["2", "2"];
		const image = workload("walk");
		const plain = createSystem({ program: "walk", image, args, ...options });
		plain.run();
		const { client, target } = debugSystem("walk", args, options);
		// The call of exit: pc is already after it.
		client.ask(`Z0,${(plain.machine.hart.pc - 4).toString(16)},2`);
		expect(client.ask("c")).toMatch(/^T05/);
		expect(target.system.kernel.uvmexp.pgswapout).toBeGreaterThan(100);
		const here = place(client);
		const before: Place[] = [];
		for (let i = 0; i < 10; i++) {
			client.ask("bs");
			before.push(place(client));
		}
		for (const then of [...before.reverse().slice(1), here]) {
			client.ask("s");
			expect(place(client)).toEqual(then);
		}
		client.ask("D");
		target.system.run();
		expect(target.system.stateHash()).toBe(plain.stateHash());
	});
});
