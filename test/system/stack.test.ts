/** The stack grows at faults, within RLIMIT_STACK. */
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SIGSEGV, signame } from "../../kernel/kern/core/signal.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import { MAXSSIZ, USRSTACK } from "../../sys/vmparam.ts";
import { call, EXIT, elf, exec, text } from "../support/program.ts";
import { tar } from "../support/tar.ts";
import { MiB } from "../support/workload.ts";

const RLIMIT_STACK = 3;
const RLIMIT_AS = 9;
const SIGCHLD = 17;
const EFAULT = 14;
const ENOMEM = 12;
const MCL_CURRENT = 1;
const SEGV = signame(SIGSEGV);

/** Fewer pages than the deepest stack, and room to swap. */
const SMALL = { ram: 2 * MiB, swap: [{ media: new MemoryDisk(32 * MiB) }] };

/** Recursion to a depth of `kib` KiB, which puts 1, ..., `kib` on the stack, and adds them up. */
const recursion = (kib: number): string => `
	li s1, 0
	li a0, ${kib}
	call recurse
	li t0, ${(kib * (kib + 1)) / 2}
	bne s1, t0, wrong
	j right
recurse:
	addi sp, sp, -1024
	sw ra, 1020(sp)
	sw a0, 0(sp)
	addi a0, a0, -1
	beq a0, x0, deepest
	call recurse
deepest:
	lw t0, 0(sp)
	add s1, s1, t0
	lw ra, 1020(sp)
	addi sp, sp, 1024
	ret
wrong:
	li a0, 1
	${EXIT}
right:
	nop`;
const DONE = `li a0, 42\n${EXIT}`;

/** setrlimit, with a label for the limit. */
const limit = (resource: number, label: string): string =>
	call(SYS.prlimit64, 0, resource, `=${label}`, 0);
const LIMIT = (label: string, soft: number): string =>
	[`${label}:`, soft, 0, 0xffff_ffff, 0xffff_ffff]
		.join("\n.word ")
		.replace(":\n.word ", ": .word ");

const run = (source: string, check = true): string | number => {
	const { code, report } = exec(source, { ...SMALL, check });
	return report.exit.signal ?? code;
};

describe("a recursion", () => {
	it("of 6 MiB works, with less memory than that, and one of 9 MiB is SIGSEGV", () => {
		expect(run(`${recursion(6 * 1024)}\n${DONE}`)).toBe(42);
		expect(run(`${recursion(9 * 1024)}\n${DONE}`, false)).toBe(SEGV);
	});

	it("beyond the limit has its signal on the alternate stack", () => {
		const source = `
			${call(SYS.sigaltstack, "=stack", 0)}
			${call(SYS.rt_sigaction, SIGSEGV, "=action", 0, 8)}
			la t0, before
			sw sp, 0(t0)
			${recursion(9 * 1024)}
			${DONE}
		handler:
			lw t0, 12(a1)
			la t1, before
			lw t1, 0(t1)
			sub t1, t1, t0
			li t0, ${8 * MiB - 64 * 1024}
			sltu a0, t0, t1
			li t0, ${8 * MiB + 1}
			sltu t1, t1, t0
			add a0, a0, t1
			addi a0, a0, 5
			${EXIT}
		before: .word 0
		action: .word 0
			.word 0
			.word 0
			.word 0
		stack: .word 0x13000
			.word 0
			.word 4096`;
		const SA_ONSTACK_SIGINFO = 0x0800_0004;
		const start = `la t0, action
			la t1, handler
			sw t1, 0(t0)
			li t1, ${SA_ONSTACK_SIGINFO}
			sw t1, 4(t0)
		`;
		expect(run(start + source)).toBe(7);
	});

	it("of 12 MiB works after setrlimit, and in a program that is executed then", () => {
		const more = `${limit(RLIMIT_STACK, "limit")}`;
		const program = `${recursion(12 * 1024)}\n${DONE}`;
		expect(run(`${more}\n${program}\n${LIMIT("limit", 16 * MiB)}`, false)).toBe(42);
		const image = tar([{ path: "again", data: elf(program), mode: 0o755 }]);
		const media = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
		const source = `${more}\n${call(SYS.execve, "=path", 0, 0)}\n${EXIT}\npath:\n${text("/again")}`;
		const executed = exec(`${source}\n${LIMIT("limit", 16 * MiB)}`, {
			...SMALL,
			check: false,
			root: { media },
		});
		expect(executed.code).toBe(42);
	});

	it("is ended by a lower limit, and by RLIMIT_AS", () => {
		const source = (resource: number, size: number): string =>
			`${limit(resource, "limit")}\n${recursion(1024)}\n${DONE}\n${LIMIT("limit", size)}`;
		expect(run(source(RLIMIT_STACK, MiB))).toBe(SEGV);
		expect(run(source(RLIMIT_STACK, 1.25 * MiB))).toBe(42);
		expect(run(source(RLIMIT_AS, MiB))).toBe(SEGV);
		expect(run(source(RLIMIT_AS, 1.25 * MiB))).toBe(42);
	});

	it("works in a child, deeper than in its parent, and leaves the parent's stack alone", () => {
		const source = `
			${recursion(1024)}
			${call(SYS.clone, SIGCHLD, 0, 0, 0)}
			mv s2, a0
			bne a0, x0, parent
			${recursion(3 * 1024).replaceAll(/recurse|wrong|right|deepest/g, "$&2")}
			${DONE}
		parent:
			${call(SYS.wait4, -1, "=status", 0, 0)}
			${recursion(2 * 1024).replaceAll(/recurse|wrong|right|deepest/g, "$&3")}
			la t0, status
			lbu a0, 1(t0)
			${EXIT}
		status: .word 0`;
		expect(run(source)).toBe(42);
	});
});

describe("the room for the stack", () => {
	it("can be touched anywhere at once, also by the kernel, and not below its limit", () => {
		const lowest = USRSTACK - 8 * MiB;
		expect(run(`li t0, ${lowest}\nsw t0, 0(t0)\nlw t1, 0(t0)\nsub a0, t1, t0\n${EXIT}`)).toBe(0);
		expect(run(`li t0, ${lowest}\nsw t0, -4(t0)\n${EXIT}`)).toBe(SEGV);
		const stored = (va: number): string =>
			`li a1, ${va}\nli a0, 1\nli a7, ${SYS.clock_gettime64}\necall\nsub a0, x0, a0\n${EXIT}`;
		expect(run(stored(lowest))).toBe(0);
		expect(run(stored(lowest - PAGE_SIZE))).toBe(EFAULT);
	});

	it("is not used by mmap, and is not counted or wired before it is touched", () => {
		const mmap = (size: number): string => `${call(SYS.mmap2, 0, size, 0, 0x22, -1, 0)}`;
		// All that is free is taken, in pieces of 16 MiB and then of one page, up to the end.
		const source = `
			${call(SYS.mlockall, MCL_CURRENT)}
			bne a0, x0, out
			${call(SYS.munlockall)}
			li s1, 0
		big:
			${mmap(16 * MiB)}
			li t0, -4095
			bgeu a0, t0, full
			li t0, ${16 * MiB}
			add s1, a0, t0
			j big
		full:
			li t0, ${USRSTACK - MAXSSIZ}
			bltu t0, s1, out
			sub t0, t0, s1
			li t1, ${16 * MiB}
			bgeu t0, t1, out
			${recursion(1024)}
			${DONE}
		out:
			sub a0, x0, a0
			${EXIT}`;
		expect(run(source)).toBe(42);
	});

	it("ends at a mapping that the program has put there", () => {
		// In the middle of what the stack grows by at a time.
		const place = USRSTACK - 2 * MiB - 8 * PAGE_SIZE;
		const source = (kib: number): string => `
			${call(SYS.mmap2, place, 4096, 3, 0x32, -1, 0)}
			li t0, ${place}
			bne a0, t0, other
			${recursion(kib)}
			li t0, ${place}
			lw a0, 0(t0)
			addi a0, a0, 42
		other:
			${EXIT}`;
		expect(run(source(2 * 1024 + 16))).toBe(42);
		expect(run(source(2 * 1024 + 64))).toBe(SEGV);
	});

	it("is none for mremap, mprotect and mincore before it is touched", () => {
		const untouched = USRSTACK - 4 * MiB;
		const errno = `sub a0, x0, a0\n${EXIT}`;
		expect(run(`${call(SYS.mremap, untouched, 4096, 8192, 0)}\n${errno}`)).toBe(EFAULT);
		expect(run(`${call(SYS.mprotect, untouched, 4096, 1)}\n${errno}`)).toBe(ENOMEM);
		expect(run(`${call(SYS.mincore, untouched, 4096, 0x12000)}\n${errno}`)).toBe(ENOMEM);
	});
});
