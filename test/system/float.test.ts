/** Floating-point registers of processes: switched, inherited, saved in signal frames. */
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { FLOAT_REGISTER_NAMES } from "../../machine/disasm.ts";
import { call, EXIT, elf, exec, text } from "../support/program.ts";
import { tar } from "../support/tar.ts";
import { MiB } from "../support/workload.ts";

const FORK = 17;
const SIGUSR1 = 10;
const SIGUSR2 = 12;
/** Where the frame of a signal has f0: ucontext is in a2; then uc_mcontext, and pc and 31 words. */
const UC_F0 = 160 + 128;
const AT_HWCAP = 16;

/** The two words of register `i`; registers and processes differ. */
const words = (seed: number, i: number): [number, number] => [
	(seed + i * 0x0101_0101) | 0,
	(0x4000_0000 + seed * 3 + i) | 0,
];

/** Subroutines: `fill<seed>` sets all f registers and fcsr, `check<seed>` ends the program with 1
 * if one of them differs. They use s1, t0 and t1. */
function subroutines(seed: number): string {
	const fcsr = seed & 0x7f;
	const fill = FLOAT_REGISTER_NAMES.map((f, i) => {
		const [low, high] = words(seed, i);
		return `li t0, ${low}\nsw t0,0(s1)\nli t0, ${high}\nsw t0,4(s1)\nfld ${f},0(s1)`;
	});
	const check = FLOAT_REGISTER_NAMES.map((f, i) => {
		const [low, high] = words(seed, i);
		return `
			fsd ${f},0(s1)
			lw t0,0(s1)
			li t1, ${low}
			bne t0,t1,bad${seed}
			lw t0,4(s1)
			li t1, ${high}
			bne t0,t1,bad${seed}`;
	});
	return `
	fill${seed}:
		la s1, scratch${seed}
		${fill.join("\n")}
		li t0, ${fcsr}
		csrrw zero,fcsr,t0
		ret
	check${seed}:
		la s1, scratch${seed}
		csrrs t0,fcsr,zero
		li t1, ${fcsr}
		bne t0,t1,bad${seed}
		${check.join("\n")}
		ret
	bad${seed}:
		${call(SYS.exit, 1)}
	scratch${seed}: .word 0
		.word 0
	`;
}

/** Wait for a child: its exit code is in a0. */
const WAIT = `
	${call(SYS.wait4, -1, "=status", 0, 0)}
	la a0, status
	lw a0, 0(a0)
	srli a0, a0, 8
`;

const sigaction = (signal: number, handler: string, label: string): [string, string] => [
	call(SYS.rt_sigaction, signal, `=${label}`, 0, 8),
	`${label}: .word ${handler}\n.word 0\n.word 0\n.word 0`,
];

describe("floating-point registers", () => {
	it("are separate for each process, across many switches", () => {
		const turns = (seed: number): string => `
			li s2, 40
		turn${seed}:
			call fill${seed}
			${call(SYS.sched_yield)}
			call check${seed}
			${call(SYS.sched_yield)}
			call check${seed}
			addi s2,s2,-1
			bne s2,zero,turn${seed}
		`;
		const { code, system } = exec(`
			${call(SYS.clone, FORK, 0, 0, 0)}
			beq a0,zero,child
			${turns(5)}
			${WAIT}
			${EXIT}
		child:
			${turns(70)}
			${call(SYS.exit, 0)}
			${subroutines(5)}
			${subroutines(70)}
		status: .word 7
		`);
		expect(code).toBe(0);
		expect(system.kernel.uvmexp.swtch).toBeGreaterThan(80);
	});

	it("survive preemption of another process", () => {
		const spin = (seed: number): string => `
			li s2, 2000000
			call fill${seed}
		spin${seed}:
			addi s2,s2,-1
			bne s2,zero,spin${seed}
			call check${seed}
		`;
		const { code } = exec(`
			${call(SYS.clone, FORK, 0, 0, 0)}
			beq a0,zero,child
			${[1, 2, 3].map((n) => spin(n)).join("\n")}
			${WAIT}
			${EXIT}
		child:
			${[41, 42, 43].map((n) => spin(n)).join("\n")}
			${call(SYS.exit, 0)}
			${[1, 2, 3, 41, 42, 43].map(subroutines).join("\n")}
		status: .word 7
		`);
		expect(code).toBe(0);
	});

	it("are inherited by a child, which changes only its own", () => {
		const { code } = exec(`
			call fill9
			${call(SYS.clone, FORK, 0, 0, 0)}
			beq a0,zero,child
			${WAIT}
			bne a0,zero,end
			call check9
			li a0, 0
		end:	${EXIT}
		child:
			call check9
			call fill30
			${call(SYS.sched_yield)}
			call check30
			${call(SYS.exit, 0)}
			${subroutines(9)}
			${subroutines(30)}
		status: .word 7
		`);
		expect(code).toBe(0);
	});

	it("are restored from the frame after a signal handler that used them", () => {
		const [first, firstData] = sigaction(SIGUSR1, "clobber", "act1");
		const [second, secondData] = sigaction(SIGUSR2, "change", "act2");
		const [, high] = words(9, 3);
		const { code } = exec(`
			${first}
			${second}
			call fill9
			${call(SYS.getpid)}
			mv s3, a0
			${call(SYS.kill, "s3", SIGUSR1)}
			call check9
			${call(SYS.kill, "s3", SIGUSR2)}
			la s1, scratch9
			fsd ft3,0(s1)
			lw t0,0(s1)
			li t1, 0x1234567
			bne t0,t1,bad9
			lw t0,4(s1)
			li t1, ${high}
			bne t0,t1,bad9
			csrrs t0,frm,zero
			li t1, 2
			bne t0,t1,bad9
			li a0, 0
			${EXIT}
		clobber:
			mv s4, ra
			call check9
			call fill30
			mv ra, s4
			ret
		change:
			li t0, 0x1234567
			sw t0, ${UC_F0 + 3 * 8}(a2)
			li t0, 0x40
			sw t0, ${UC_F0 + 256}(a2)
			ret
			${firstData}
			${secondData}
			${subroutines(9)}
			${subroutines(30)}
		`);
		expect(code).toBe(0);
	});

	it("are zero when a program begins, not those of the old program", () => {
		const next = `
			la s1, scratch
			csrrs a0,fcsr,zero
			${FLOAT_REGISTER_NAMES.map(
				(f) => `fsd ${f},0(s1)\nlw t0,0(s1)\nor a0,a0,t0\nlw t0,4(s1)\nor a0,a0,t0`,
			).join("\n")}
			beq a0,zero,end
			li a0, 1
		end:	${EXIT}
		scratch: .word 0
		.word 0
		`;
		const image = tar([{ path: "next", data: elf(next), mode: 0o755 }]);
		const disk = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
		// Some of the old values are saved, since there was a fork, others only on the hart.
		const source = `
			call fill9
			${call(SYS.clone, FORK, 0, 0, 0)}
			beq a0,zero,child
			${WAIT}
			fmv.w.x fa0,sp
			${call(SYS.execve, "=path", "=argv", "=argv")}
		child:	${call(SYS.exit, 2)}
		status: .word 7
		argv:	.word 0
		path:	${text("/next")}
			${subroutines(9)}
		`;
		expect(exec(source, { ram: 2 * MiB, root: { media: disk } }).code).toBe(0);
	});

	it("a reserved rounding mode is SIGILL", () => {
		const { report } = exec(`
			li t0, 5
			csrrw zero,frm,t0
			fadd.s fa0,fa0,fa0
			${call(SYS.exit, 0)}
		`);
		expect(report.exit.signal).toBe("SIGILL");
	});

	it("are announced in the auxiliary vector", () => {
		// argc, argv and the environment end in zeros; then pairs.
		const { code } = exec(`
			mv s0, sp
			li s1, 2
		zeros:	addi s0,s0,4
			lw t0,0(s0)
			bne t0,zero,zeros
			addi s1,s1,-1
			bne s1,zero,zeros
			addi s0,s0,-4
		pair:	addi s0,s0,8
			lw t0,0(s0)
			li a0, 1
			beq t0,zero,end
			li t1, ${AT_HWCAP}
			bne t0,t1,pair
			lw a0,4(s0)
			li t1, ${[..."IMAFDC"].reduce((bits, c) => bits | (1 << (c.charCodeAt(0) - 65)), 0)}
			sub a0,a0,t1
		end:	${EXIT}
		`);
		expect(code).toBe(0);
	});
});
