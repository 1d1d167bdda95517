/**
 * Random system calls from user mode against a page-by-page model, on a machine that is far too
 * small, with every invariant checked: mmap, munmap, mprotect, brk, shm*, swapon, swapoff.
 */
import { describe, expect, it } from "vitest";
import { createSystem, type System } from "../../computer/system.ts";
import { elf32_parse } from "../../kernel/kern/proc/exec_elf32.ts";
import { newproc } from "../../kernel/kern/proc/init_main.ts";
import type { proc } from "../../kernel/kern/proc/kern_proc.ts";
import { uvm_check } from "../../kernel/uvm/uvm_check.ts";
import { call, elf, SYS, text } from "../support/program.ts";
import { MiB } from "../support/workload.ts";

/** More of it: npm run test:long, or FUZZ_RUNS=100 FUZZ_OPS=500 npx vitest run test/system/fuzz */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2);
const FIRST = Number(process.env.FUZZ_FIRST ?? 1);
const OPS = Number(process.env.FUZZ_OPS ?? 250);
const IMAGE_SIZE = 0x8_0000;

const PAGES = 224;
/** Half of it below a 4 MiB boundary: two level-0 tables. */
const BASE = 0x5040_0000 - (PAGES / 2) * 4096;
const SEGS = 4;
const FAR = 24; // single pages 4 MiB apart, for page tables
const FARBASE = 0x6000_0000;

function prng(seed: number): (n: number) => number {
	let s = seed * 2654435761 + 1;
	return (n) => {
		s ^= s << 13;
		s ^= s >>> 17;
		s ^= s << 5;
		return (s >>> 0) % n;
	};
}

interface Page {
	prot: number;
	maxprot: number;
	/** Contents: a private cell, or one of a segment. */
	cell: { value: number };
}

/** A program of `ops` random operations; it exits with 0 if all went as the model says. */
function program(seed: number, ops: number): string {
	const rnd = prng(seed);
	const lines: string[] = [];
	const pages: (Page | null)[] = new Array<Page | null>(PAGES).fill(null);
	const segs: { value: number }[][] = [];
	const sizes: number[] = [];
	let attached: { at: number; seg: number }[] = [];
	let checks = 0;
	/** Fail unless register a0 is (or is not) `value`. */
	const expectReg = (reg: string, value: number, op: number): void => {
		const ok = `ok${checks++}`;
		lines.push(`li t1, ${value | 0}`, `beq ${reg}, t1, ${ok}`, `li a1, ${op}`, "j fail", `${ok}:`);
	};
	const expectError = (op: number): void => {
		const ok = `ok${checks++}`;
		lines.push(`blt a0, zero, ${ok}`, `li a1, ${op}`, "j fail", `${ok}:`);
	};
	const va = (i: number): number => BASE + i * 4096;
	const range = (): [number, number] => {
		const at = rnd(PAGES);
		return [at, Math.min(PAGES - at, 1 + rnd(rnd(4) === 0 ? PAGES : 24))];
	};
	const touch = (op: number, i: number): void => {
		const pg = pages[i]!;
		if (pg === null) return;
		const off = 2048;
		const addr = va(i) + off;
		if ((pg.prot & 1) !== 0) {
			lines.push(`li t0, ${addr}`, "lw t2, 0(t0)");
			expectReg("t2", pg.cell.value, op);
		}
		if ((pg.prot & 2) !== 0 && rnd(2) === 0) {
			pg.cell.value = (rnd(0x7fffffff) + 1) | 0;
			lines.push(`li t0, ${addr}`, `li t1, ${pg.cell.value}`, "sw t1, 0(t0)");
		}
	};
	// s2.. hold the segment ids
	for (let s = 0; s < SEGS; s++) {
		sizes.push(8 + 24 * s);
		segs.push(Array.from({ length: sizes[s]! }, () => ({ value: 0 })));
		lines.push(call(SYS.shmget, 0, sizes[s]! * 4096, 0o1600), `mv s${s + 2}, a0`);
	}
	lines.push(call(SYS.mmap2, FARBASE, FAR << 22, 3, 0x32));
	const far: number[] = new Array<number>(FAR).fill(0);
	for (let op = 1; op <= ops; op++) {
		const [at, n] = range();
		switch (rnd(12)) {
			case 0:
			case 1: {
				// mmap fixed, private or shared
				const prot = [0, 1, 3, 3, 3, 2, 7][rnd(7)]!;
				const flags = 0x30 | (rnd(2) + 1);
				lines.push(call(SYS.mmap2, va(at), n * 4096 - rnd(4096), prot, flags));
				expectReg("a0", va(at), op);
				for (let i = at; i < at + n; i++) pages[i] = { prot, maxprot: 7, cell: { value: 0 } };
				break;
			}
			case 2:
				lines.push(call(SYS.munmap, va(at), n * 4096));
				expectReg("a0", 0, op);
				for (let i = at; i < at + n; i++) pages[i] = null;
				break;
			case 3: {
				const prot = [0, 1, 2, 3, 5, 7][rnd(6)]!;
				lines.push(call(SYS.mprotect, va(at), n * 4096, prot));
				const all = pages.slice(at, at + n);
				const ok = all.every((p) => p !== null && (prot & ~p.maxprot) === 0);
				if (ok) {
					expectReg("a0", 0, op);
					for (const p of all) p!.prot = prot;
				} else {
					expectError(op);
				}
				break;
			}
			case 4: {
				const seg = rnd(SEGS);
				const ro = rnd(4) === 0;
				const size = sizes[seg]!;
				if (at + size > PAGES) break;
				lines.push(`mv a0, s${seg + 2}`, `li a1, ${va(at)}`, `li a2, ${ro ? 0o10000 : 0}`);
				lines.push(`li a7, ${SYS.shmat}`, "ecall");
				if (pages.slice(at, at + size).every((p) => p === null)) {
					expectReg("a0", va(at), op);
					attached.push({ at, seg });
					const prot = ro ? 1 : 3;
					for (let i = 0; i < size; i++) {
						pages[at + i] = { prot, maxprot: prot | 4, cell: segs[seg]![i]! };
					}
				} else {
					expectError(op);
				}
				break;
			}
			case 5: {
				const a = attached[rnd(attached.length + 1)];
				if (a === undefined) break;
				const first = attached.find((m) => m.at === a.at)!;
				attached = attached.filter((m) => m !== first);
				lines.push(call(SYS.shmdt, va(a.at)));
				expectReg("a0", 0, op);
				// What was mapped over the segment since then stays.
				for (const [i, cell] of segs[first.seg]!.entries()) {
					if (pages[a.at + i]?.cell === cell) pages[a.at + i] = null;
				}
				break;
			}
			case 6: {
				const grow = rnd(40) * 1000;
				lines.push(call(SYS.brk, 0), `li t1, ${grow}`, "add a0, s8, t1", "li a7, 214", "ecall");
				break;
			}
			case 7: {
				const off = rnd(2) === 0;
				lines.push(call(off ? SYS.swapoff : SYS.swapon, `=ld${off || rnd(8) > 0 ? 1 : 0}`, 0));
				break;
			}
			case 8: {
				// Kernel access to user memory: EFAULT or not, never worse.
				lines.push(call(SYS.clock_gettime64, 1, FARBASE + (rnd(FAR) << 22) + 4096));
				expectReg("a0", 0, op);
				const i = rnd(FAR);
				lines.push(`li t0, ${FARBASE + (i << 22)}`, "lw t2, 0(t0)");
				expectReg("t2", far[i]!, op);
				far[i] = op;
				lines.push(`li t1, ${op}`, "sw t1, 0(t0)");
				break;
			}
			default:
				for (let i = at; i < at + n; i++) touch(op, i);
		}
	}
	for (let i = 0; i < PAGES; i++) touch(ops + 1, i);
	return `
		j begin
		ld0: ${text("/dev/ld0")}
		ld1: ${text("/dev/ld1")}
		fail:
		${call(SYS.exit, 99)}
		begin: ${call(SYS.brk, 0)}
		mv s8, a0
		${lines.join("\n")}
		${call(SYS.exit, 0)}`;
}

/** A machine that is far too small for `n` such programs at the same time. */
function machine(seed: number, n: number): System {
	const system = createSystem({
		program: "fuzz0",
		image: elf(program(seed, OPS), IMAGE_SIZE),
		ram: 512 * 1024,
		swap: [{ media: 16 * MiB }, { media: 4 * MiB }],
		adPolicy: seed % 2 === 0 ? "trap" : "hardware",
		check: true,
	});
	for (let i = 1; i < n; i++) {
		const file = elf(program(seed * 1000 + i, OPS - i * 30), IMAGE_SIZE);
		const image = elf32_parse(file);
		if ("error" in image) throw new Error(image.error);
		newproc(system.kernel, `fuzz${i}`, file, image, [`fuzz${i}`]);
	}
	started.set(system, [...system.kernel.procs]);
	return system;
}

/** The programs of a system; the kernel forgets them when they end. */
const started = new WeakMap<System, proc[]>();

const ends = (system: System): string[] =>
	started.get(system)!.map((p) => {
		const { code, signal, reason, addr } = p.p_exit!;
		return signal === 0 ? `exit ${code}` : `signal ${signal} ${reason} at ${addr}`;
	});

/** Nothing is left of the programs, and every invariant holds. */
function leavesNothing(system: System): void {
	const { kernel: k } = system;
	expect(uvm_check(k, system.machine.hart.tlb.list())).toEqual([]);
	const { anon_pool, amap_pool, uvm_aobj_pool, uao_swhash_elt_pool } = k.uvm;
	const out = [anon_pool, amap_pool, uvm_aobj_pool, uao_swhash_elt_pool].map((pp) => pp.pr_nout);
	expect(out).toEqual([0, 0, 1, 0]);
	expect([k.shm.shmsegs.length, k.pmap.pm_list.length]).toEqual([0, 0]);
}

const seeds = Array.from({ length: RUNS }, (_, i) => FIRST + i);

describe("random system calls", () => {
	it.each(seeds)("one program, seed %i", (seed) => {
		const system = machine(seed, 1);
		system.run();
		expect([system.exit.kind, system.exit.reason]).toEqual(["exited", ""]);
		expect(ends(system)).toEqual(["exit 0"]);
		leavesNothing(system);
	});

	it.each(seeds)("three programs, with random stopping points, seed %i", (seed) => {
		const system = machine(seed, 3);
		system.run();
		expect([system.exit.kind, system.exit.reason]).toEqual(["exited", ""]);
		expect(ends(system)).toEqual(["exit 0", "exit 0", "exit 0"]);
		const again = machine(seed, 3);
		const rnd = prng(seed + 5);
		while (again.run(again.machine.clock.cycles + 1 + rnd(300_000)) === "running");
		expect(again.stateHash()).toBe(system.stateHash());
		leavesNothing(system);
	});

	it.each(seeds)("transient failures and write errors lose nothing, seed %i", (seed) => {
		const system = machine(seed, 3);
		const rnd = prng(seed + 77);
		const transient = ["page", "pv", "pager_map", "buf", "anonpl", "uaoeltpl"];
		system.kernel.failinject = (what) => transient.includes(what) && rnd(50) === 0;
		for (let i = 0; i < 20; i++) system.faults[i % 2]!.failWrites(8 + rnd(8000), 8);
		system.run();
		expect([system.exit.kind, system.exit.reason]).toEqual(["exited", ""]);
		expect(ends(system)).toEqual(["exit 0", "exit 0", "exit 0"]);
		system.kernel.failinject = null;
		leavesNothing(system);
	});

	it.each(seeds)("the kernel survives any failure, seed %i", (seed) => {
		const system = machine(seed, 4);
		const rnd = prng(seed + 99);
		const odds = 20 + rnd(1000);
		system.kernel.failinject = () => rnd(odds) === 0;
		for (let i = 0; i < 20; i++) system.faults[i % 2]!.failWrites(8 + rnd(8000), 8);
		for (let i = 0; i < 10; i++) system.faults[i % 2]!.failReads(8 + rnd(8000), 8);
		system.run();
		expect(["exited", "killed"]).toContain(system.exit.kind);
		system.kernel.failinject = null;
		leavesNothing(system);
	});
});
