/** Files as programs see them: through system calls, on a root from an archive. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { call, EXIT, exec, type Ran, text } from "../support/program.ts";
import { hostTar, type TarEntry, tar, withDirectory } from "../support/tar.ts";
import { MiB } from "../support/workload.ts";

const O_RDWR = 2;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const AT_FDCWD = -100;

const MOTD = "hello from the archive\n";
const BIG = Uint8Array.from({ length: 150_000 }, (_, i) => (i * 31) & 0xff);

const sample: TarEntry[] = [
	{ path: "motd", data: MOTD },
	{ path: "dir/file", data: "in a directory" },
	{ path: "big", data: BIG },
	{ path: "link", type: "2", link: "dir/file" },
];

/** Run a program with the sample as root, on disk 1. */
function run(source: string, options: object = {}, input = ""): Ran & { disk: MemoryDisk } {
	const image = tar(sample);
	const disk = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
	const all = { ram: 2 * MiB, root: { media: disk }, ...options };
	return { ...exec(source, all, input), disk };
}

const contents = (disk: MemoryDisk): Uint8Array => {
	const image = new Uint8Array(disk.sectors * 512);
	disk.read(0, image);
	return image;
};

/** Strings at labels, and a buffer that is page aligned enough for any structure. */
const data = (strings: Record<string, string>): string =>
	Object.entries(strings)
		.map(([label, value]) => `${label}: ${text(value)}`)
		.join("\n") + "\nbuffer: .word 0";

const open = (label: string, flags = 0, mode = 0o644): string =>
	call(SYS.openat, AT_FDCWD, `=${label}`, flags, mode);

/** End with -a0 as exit code. */
const ERRNO = `sub a0, zero, a0\n${EXIT}`;
/** End with 99 if a0 is negative. */
const ok = (n: number): string => `bge a0, zero, ok${n}\nli a0, 99\n${EXIT}\nok${n}:`;
/** Print what is in the buffer, a0 bytes. */
const PRINT = `mv a2, a0\n${call(SYS.write, 1, "=buffer")}`;

describe("reading", () => {
	it("a file from the archive, in one call and in several", () => {
		const source = `${open("path")}\n${ok(1)}
			mv s0, a0
			${call(SYS.read, "s0", "=buffer", 5)}
			${PRINT}
			${call(SYS.read, "s0", "=buffer", 1000)}
			${PRINT}
			${call(SYS.read, "s0", "=buffer", 1000)}
			${EXIT}
			${data({ path: "/motd" })}`;
		const { report } = run(source);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.console).toBe(MOTD);
	});

	it("through a link, relative to a directory, after chdir", () => {
		const source = `${call(SYS.chdir, "=dir")}\n${ok(1)}
			${open("path")}\n${ok(2)}
			mv s0, a0
			${call(SYS.read, "s0", "=buffer", 100)}
			${PRINT}
			${call(SYS.getcwd, "=buffer", 100)}
			mv s1, a0
			${PRINT}
			mv a0, s1
			${EXIT}
			${data({ dir: "/dev/../dir", path: "../link" })}`;
		const { report } = run(source);
		expect(report.console).toBe("in a directory/dir\0");
		expect(report.exit.code).toBe(5);
	});

	it("more than 64 KiB at once, from the middle, with pread and lseek", () => {
		// Sum of bytes read in one call of 140000 from offset 5000.
		const source = `${open("path")}\n${ok(1)}
			mv s0, a0
			${call(SYS.mmap2, 0x2000_0000, 0x40000, 3, 0x32)}
			li a3, 5000
			li a4, 0
			${call(SYS.pread64, "s0", 0x2000_0000, 200_000)}
			mv s1, a0
			li s2, 0x20000000
			add s3, s2, s1
			li s4, 0
			sum: lbu t0, 0(s2)
			add s4, s4, t0
			addi s2, s2, 1
			bltu s2, s3, sum
			la t1, buffer
			sw s1, 0(t1)
			sw s4, 4(t1)
			li a0, 8
			${PRINT}
			li a0, 0
			${EXIT}
			${data({ path: "/big" })}`;
		const { report } = run(source);
		expect(report.exit.code).toBe(0);
		const words = Buffer.from(report.console, "latin1");
		expect(words.readUInt32LE(0)).toBe(145_000);
		expect(words.readUInt32LE(4)).toBe(BIG.subarray(5000).reduce((sum, b) => sum + b, 0));
	});

	it("a bad sector makes the call fail, and kills no process", () => {
		const image = tar(sample);
		const at = Math.floor(Buffer.from(image).indexOf(Buffer.from(BIG.subarray(0, 50))) / 512);
		const prepare = (source: string): Ran => {
			const disk = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
			disk.read = (
				(original) => (sector: number, into: Uint8Array) =>
					sector < at + 17 && sector + into.length / 512 > at + 16
						? 1
						: original.call(disk, sector, into)
			)(disk.read);
			return exec(source, { ram: 2 * MiB, root: { media: disk } });
		};
		const source = `${open("path")}\n${ok(1)}
			mv s0, a0
			li a3, ${2 * 4096}
			li a4, 0
			${call(SYS.pread64, "s0", "=buffer", 10)}
			${ERRNO}
			${data({ path: "/big" })}`;
		expect(prepare(source).code).toBe(5);
	});
});

describe("writing", () => {
	it("in place is on the disk after shutdown, and nothing else has changed", () => {
		const source = `${open("path", O_RDWR)}\n${ok(1)}
			mv s0, a0
			${call(SYS.write, "s0", "=word", 5)}
			${EXIT}
			${data({ path: "/motd", word: "HELLO" })}`;
		const { report, disk } = run(source);
		expect(report.exit.code).toBe(5);
		const expected = tar([
			{ path: "motd", data: MOTD.replace("hello", "HELLO") },
			...sample.slice(1),
		]);
		expect(Buffer.compare(contents(disk).subarray(0, expected.length), expected)).toBe(0);
		expect(report.uvmexp.free + report.uvmexp.wired + report.uvmexp.poolpages).toBe(
			report.uvmexp.npages,
		);
	});

	it.runIf(hostTar())("leaves an archive that the host's tar unpacks", () => {
		const source = `${open("path", O_RDWR)}\n${ok(1)}
			mv s0, a0
			li a3, 4090
			li a4, 0
			${call(SYS.pwrite64, "s0", "=word", 12)}
			${EXIT}
			${data({ path: "/big", word: "over a page!" })}`;
		const { report, disk } = run(source);
		expect(report.exit.code).toBe(12);
		withDirectory((dir) => {
			writeFileSync(join(dir, "a.tar"), contents(disk));
			execFileSync("tar", ["-C", dir, "-xf", join(dir, "a.tar")]);
			const expected = Buffer.from(BIG);
			expected.write("over a page!", 4090);
			expect(Buffer.compare(readFileSync(join(dir, "big")), expected)).toBe(0);
			expect(readFileSync(join(dir, "motd"), "latin1")).toBe(MOTD);
		});
	});

	it("beyond the end is EFBIG, and what fits is written", () => {
		const source = `${open("path", O_RDWR)}\n${ok(1)}
			mv s0, a0
			li a3, ${MOTD.length - 3}
			li a4, 0
			${call(SYS.pwrite64, "s0", "=word", 10)}
			li t0, 3
			bne a0, t0, bad
			li a3, ${MOTD.length}
			li a4, 0
			${call(SYS.pwrite64, "s0", "=word", 10)}
			${ERRNO}
			bad: li a0, 98
			${EXIT}
			${data({ path: "/motd", word: "0123456789" })}`;
		expect(run(source).code).toBe(27);
	});

	it("to a file in /tmp, appended, truncated, renamed, read back", () => {
		const source = `${open("path", O_RDWR | O_CREAT | O_APPEND)}\n${ok(1)}
			mv s0, a0
			${call(SYS.write, "s0", "=word", 6)}
			${call(SYS.write, "s0", "=word", 6)}
			${call(SYS.ftruncate64, "s0", 9, 0)}
			${call(SYS.renameat2, AT_FDCWD, "=path", AT_FDCWD, "=other")}
			${open("path")}
			li t0, -2
			bne a0, t0, bad
			${open("other")}\n${ok(2)}
			${call(SYS.read, "a0", "=buffer", 100)}
			${PRINT}
			${EXIT}
			bad: li a0, 98
			${EXIT}
			${data({ path: "/tmp/a", other: "/tmp/b", word: "abcdef" })}`;
		const { report } = run(source);
		expect(report.console).toBe("abcdefabc");
		expect(report.exit.code).toBe(9);
	});

	it("without a root disk, /tmp and /dev still exist", () => {
		const source = `${open("path", O_RDWR | O_CREAT | O_TRUNC)}\n${ok(1)}
			mv s0, a0
			${open("zero")}\n${ok(2)}
			${call(SYS.read, "a0", "=buffer", 16)}
			mv a2, a0
			${call(SYS.write, "s0", "=buffer")}
			${EXIT}
			${data({ path: "/tmp/a", zero: "/dev/zero" })}`;
		expect(exec(source).code).toBe(16);
	});
});

describe("errors", () => {
	const fails = (source: string, strings: Record<string, string>): number =>
		run(`${source}\n${ERRNO}\n${data(strings)}`, { framebuffer: null }).code;

	it.each([
		["open of nothing", open("path"), "/nothing", 2],
		["open to write of a directory", open("path", O_RDWR), "/dir", 21],
		["open below a file", open("path"), "/motd/x", 20],
		["creation in the archive", open("path", O_RDWR | O_CREAT), "/new", 30],
		["open with O_EXCL of what exists", open("path", O_RDWR | O_CREAT | 0o200), "/motd", 17],
		["open of a name that is too long", open("path"), `/${"x".repeat(300)}`, 36],
		["open of a directory as such", open("path", 0o200000), "/motd", 20],
		["open of a link as such", open("path", 0o400000), "/link", 40],
		["open of a device that is not there", open("path"), "/dev/fb0", 6],
		["chdir to a file", call(SYS.chdir, "=path"), "/motd", 20],
		["mkdir in the archive", call(SYS.mkdirat, AT_FDCWD, "=path", 0o755), "/new", 30],
		["mkdir of what exists", call(SYS.mkdirat, AT_FDCWD, "=path", 0o755), "/tmp", 17],
		["unlink of a directory", call(SYS.unlinkat, AT_FDCWD, "=path", 0), "/tmp", 21],
		["rmdir of a mount", call(SYS.unlinkat, AT_FDCWD, "=path", 0x200), "/tmp", 16],
		["readlink of a file", call(SYS.readlinkat, AT_FDCWD, "=path", "=buffer", 9), "/motd", 22],
		["close of what is not open", call(SYS.close, 7), "", 9],
		["dup of what is not open", call(SYS.dup, 7), "", 9],
		["dup3 onto itself", call(SYS.dup3, 1, 1, 0), "", 22],
		["fcntl with an unknown command", call(SYS.fcntl64, 1, 77, 0), "", 22],
		["lseek on the console", call(SYS.llseek, 1, 0, 0, "=buffer"), "", 29],
		["getdents of the console", call(SYS.getdents64, 1, "=buffer", 100), "", 20],
		["open of a path from nowhere", call(SYS.openat, AT_FDCWD, 0x3000_0000, 0), "", 14],
		["ioctl that nobody knows", call(SYS.ioctl, 1, 0x1234, 0), "", 25],
		["getcwd into too little", call(SYS.getcwd, "=buffer", 1), "", 34],
	])("%s fails", (_, source, path, errno) => {
		expect(fails(source, { path })).toBe(errno);
	});

	it("reading a directory, and writing what was opened to read", () => {
		const read = `${open("path")}\n${call(SYS.read, "a0", "=buffer", 10)}`;
		expect(fails(read, { path: "/dir" })).toBe(21);
		const write = `${open("path")}\n${call(SYS.write, "a0", "=buffer", 10)}`;
		expect(fails(write, { path: "/motd" })).toBe(9);
	});

	it("more descriptors than a process may have", () => {
		const source = `again: ${open("path")}
			bge a0, zero, again`;
		expect(fails(source, { path: "/motd" })).toBe(24);
	});

	it("a root that is not an archive ends the program before it begins", () => {
		const media = new MemoryDisk(4096, { image: new Uint8Array(4096).fill(65) });
		const { report } = exec(EXIT, { root: { media } });
		expect(report.exit).toMatchObject({
			kind: "killed",
			reason: "ld1: sector 0: not a tar archive",
		});
	});
});

describe("descriptors", () => {
	it("made by dup share their file offset, but not close-on-exec", () => {
		const source = `${open("path")}\n${ok(1)}
			mv s0, a0
			${call(SYS.fcntl64, "s0", 1030, 10)}
			mv s1, a0
			${call(SYS.read, "s0", "=buffer", 6)}
			${call(SYS.read, "s1", "=buffer", 4)}
			${PRINT}
			${call(SYS.fcntl64, "s1", 1, 0)}
			slli s2, a0, 4
			${call(SYS.fcntl64, "s0", 1, 0)}
			add s2, s2, a0
			add a0, s2, s1
			${EXIT}
			${data({ path: "/motd" })}`;
		const { report } = run(source);
		expect(report.console).toBe("from");
		expect(report.exit.code).toBe(16 + 10);
	});

	it("the console can be closed, and a file be put in its place", () => {
		const source = `${open("path", O_RDWR | O_CREAT)}\n${ok(1)}
			${call(SYS.dup3, "a0", 1, 0)}
			${call(SYS.write, 1, "=word", 4)}
			${call(SYS.llseek, 1, 0, 0, "=buffer")}
			li a4, 0
			${call(SYS.llseek, 1, 0, 0, "=buffer")}
			${call(SYS.read, 1, "=buffer", 10)}
			mv a2, a0
			${call(SYS.write, 2, "=buffer")}
			${EXIT}
			${data({ path: "/tmp/out", word: "text" })}`;
		const { report } = run(source);
		expect(report.console).toBe("text");
	});

	it("poll reports what is ready, waits, and times out", () => {
		const source = `la t0, fds
			li t1, 1
			sw t1, 4(t0)
			${call(SYS.ppoll64, "=fds", 1, "=short", 0)}
			bne a0, zero, bad
			la t0, fds
			${call(SYS.ppoll64, "=fds", 1, 0, 0)}
			li t1, 1
			bne a0, t1, bad
			la t0, fds
			lh a0, 6(t0)
			slli s0, a0, 1
			${call(SYS.read, 0, "=buffer", 10)}
			add a0, a0, s0
			${EXIT}
			bad: li a0, 99
			${EXIT}
			fds: .word 0
			.word 0
			short: .word 0
			.word 0
			.word 1000
			.word 0
			buffer: .word 0`;
		expect(exec(source, {}, "abc\n").code).toBe(2 + 4);
	});
});

describe("attributes", () => {
	it("statx returns size, type and mode", () => {
		const source = `${call(SYS.statx, AT_FDCWD, "=path", 0, 0x7ff)}
			la a4, buffer
			${call(SYS.statx, AT_FDCWD, "=path", 0, 0x7ff)}
			bne a0, zero, bad
			la t0, buffer
			lhu t1, 28(t0)
			li t2, ${0o100644}
			bne t1, t2, bad
			lw a0, 40(t0)
			${EXIT}
			bad: li a0, 99
			${EXIT}
			${data({ path: "/motd" })}`;
		expect(run(source).code).toBe(MOTD.length);
	});

	it("getdents lists a directory in pieces", () => {
		const source = `${open("path")}\n${ok(1)}
			mv s0, a0
			again: ${call(SYS.getdents64, "s0", "=buffer", 40)}
			beq a0, zero, done
			la s1, buffer
			add s2, s1, a0
			next: lhu s3, 16(s1)
			addi s4, s1, 19
			name: lbu t0, 0(s4)
			beq t0, zero, end
			mv a1, s4
			${call(SYS.write, 1, "s4", 1)}
			addi s4, s4, 1
			j name
			end: ${call(SYS.write, 1, "=sep", 1)}
			add s1, s1, s3
			bltu s1, s2, next
			j again
			done: ${EXIT}
			${data({ path: "/", sep: " " })}`;
		const { report } = run(source);
		expect(report.console).toBe(". .. motd dir big link dev tmp ");
	});

	it("statfs64 returns the type of the file system", () => {
		const source = `${call(SYS.statfs64, "=path", 88, "=buffer")}
			bne a0, zero, bad
			la t0, buffer
			lw a0, 0(t0)
			li t1, ${0x0102_1994}
			sub a0, a0, t1
			${EXIT}
			bad: li a0, 99
			${EXIT}
			${data({ path: "/tmp" })}`;
		expect(run(source).code).toBe(0);
	});
});
