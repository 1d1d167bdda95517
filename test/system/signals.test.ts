/** System calls that a signal interrupts, seen by programs. */
import { describe, expect, it } from "vitest";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { call, EXIT, exec } from "../support/program.ts";

const SIGSTOP = 19;
const SIGCONT = 18;
const FORK = 17;
const MS = 1_000_000;

/** 64-bit seconds and nanoseconds. */
const timespec = (name: string, ns: number): string => [`${name}:`, 0, 0, ns, 0].join("\n.word ");

/**
 * A child makes a call that sleeps, and ends with its errno; its parent stops it for 20 ms.
 * => the child's status.
 */
const stopped = (body: string): { code: number; cycles: number } => {
	const { code, system } = exec(`
		${call(SYS.clone, FORK, 0, 0, 0)}
		beq a0, zero, child
		mv s0, a0
		${call(SYS.clock_nanosleep64, 0, 0, "=short", 0)}
		${call(SYS.kill, "s0", SIGSTOP)}
		${call(SYS.clock_nanosleep64, 0, 0, "=long", 0)}
		${call(SYS.kill, "s0", SIGCONT)}
		${call(SYS.wait4, "s0", "=status", 0, 0)}
		la a0, status
		lw a0, 0(a0)
		srli a0, a0, 8
		${EXIT}
	child:
		${body}
		sub a0, zero, a0
		${EXIT}
	status: .word 0
		${timespec("short", MS)}
		${timespec("long", 20 * MS)}
		${timespec("time", 30 * MS)}
	`);
	return { code, cycles: system.kernel.port.cycles };
};

describe("a process that was stopped and continued", () => {
	it("sleeps until the time at which it wanted to wake", () => {
		const { code, cycles } = stopped(call(SYS.clock_nanosleep64, 0, 0, "=time", 0));
		expect(code).toBe(0);
		expect(cycles).toBeGreaterThan(30 * MS);
		expect(cycles).toBeLessThan(35 * MS);
	});

	it("waits in poll as long as it wanted to", () => {
		const { code, cycles } = stopped(call(SYS.ppoll64, 0, 0, "=time", 0));
		expect(code).toBe(0);
		expect(cycles).toBeGreaterThan(30 * MS);
		expect(cycles).toBeLessThan(35 * MS);
	});

	it("does not return from sigsuspend", () => {
		const SIGUSR1 = 10;
		const { system } = exec(`
			${call(SYS.clone, FORK, 0, 0, 0)}
			beq a0, zero, child
			mv s0, a0
			${call(SYS.clock_nanosleep64, 0, 0, "=short", 0)}
			${call(SYS.kill, "s0", SIGSTOP)}
			${call(SYS.kill, "s0", SIGCONT)}
			${call(SYS.clock_nanosleep64, 0, 0, "=short", 0)}
			${call(SYS.kill, "s0", SIGUSR1)}
			${call(SYS.wait4, "s0", "=status", 0, 0)}
			la a0, status
			lw a0, 0(a0)
			${EXIT}
		child:
			${call(SYS.rt_sigsuspend, "=none", 8)}
			li a0, 99
			${EXIT}
		status: .word 0
		none: .word 0
			.word 0
			${timespec("short", MS)}
		`);
		expect(system.report(0).exit.code).toBe(SIGUSR1);
	});
});

it("a program that tries every system call does not fill the host's memory", () => {
	const { report } = exec(`
		li a7, 5000
		li s0, 6000
	loop:
		ecall
		addi a7, a7, 1
		bne a7, s0, loop
		li a0, 0
		${EXIT}
	`);
	expect(report.exit.code).toBe(0);
	expect(report.messages.length).toBe(100);
});
