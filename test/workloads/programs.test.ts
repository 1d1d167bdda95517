import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	forkOutput,
	helloOutput,
	mallocOutput,
	matmulOutput,
	mlockOutput,
	mmapOutput,
	pipeOutput,
	shmOutput,
	signalOutput,
	sortOutput,
	touchOutput,
	walkOutput,
} from "../../workloads/reference.ts";
import { hasCommand, type Outcome, run, workloads } from "./support.ts";

/** A program of some build, e.g. `sort` compiled for the host. */
type Runner = (program: string, ...args: string[]) => Outcome;

/** Memory to be locked is limited for those who are not the superuser. */
const lockable = run("sh", "-c", "ulimit -l").stdout.trim();
const canLock = process.getuid?.() === 0 || lockable === "unlimited" || Number(lockable) >= 4096;

const successes: readonly [commandLine: string, output: string][] = [
	["hello", helloOutput()],
	["hello one two", helloOutput("one", "two")],
	["sort 1", sortOutput(1)],
	["sort 2 4294967295", sortOutput(2, 0xffff_ffff)],
	["matmul", matmulOutput()],
	["matmul 1 0", matmulOutput(1, 0)],
	["matmul 33 7", matmulOutput(33, 7)],
	["walk 1", walkOutput(1)],
	["walk 2 9 5", walkOutput(2, 9, 5)],
	["walk 1 0", walkOutput(1, 0)],
	["shm 1 1", shmOutput(1, 1)],
	["shm 2", shmOutput(2)],
	["shm 3 7", shmOutput(3, 7)],
	["touch", touchOutput()],
	["touch 1 0", touchOutput(1, 0)],
	["fork", forkOutput()],
	["fork 200", forkOutput(200)],
	["fork 1 3 0", forkOutput(1, 3, 0)],
	["fork 100 20 2", forkOutput(100, 20, 2)],
	["mmap", mmapOutput()],
	["mmap 3", mmapOutput(3)],
	["malloc", mallocOutput()],
	["malloc 5000 9", mallocOutput(5000, 9)],
	["malloc 0", mallocOutput(0)],
	["pipe", pipeOutput()],
	["pipe 2", pipeOutput(2)],
	["signal 64 8 0", signalOutput(64, 8, 0)],
	["signal 5 3 0", signalOutput(5, 3, 0)],
];

const wrongArguments = [
	"sort 0",
	"sort 1025",
	"sort 1 2 3",
	"sort 1 4294967296",
	"matmul -1",
	"matmul 1x",
	"walk 1 1000001",
	"shm 1 65",
	"touch 1 1 1",
	"fork 0",
	"mmap 257",
	"malloc 1 1 1",
	"pipe 0",
	"signal 0",
	"mlock 0",
	"wild",
	"wild nowhere",
];

const wildModes = ["null", "nullw", "text", "rodata", "data", "stack", "gap", "prot"];

function describePrograms(execute: Runner): void {
	const runLine = (commandLine: string) => {
		const [program = "", ...args] = commandLine.split(" ");
		return execute(program, ...args);
	};

	it.each(successes)("%s prints what the reference computes", (commandLine, output) => {
		expect(runLine(commandLine)).toEqual({ code: 0, signal: null, stdout: output, stderr: "" });
	});

	it.skipIf(!canLock)("mlock 1 2, where 4 MiB may be locked", () => {
		expect(runLine("mlock 1 2")).toMatchObject({ code: 0, stdout: mlockOutput(), stderr: "" });
	});

	it.each(wrongArguments)("%s is answered with the usage and exit code 2", (commandLine) => {
		const outcome = runLine(commandLine);
		expect(outcome).toMatchObject({ code: 2, stdout: "" });
		expect(outcome.stderr).toMatch(/^usage: .*\n$/);
	});

	it.each(wildModes)("wild %s dies by SIGSEGV", (mode) => {
		expect(execute("wild", mode)).toMatchObject({ signal: "SIGSEGV", stdout: "" });
	});
}

describe.skipIf(!hasCommand("cc", "--version"))("programs built for this host", () => {
	const directory = mkdtempSync(join(tmpdir(), "workloads-"));

	beforeAll(() => {
		expect(run(join(workloads, "build.sh"), "--native", directory)).toMatchObject({ code: 0 });
	});
	afterAll(() => rmSync(directory, { recursive: true }));

	describePrograms((program, ...args) => run(join(directory, program), ...args));

	it("signal holds back what sa_mask says", () => {
		expect(run(join(directory, "signal")).stdout).toBe(signalOutput());
	});

	it("sort falls back to a heap sort that sorts", () => {
		const heapSort = join(directory, "heap-sort");
		const flags = ["-DRT_NATIVE", "-DDEPTH_FACTOR=0", "-O2", "-std=gnu11"];
		expect(run("cc", ...flags, "-o", heapSort, join(workloads, "sort.c")).code).toBe(0);
		expect(run(heapSort, "1", "3").stdout).toBe(sortOutput(1, 3));
	});
});

/**
 * QEMU tells a SIGBUS handler the host's address of the fault. With guest memory at a multiple of
 * 4 GiB its low half is the guest's.
 */
const guestBase = ["-B", "0x100000000"];

describe.skipIf(!hasCommand("qemu-riscv32", "--version"))("committed ELF files on QEMU", () => {
	describePrograms((program, ...args) =>
		run("qemu-riscv32", ...guestBase, join(workloads, "bin", program), ...args),
	);
});
