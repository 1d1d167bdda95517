/** System calls as a program sees them: results, errno values of Linux, effects. */
import { describe, expect, it } from "vitest";
import { syscall_handler } from "../../kernel/kern/sys/syscall.ts";
import { syscall_name } from "../../kernel/kern/sys/sysnames.ts";
import { SYS as NUMBERS } from "../../kernel/kern/sys/sysnum.ts";
import { call, EXIT, exec, SYS, text } from "../support/program.ts";
import { MiB } from "../support/workload.ts";

/** Exit with the errno that a system call has failed with. */
const errno = (...args: Parameters<typeof call>): string =>
	`${call(...args)}\nsub a0, zero, a0\n${EXIT}`;

const [EPERM_NOSYS, ENOENT, EBADF, ENOMEM, EFAULT, EBUSY] = [38, 2, 9, 12, 14, 16];
const [ENODEV, EINVAL] = [19, 22];

describe("processes", () => {
	it("getpid gives the first process 1", () => {
		expect(exec(`${call(SYS.getpid)}\n${EXIT}`).code).toBe(1);
	});

	it("exit passes on its low eight bits", () => {
		expect(exec(call(SYS.exit, 0x1234)).code).toBe(0x34);
	});

	it("an unknown call returns ENOSYS, and is reported once", () => {
		const { code, report } = exec(`${call(1234)}\n${errno(1234)}`);
		expect(code).toBe(EPERM_NOSYS);
		expect(report.messages).toEqual(["unknown system call 1234"]);
	});

	it("sendfile wants to store the offset, also at the end of the file", () => {
		const source = `${call(SYS.mmap2, 0, 4096, 1, 0x22)}
			mv s1, a0
			${call(NUMBERS.openat, -100, "=path", 0o102, 0o600)}
			mv s2, a0
			${call(NUMBERS.sendfile64, 1, "s2", "s1", 1)}
			sub a0, zero, a0
			${EXIT}
			path:
			${text("/tmp/empty")}`;
		expect(exec(source, { ram: 2 * MiB }).code).toBe(EFAULT);
	});

	it("a call of Linux that there is not is reported by name", () => {
		const { report } = exec(errno(198));
		expect(report.messages).toEqual(["unknown system call socket"]);
	});

	it("every call that has a name of ours has a handler, and no other name", () => {
		for (const [name, number] of Object.entries(NUMBERS)) {
			expect([name, typeof syscall_handler(number)]).toEqual([name, "function"]);
			expect(syscall_name(number)).toBe(name);
		}
	});

	it("clock_gettime64 returns the virtual time, and refuses other clocks", () => {
		const source = `${call(SYS.clock_gettime64, 1, "=now")}
			la t0, now
			lw t1, 8(t0)
			${call(SYS.clock_gettime64, 1, "=now")}
			lw t2, 8(t0)
			sltu a0, t1, t2
			${EXIT}
			now: .word 0
			.word 0
			.word 0
			.word 0`;
		expect(exec(source).code).toBe(1);
		expect(exec(errno(SYS.clock_gettime64, 99, 0x10000)).code).toBe(EINVAL);
	});

	it("ecall returns to the next instruction; ebreak and illegal instructions kill", () => {
		expect(exec("ebreak").report.exit).toMatchObject({ signal: "SIGTRAP", pc: 0x10000 });
		expect(exec(".word 0").report.exit).toMatchObject({ signal: "SIGILL", pc: 0x10000 });
	});
});

describe("console", () => {
	const echo = `again: ${call(SYS.read, 0, "=buffer", 64)}
		beq a0, zero, done
		mv a2, a0
		${call(SYS.write, 1, "=buffer")}
		j again
		done: ${EXIT}
		buffer: .word 0`;

	it("read waits for input, and returns 0 at its end", () => {
		const { report } = exec(echo, {}, "a line that is longer than the UART's FIFO is deep\n");
		expect(report.console).toBe("a line that is longer than the UART's FIFO is deep\n");
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	});

	it("a program that waits for input is not deadlocked", () => {
		const { system } = exec(echo);
		expect(system.exit.kind).toBe("running");
		expect(system.run()).toBe("input");
	});

	it.each([
		["write to a descriptor that is none", errno(SYS.write, 5, 0x10000, 1), EBADF],
		["read from standard output", errno(SYS.read, 1, 0x10000, 1), EBADF],
		["write from nowhere", errno(SYS.write, 1, 0x3000_0000, 1), EFAULT],
		["write from the kernel's half", errno(SYS.write, 1, 0xc000_0000, 1), EFAULT],
		["write from the end of user space", errno(SYS.write, 1, 0x7fff_fffc, 8), EFAULT],
	])("%s fails", (_, source, expected) => {
		expect(exec(source).code).toBe(expected);
	});
});

describe("memory", () => {
	const ANON_PRIVATE = 0x22;
	const mmap = (addr: number, len: number, prot: number, flags: number): string =>
		call(SYS.mmap2, addr, len, prot, flags);

	it.each([
		["mmap of nothing", errno(SYS.mmap2, 0, 0, 3, ANON_PRIVATE), EINVAL],
		["mmap neither shared nor private", errno(SYS.mmap2, 0, 4096, 3, 0x20), EINVAL],
		["mmap of no file", `li a4, 99\n${errno(SYS.mmap2, 0, 4096, 3, 2)}`, EBADF],
		["mmap of nothing of no file", `li a4, 99\n${errno(SYS.mmap2, 0, 0, 3, 2)}`, EBADF],
		["mmap of the console", `li a4, 0\n${errno(SYS.mmap2, 0, 4096, 3, 2)}`, ENODEV],
		["mmap of more than there is", errno(SYS.mmap2, 0, 0x7f00_0000, 3, ANON_PRIVATE), ENOMEM],
		["mmap at an odd place", errno(SYS.mmap2, 0x2000_0001, 4096, 3, 0x32), EINVAL],
		["mmap over the null page", errno(SYS.mmap2, 0, 4096, 3, 0x32), EINVAL],
		["munmap at an odd place", errno(SYS.munmap, 0x10001, 4096), EINVAL],
		["munmap of nothing", errno(SYS.munmap, 0x10000, 0), EINVAL],
		["munmap beyond user space", errno(SYS.munmap, 0x7fff_f000, 0x10000), EINVAL],
		["mprotect of a hole", errno(SYS.mprotect, 0x2000_0000, 4096, 1), ENOMEM],
		["mprotect at an odd place", errno(SYS.mprotect, 0x10001, 4096, 1), EINVAL],
	])("%s fails", (_, source, expected) => {
		expect(exec(source).code).toBe(expected);
	});

	it("munmap in the middle of a mapping removes only that part", () => {
		const source = `${mmap(0x2000_0000, 0x3000, 3, 0x32)}
			li s0, 0x20000000
			li s1, 7
			sw s1, 0(s0)
			li t0, 0x20002000
			sw s1, 0(t0)
			${call(SYS.munmap, 0x2000_1000, 0x1000)}
			lw a0, 0(s0)
			li t0, 0x20001000
			lw t1, 0(t0)`;
		const { report } = exec(source);
		expect(report.exit).toMatchObject({ signal: "SIGSEGV", addr: 0x2000_1000 });
		expect(report.uvmexp).toMatchObject({ nanon: 0, swpginuse: 0 });
	});

	it("memory that is mapped again reads as zeros", () => {
		const source = `${mmap(0x2000_0000, 0x1000, 3, 0x32)}
			li s0, 0x20000000
			li s1, 7
			sw s1, 0(s0)
			${mmap(0x2000_0000, 0x1000, 3, 0x32)}
			lw a0, 0(s0)
			${EXIT}`;
		expect(exec(source).code).toBe(0);
	});

	it("mprotect removes a right from a page in use, and restores it", () => {
		const source = `${mmap(0x2000_0000, 0x1000, 3, 0x32)}
			li s0, 0x20000000
			li s1, 7
			sw s1, 0(s0)
			${call(SYS.mprotect, 0x2000_0000, 0x1000, 1)}
			${call(SYS.mprotect, 0x2000_0000, 0x1000, 3)}
			sw s1, 4(s0)
			${call(SYS.mprotect, 0x2000_0000, 0x1000, 1)}
			lw a0, 0(s0)
			sw s1, 8(s0)`;
		const { report } = exec(source);
		expect(report.exit).toMatchObject({ signal: "SIGSEGV", addr: 0x2000_0008 });
	});

	it("shared anonymous memory works", () => {
		const source = `${mmap(0x2000_0000, 0x2000, 3, 0x31)}
			li s0, 0x20000000
			li s1, 7
			sw s1, 0(s0)
			lw a0, 0(s0)
			${EXIT}`;
		expect(exec(source).code).toBe(7);
	});

	it("brk moves the end of the heap, and returns the old end if it cannot", () => {
		const source = `${call(SYS.brk, 0)}
			mv s0, a0
			li t0, 0x5000
			add a0, s0, t0
			${call(SYS.brk)}
			li t0, 0x4ffc
			add t0, s0, t0
			sw s0, 0(t0)
			${call(SYS.brk, 0x7fff_0000)}
			sub s1, a0, s0
			mv a0, s0
			${call(SYS.brk)}
			sub a0, a0, s0
			srli s1, s1, 12
			add a0, a0, s1
			${EXIT}`;
		expect(exec(source).code).toBe(5);
	});

	it("what is stored into memory can be executed", () => {
		// li a0, 42; ret
		const source = `${mmap(0x2000_0000, 0x1000, 7, 0x32)}
			li s0, 0x20000000
			li t0, ${0x02a0_0513}
			sw t0, 0(s0)
			li t0, ${0x0000_8067}
			sw t0, 4(s0)
			fence.i
			jalr ra, 0(s0)
			${EXIT}`;
		expect(exec(source).code).toBe(42);
	});
});

describe("shared memory", () => {
	it.each([
		["shmget of nothing", errno(SYS.shmget, 0, 0, 0o1600), EINVAL],
		["shmget of a key that nobody has made", errno(SYS.shmget, 77, 4096, 0o600), ENOENT],
		["shmat of an id that is none", errno(SYS.shmat, 9, 0, 0), EINVAL],
		["shmdt where nothing is attached", errno(SYS.shmdt, 0x2000_0000), EINVAL],
		[
			"shmctl with an unknown command",
			`${call(SYS.shmget, 0, 4096, 0o1600)}
			${errno(SYS.shmctl, "a0", 99, 0)}`,
			EINVAL,
		],
	])("%s fails", (_, source, expected) => {
		expect(exec(source).code).toBe(expected);
	});

	it("a key finds the segment that was made with it", () => {
		const source = `${call(SYS.shmget, 77, 4096, 0o1600)}
			mv s0, a0
			${call(SYS.shmget, 77, 4096, 0o600)}
			sub a0, a0, s0
			${EXIT}`;
		expect(exec(source).code).toBe(0);
	});

	it("IPC_STAT returns size and attachments", () => {
		const source = `${call(SYS.shmget, 0, 9000, 0o1600)}
			mv s0, a0
			${call(SYS.shmat, "s0", 0, 0)}
			mv a0, s0
			${call(SYS.shmctl, "a0", 2, "=ds")}
			la t0, ds
			lw t1, 36(t0)
			li t2, 9000
			sub t1, t1, t2
			lw a0, 72(t0)
			add a0, a0, t1
			${EXIT}
			ds: .word 0`;
		expect(exec(source).code).toBe(1);
	});

	it("a segment that was never removed is freed with the last process", () => {
		const source = `${call(SYS.shmget, 0, 0x10000, 0o1600)}
			${call(SYS.shmat, "a0", 0, 0)}
			sw a0, 0(a0)
			li a0, 0
			${EXIT}`;
		const { report, system } = exec(source);
		expect(report.exit.code).toBe(0);
		expect(report.uvmexp.free + report.uvmexp.wired + report.uvmexp.poolpages).toBe(
			report.uvmexp.npages,
		);
		expect(system.kernel.shm.shmsegs).toEqual([]);
	});
});

describe("swap devices", () => {
	const path = (name: string): string => `${EXIT}\npath: ${text(name)}`;
	const extra = { ram: 2 * MiB, disks: [{ media: 8 * MiB }] };

	it("swapon adds a disk, and swapoff takes it out again", () => {
		const source = `${call(SYS.swapon, "=path", 0)}
			bne a0, zero, fail
			${call(SYS.swapoff, "=path")}
			fail: sub a0, zero, a0
			${path("/dev/ld1")}`;
		const { report } = exec(source, extra);
		expect(report.exit.code).toBe(0);
		expect(report.uvmexp).toMatchObject({ nswapdev: 1, swpages: 16383 });
	});

	it.each([
		["swapon of what is no disk", call(SYS.swapon, "=path", 0), "/dev/null", EINVAL],
		["swapon of a disk in use", call(SYS.swapon, "=path", 0), "/dev/ld0", EBUSY],
		["swapon with unknown flags", call(SYS.swapon, "=path", 0x10000), "/dev/ld1", EINVAL],
		["swapoff of what is no disk", call(SYS.swapoff, "=path"), "/dev/ld7", ENOENT],
		["swapoff of a disk not in use", call(SYS.swapoff, "=path"), "/dev/ld1", 6],
		["swapon of a path from nowhere", call(SYS.swapon, 0x3000_0000, 0), "", EFAULT],
	])("%s fails", (_, source, name, expected) => {
		const program = `${source}\nsub a0, zero, a0\n${path(name)}`;
		expect(exec(program, extra).code).toBe(expected);
	});

	/** Store a word in each of `pages` pages, run `then`, and look whether they are all there. */
	const around = (pages: number, then: string): string => `
		${call(SYS.mmap2, 0x2000_0000, pages * 4096, 3, 0x32)}
		li s0, 0x20000000
		li s1, ${0x2000_0000 + pages * 4096}
		li s2, 4096
		fill: sw s0, 0(s0)
		add s0, s0, s2
		bltu s0, s1, fill
		${then}
		mv s3, a0
		li s0, 0x20000000
		look: lw t0, 0(s0)
		bne t0, s0, bad
		add s0, s0, s2
		bltu s0, s1, look
		sub a0, zero, s3
		j done
		bad: li a0, 99
		done: ${path("/dev/ld0")}`;

	it("swapoff with pages in use brings them back to memory or to another disk", () => {
		const then = call(SYS.swapoff, "=path");
		const { report } = exec(around(800, `${swapon2}\n${then}`), extra);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.uvmexp.nswapdev).toBe(1);
	});

	it("swapoff fails with ENOMEM if memory has no room, and loses nothing", () => {
		const { report } = exec(around(800, call(SYS.swapoff, "=path")), { ram: 2 * MiB });
		expect(report.exit).toMatchObject({ kind: "exited", code: ENOMEM });
		expect(report.uvmexp).toMatchObject({ nswapdev: 1, swpginuse: 0 });
	});

	const swapon2 = `j over\npath2: ${text("/dev/ld1")}\nover: ${call(SYS.swapon, "=path2", 0)}`;
});
