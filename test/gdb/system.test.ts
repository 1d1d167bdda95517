/** Processes under the debugger: threads, memory in RAM and in swap, signals, steps, exit. */
import { describe, expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import { readProcess } from "../../gdb/process-memory.ts";
import { translateIn } from "../../machine/walk.ts";
import { elf } from "../support/program.ts";
import { boot, MiB } from "../support/workload.ts";
import { debugSystem } from "./machines.ts";

const CRASH = `
	li a0, 5
	lui a1, 0x40
fault:	sw a0, 12(a1)
	li a0, 3
	li a7, 93
	ecall
`;

/** The child counts in its own copy of the page; the parent waits for it. */
const FORK = `
	li a0, 17
	li a1, 0
	li a7, 220           # clone
	ecall
	la s0, data
	bne a0, x0, parent
child:	lw a2, 0(s0)
	addi a2, a2, 1
	sw a2, 0(s0)
	li a0, 4
	li a7, 93
	ecall
parent:	li a0, -1
	li a1, 0
	li a2, 0
	li a3, 0
	li a7, 260           # wait4
	ecall
waited:	lw a0, 0(s0)
	li a7, 93
	ecall
data:	.word 7
`;

const BASE = 0x1_0000;
const hex = (n: number): string => n.toString(16);

describe("a signal", () => {
	it("stops the system before it is delivered, and is delivered on continue", () => {
		const { client } = debugSystem("crash", [], { image: elf(CRASH) });
		const [text, stop] = client.all("c");
		expect(Buffer.from(text!.slice(1), "hex").toString()).toBe("SIGSEGV in crash (pid 1)\n");
		expect(stop).toBe("T0bthread:01;");
		expect([client.register(32), client.register(10)]).toEqual([BASE + 8, 5]);
		expect(client.ask("vCont;C0b:1;c")).toBe("X0b");
	});

	it("that is discarded occurs again, unless the cause is gone", () => {
		const { client } = debugSystem("crash", [], { image: elf(CRASH) });
		client.all("c");
		expect(client.all("vCont;c").at(-1)).toBe("T0bthread:01;");
		expect(client.ask("P20=0c000100")).toBe("OK");
		expect(client.ask("vCont;c")).toBe("W03");
	});

	it("that is reported does not affect the rest of the run", () => {
		const plain = createSystem({ program: "crash", image: elf(CRASH) });
		plain.run();
		const { client, target } = debugSystem("crash", [], { image: elf(CRASH) });
		client.all("c");
		client.ask("vCont;C0b");
		expect(target.system.stateHash()).toBe(plain.stateHash());
		expect(target.system.exit).toEqual(plain.exit);
	});
});

describe("processes", () => {
	it("are threads with their own registers and memory", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		expect(client.ask("qfThreadInfo")).toBe("m1");
		const child = BASE + 4 * 9;
		client.ask(`Z0,${hex(child)},4`);
		expect(client.ask("c")).toBe("T05thread:02;swbreak:;");
		expect(client.ask("qfThreadInfo")).toBe("m1,2");
		const xml = client.ask("qXfer:threads:read::0,1000");
		expect(xml).toContain('<thread id="2" name="2.4 fork">on the hart</thread>');
		expect(xml).toMatch(/<thread id="1" name="1.3 fork">(sleeping: wait|runnable)<\/thread>/);
		client.ask("vCont;s:2");
		client.ask("vCont;s:2");
		client.ask("vCont;s:2");
		const data = client.register(8);
		expect(client.ask(`m${hex(data)},4`)).toBe("08000000");
		expect(client.ask("Hg1")).toBe("OK");
		expect(client.ask(`m${hex(data)},4`)).toBe("07000000");
		expect(client.ask("c")).toBe("W07");
	});

	it("are shown with what they do now", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		const states = (): string[] => {
			const rows = client.monitor("info processes").trimEnd().split("\n").slice(1);
			return rows.map((row) => row.split(/ fork +/)[1]!);
		};
		expect(states()).toEqual(["running"]);
		client.ask(`Z0,${hex(BASE + 4 * 10)},4`); // the child has copied its page: the parent waits
		expect(client.ask("c")).toContain("thread:02;");
		expect(states()).toEqual(["sleeping: wait", "running"]);
		client.ask("s");
		client.ask(`Z0,${hex(BASE + 4 * 19)},4`); // behind wait4
		expect(client.ask("c")).toContain("thread:01;");
		expect(states()).toEqual(["running"]);
	});

	it("have floating-point registers", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		expect(client.ask("p21")).toBe("0".repeat(16));
		expect(client.ask("P21=182d4454fb210940")).toBe("OK");
		expect(client.ask("P43=03000000")).toBe("OK"); // frm
		client.ask("s");
		expect(client.ask("p21")).toBe("182d4454fb210940");
		expect(client.register(68)).toBe(0x60);
		expect(client.ask("c")).toBe("W07");
	});

	it("share breakpoints, or one of them has them alone", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		const both = BASE + 4 * 6; // the first instruction after clone, and la
		const stops = (): number => {
			let count = 0;
			while (client.ask("c").startsWith("T05")) {
				count++;
				client.ask("s");
			}
			return count;
		};
		client.ask(`Z0,${hex(both)},4`);
		expect(stops()).toBe(2);
		const alone = debugSystem("fork", [], { image: elf(FORK) });
		expect(alone.client.monitor("scope 1")).toBe("scope: 1\n");
		alone.client.ask(`Z0,${hex(both)},4`);
		expect(alone.client.ask("c")).toBe("T05thread:01;swbreak:;");
		alone.client.ask("s");
		expect(alone.client.ask("c")).toBe("W07");
	});

	it("stop at the events of `catch`", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		client.monitor("catch exit");
		const [text] = client.all("c");
		expect(Buffer.from(text!.slice(1), "hex").toString()).toBe("exit: fork (pid 2)\n");
		client.monitor("catch none");
		expect(client.ask("c")).toBe("W07");
	});

	it("step over a system call or a page fault in one step", () => {
		const { client } = debugSystem("hello", []);
		let pc = client.register(32);
		for (let i = 0; i < 300; i++) {
			expect(client.ask("s")).toBe("T05thread:01;");
			const next = client.register(32);
			expect(next, `step ${i}`).not.toBe(pc);
			pc = next;
		}
	});
});

describe("memory", () => {
	it("is read without side effects: mapped, in swap, or not touched yet", () => {
		const { target, client } = debugSystem("sort", ["1"], { ram: MiB });
		const plain = boot("sort", [1], { ram: MiB });
		for (let i = 0; i < 40; i++) {
			client.sent = "";
			client.raw("$vCont;c#a8");
			client.stub.poll();
			client.raw("\x03");
			while (client.stub.running) client.stub.poll();
			if (target.over) break;
			const { system } = target;
			const p = system.process;
			let resident = 0;
			let elsewhere = 0;
			const map = p.p_vmspace!.vm_map;
			for (let e = map.header.next; e !== map.header; e = e.next) {
				for (let va = e.start; va < e.end; va += 4096) {
					const bytes = readProcess(system, p, va, 4096);
					expect(bytes.length, `page at ${hex(va)}`).toBe(4096);
					const satp = system.kernel.port.satp >>> 0;
					if (translateIn(system.machine.hart, satp, va) >= 0) resident++;
					else elsewhere++;
				}
			}
			expect(resident + elsewhere).toBeGreaterThan(200);
			client.monitor("info pagetable");
			client.monitor("info tlb");
			client.monitor("info uvmexp");
			client.monitor("info processes");
		}
		while (!target.over) {
			client.raw("$vCont;c#a8");
			while (client.stub.running) client.stub.poll();
		}
		expect(target.system.stateHash()).toBe(plain.report.stateHash);
	});

	it("in swap reads as the program left it", () => {
		// Each page of the array begins with its number.
		const source = `
			lui s0, 0x12
			li s1, 500
			mv a1, s0
			li a0, 0
		next:	sw a0, 0(a1)
			lui a2, 1
			add a1, a1, a2
			addi a0, a0, 1
			bne a0, s1, next
		done:	li a0, 0
			li a7, 93
			ecall
		`;
		const { target, client } = debugSystem("fill", [], { image: elf(source, 0x1f8000), ram: MiB });
		client.ask(`Z0,${hex(BASE + 4 * 10)},4`);
		expect(client.ask("c")).toBe("T05thread:01;swbreak:;");
		expect(target.system.kernel.uvmexp.swpgonly).toBeGreaterThan(100);
		for (let i = 0; i < 500; i++) {
			const bytes = client.ask(`m${hex(0x1_2000 + i * 4096)},4`);
			expect(Buffer.from(bytes, "hex").readUInt32LE()).toBe(i);
		}
	});

	it("is written as by the program: copied on write, and its code is read-only", () => {
		const { client } = debugSystem("fork", [], { image: elf(FORK) });
		const child = BASE + 4 * 9;
		client.ask(`Z0,${hex(child)},4`);
		client.ask("c");
		const data = client.register(8);
		expect(client.ask(`M${hex(data)},4:63000000`)).toBe("OK");
		client.ask("Hg1");
		expect(client.ask(`m${hex(data)},4`)).toBe("07000000");
		client.ask(`z0,${hex(child)},4`);
		expect(client.ask("c")).toBe("W07");
		const hello = debugSystem("hello", []);
		expect(hello.client.ask("M10000,4:00000000")).toBe("E0e");
	});
});
