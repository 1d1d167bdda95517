/** Core dumps, seen by the parent of the process that has left one. */
import { describe, expect, it } from "vitest";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { call, EXIT, exec, text } from "../support/program.ts";
import { MiB } from "../support/workload.ts";

const FORK = 17;
const RLIMIT_CORE = 4;
const AT_FDCWD = -100;
const P_ALL = 0;
const WEXITED = 4;
const CLD_KILLED = 2;
const CLD_DUMPED = 3;
const SIGTRAP = 5;
const PR_SET_DUMPABLE = 4;
const WCOREFLAG = 0x80;
/** In a register, and in a word of memory, of the process that dies. */
const IN_REGISTER = 0x5eed1234;
const IN_MEMORY = 0x0badcafe;

/** A child dies of a breakpoint in /tmp, with this limit; then `after`, with its pid in s0. */
const dies = (limit: number, after: string, before = ""): number =>
	exec(
		`
		${call(SYS.chdir, "=tmp")}
		${call(SYS.prlimit64, 0, RLIMIT_CORE, "=limit", 0)}
		${before}
		${call(SYS.clone, FORK, 0, 0, 0)}
		mv s0, a0
		bne a0, zero, parent
		li s5, ${IN_REGISTER}
		la t0, word
		li t1, ${IN_MEMORY}
		sw t1, 0(t0)
		li t1, 0
		ebreak
	parent:
		${after}
		${EXIT}
	limit: .word ${limit}
		.word 0
		.word ${limit}
		.word 0
	status: .word 0
	tmp:
		${text("/tmp")}
	core:
		${text("core")}
	word: .word 0
	info: ${".word 0\n".repeat(32)}
	buffer: .word 0
	`,
		{ ram: 2 * MiB },
	).code;

const STATUS = `${call(SYS.wait4, "s0", "=status", 0, 0)}\nla a0, status\nlw a0, 0(a0)`;
const CODE = `${call(SYS.waitid, P_ALL, 0, "=info", WEXITED)}\nla a0, info\nlw a0, 8(a0)`;

/** Count the words of the file that have a value, in steps of 64 KiB. */
const count = (value: number): string => `
	${STATUS}
	${call(SYS.openat, AT_FDCWD, "=core", 0)}
	mv s1, a0
	li s2, 0
	li s3, ${value}
more:
	${call(SYS.read, "s1", "=buffer", 4096)}
	beq a0, zero, end
	la t0, buffer
	add a0, a0, t0
scan:
	lw t1, 0(t0)
	addi t0, t0, 4
	bne t1, s3, other
	addi s2, s2, 1
other:
	bltu t0, a0, scan
	j more
end:
	mv a0, s2`;

describe("a process that a signal ends with a core dump", () => {
	it("says so to wait4 and waitid, if there is one", () => {
		expect(dies(-1, STATUS)).toBe(SIGTRAP | WCOREFLAG);
		expect(dies(-1, CODE)).toBe(CLD_DUMPED);
	});

	it("leaves none where RLIMIT_CORE does not allow it", () => {
		expect(dies(0, STATUS)).toBe(SIGTRAP);
		expect(dies(0xfff, STATUS)).toBe(SIGTRAP);
		expect(dies(0, CODE)).toBe(CLD_KILLED);
	});

	it("leaves none if it is not dumpable", () => {
		expect(dies(-1, STATUS, call(SYS.prctl, PR_SET_DUMPABLE, 0))).toBe(SIGTRAP);
	});

	it("leaves what RLIMIT_CORE allows", () => {
		expect(dies(0x1800, STATUS)).toBe(SIGTRAP | WCOREFLAG);
		expect(dies(0x1800, count(IN_REGISTER))).toBe(1);
		expect(dies(0x1800, count(IN_MEMORY))).toBe(0);
	});

	it("has its registers and its memory in the file", () => {
		expect(dies(-1, count(IN_REGISTER))).toBeGreaterThanOrEqual(1);
		expect(dies(-1, count(IN_MEMORY))).toBe(1);
	});
});
