/** Timers of processor time and RLIMIT_CPU, seen by programs; the start of a program. */
import { describe, expect, it } from "vitest";
import { createSystem, type System } from "../../computer/system.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU, signame } from "../../kernel/kern/core/signal.ts";
import { cputime_arm } from "../../kernel/kern/proc/kern_itimer.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { call, EXIT, elf, exec, text } from "../support/program.ts";
import { tar } from "../support/tar.ts";
import { MiB } from "../support/workload.ts";

const ITIMER_VIRTUAL = 1;
const ITIMER_PROF = 2;
const RLIMIT_CPU = 0;
const MS = 1_000_000;

const SPIN = "spin: j spin";

/** struct itimerval of 5 ms, and then every 3 ms. */
const TIMER = "timer: .word 0\n.word 3000\n.word 0\n.word 5000";

/** Use of the processor by the one process: in user mode, and altogether. */
function times(system: System): number[] {
	const { ru_utime, ru_stime } = system.process.p_ru;
	return [ru_utime, ru_utime + ru_stime];
}

/** Installs `handler`, whose count of calls is in s1. */
const handle = (sig: number): string => `
	la t0, action
	la t1, handler
	sw t1, 0(t0)
	${call(SYS.rt_sigaction, sig, "=action", 0, 8)}`;
const HANDLER = `
	handler:
		la t0, count
		lw t1, 0(t0)
		addi t1, t1, 1
		sw t1, 0(t0)
		ret
	count: .word 0
	action: .word 0
		.word 0
		.word 0
		.word 0`;

describe.each([
	[ITIMER_VIRTUAL, SIGVTALRM, 0],
	[ITIMER_PROF, SIGPROF, 1],
])("timer %i", (which, sig, counts) => {
	// A time slice is 10 ms.
	it.each([5, 15])("ends a program that has used its %i ms, to the microsecond", (ms) => {
		const timer = `timer: .word 0\n.word 0\n.word 0\n.word ${ms * 1000}`;
		const { system, report } = exec(
			`${call(SYS.setitimer, which, "=timer", 0)}\n${SPIN}\n${timer}`,
		);
		expect(report.exit.signal).toBe(signame(sig));
		const used = times(system)[counts]!;
		expect(used).toBeGreaterThan(ms * MS);
		expect(used).toBeLessThan(ms * MS + 20_000);
	});

	it("does not run while the program sleeps, and comes again", () => {
		const { report, system } = exec(`
			${handle(sig)}
			${call(SYS.setitimer, which, "=timer", 0)}
			${call(SYS.clock_nanosleep64, 0, 0, "=long", 0)}
			la s1, count
		again:
			lw a0, 0(s1)
			li t0, 4
			blt a0, t0, again
			${EXIT}
			${HANDLER}
			${TIMER}
			long: .word 0
				.word 0
				.word ${50 * MS}
				.word 0
		`);
		expect(report.exit).toMatchObject({ code: 4, signal: null });
		const used = times(system)[counts]!;
		expect(used).toBeGreaterThan(14 * MS);
		expect(used).toBeLessThan(14 * MS + 200_000);
	});
});

describe("RLIMIT_CPU", () => {
	const LIMIT = (soft: number, hard: number): string =>
		["limit:", soft, 0, hard, 0].join("\n.word ");
	const SET = call(SYS.prlimit64, 0, RLIMIT_CPU, "=limit", 0);

	/**
	 * Run a program that spins, and add 0.99 s to its time whenever it has set its limit or that
	 * has moved. => the limits that it had.
	 */
	function run(source: string): { system: System; limits: number[] } {
		const system = createSystem({ program: "test", image: elf(source) });
		const { kernel, process } = system;
		const limits: number[] = [];
		while (system.run(kernel.port.cycles + MS / 10) === "running") {
			const { rlim_cur } = process.p_rlimit[RLIMIT_CPU]!;
			if (rlim_cur === Number.POSITIVE_INFINITY || limits.includes(rlim_cur)) continue;
			limits.push(rlim_cur);
			process.p_lwp!.l_utime += 990 * MS;
			cputime_arm(kernel, process);
		}
		return { system, limits };
	}

	it("sends SIGXCPU at the soft limit", () => {
		const { system } = run(`${SET}\n${SPIN}\n${LIMIT(1, 9)}`);
		expect(system.report(0).exit.signal).toBe(signame(SIGXCPU));
		expect(times(system)[1]).toBeGreaterThanOrEqual(1000 * MS);
	});

	it("sends it again for each second, and kills at the hard limit", () => {
		const { system, limits } = run(
			`${handle(SIGXCPU)}\n${SET}\n${SPIN}\n${HANDLER}\n${LIMIT(1, 3)}`,
		);
		expect(system.report(0).exit.signal).toBe(signame(SIGKILL));
		expect(limits).toEqual([1, 2, 3]);
	});
});

describe("execve", () => {
	/** Run a program from an archive, which is started with neither arguments nor environment. */
	function started(source: string): number {
		const image = tar([{ path: "again", data: elf(source), mode: 0o755 }]);
		const media = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
		const { code } = exec(
			`${call(SYS.execve, "=path", 0, 0)}\nli a0, 99\n${EXIT}\npath:\n${text("/again")}`,
			{ ram: 2 * MiB, root: { media } },
		);
		return code;
	}

	it("without arguments gives one, which is empty", () => {
		expect(started(`lw a0, 0(sp)\n${EXIT}`)).toBe(1);
		expect(started(`lw a0, 4(sp)\nlbu a0, 0(a0)\n${EXIT}`)).toBe(0);
	});

	it("tells the program its path: AT_EXECFN", () => {
		const AT_EXECFN = 31;
		const code = started(`
			addi s0, sp, 16
		next:
			lw t0, 0(s0)
			lw s1, 4(s0)
			addi s0, s0, 8
			li t1, ${AT_EXECFN}
			bne t0, t1, next
			lbu a0, 1(s1)
			${EXIT}
		`);
		expect(String.fromCharCode(code)).toBe("a");
	});
});
