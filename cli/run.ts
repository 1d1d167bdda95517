/** `uvmachine run`: software made for a RISC-V board, on the board alone. */
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import {
	BARE_DEFAULT_RAM,
	Bare,
	type BareExit,
	type BareOptions,
	type BareReport,
	openDisk,
} from "../bare.ts";
import { BareHost, BareTarget } from "../gdb/session.ts";
import { InputReader, OutputBuffer } from "./console.ts";
import { type GdbFlags, gdbPort, serveGdb } from "./gdb-server.ts";
import { HostTerminal } from "./host-terminal.ts";
import { readInputFile } from "./input-file.ts";
import { driveInteractive } from "./interactive.ts";
import {
	addressOption,
	collect,
	integerOption,
	misalignedOption,
	policyOption,
	portOption,
	sizeOption,
	tlbOption,
	virtioOption,
} from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { RunProgress } from "./progress.ts";
import { bareSummary } from "./summary.ts";
import { TraceFile } from "./trace-file.ts";
import { UsageError } from "./usage-error.ts";

/** Cycles between two looks at the host's clock: some tens of milliseconds. */
const SLICE = 10_000_000;

interface RunFlags extends GdbFlags {
	readonly ram: number;
	readonly disk: string[];
	readonly virtio: "legacy" | "modern";
	readonly sbi: boolean;
	readonly bios?: string;
	readonly initrd?: string;
	readonly append?: string;
	readonly dtb?: string;
	readonly dumpDtb?: string;
	readonly loadAddress?: number;
	readonly tlb?: { entries: number; ways: number };
	readonly ad: "hardware" | "trap";
	readonly misaligned: "handle" | "trap";
	readonly json?: string;
	readonly trace?: string;
	readonly maxCycles?: number;
	readonly quiet: boolean;
}

export function runCommand(done: (exitCode: number) => void): Command {
	return new Command("run")
		.description("run software made for QEMU's virt board, without our kernel")
		.argument("<image>", "an RV32 ELF file, or a raw image that is loaded at 0x80000000")
		.option("--ram <size>", "RAM, as 64M, 1G", sizeOption, BARE_DEFAULT_RAM)
		.option("--disk <file[,ro]>", "a raw disk image; may be repeated", collect, [])
		.option("--virtio <version>", "its registers: legacy or modern", virtioOption, "legacy")
		.option("--sbi", "start in S-mode above a built-in SBI; raw images go to 0x80400000", false)
		.option("--bios <file>", "firmware for M-mode, at 0x80000000; the image is its next stage")
		.option("--initrd <file>", "an initial RAM disk")
		.option("--append <text>", "the kernel's command line")
		.option("--dtb <file>", "a device tree instead of the one that describes the board")
		.option("--dump-dtb <file>", "write the device tree and do not run; - for stdout")
		.option("--load-address <address>", "where a raw image goes", addressOption)
		.option("--tlb <entries[,ways]>", "shape of the TLB (default: 1024,4)", tlbOption)
		.option("--ad <policy>", "who sets A and D bits: hardware or trap", policyOption, "hardware")
		.option(
			"--misaligned <policy>",
			"misaligned loads and stores: handle or trap",
			misalignedOption,
			"handle",
		)
		.option("--trace <file>", "write what happens, and when, for ui.perfetto.dev")
		.option("--json <file>", "write a report as JSON; - for stdout, after the guest's output")
		.option("--max-cycles <n>", "stop after so much virtual time, in ns", integerOption)
		.option("--gdb [port]", "wait for a debugger on this port of 127.0.0.1 (1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run, until a debugger comes")
		.option("-q, --quiet", "no summary and no progress", false)
		.action(async (image: string, flags: RunFlags) => {
			done(await run(image, flags));
		});
}

async function run(path: string, flags: RunFlags): Promise<number> {
	const json = flags.json === undefined ? null : new OutputFile(flags.json, process.stdout);
	const trace = flags.trace === undefined ? null : new TraceFile(flags.trace);
	const output = new OutputBuffer(process.stdout);
	const port = gdbPort(flags);
	let show = (byte: number): void => output.put(byte);
	const bare = new Bare({
		...bareOptions(path, flags),
		...(trace === null ? {} : { trace: trace.write }),
		console: (byte) => show(byte),
	});
	if (flags.dumpDtb !== undefined) {
		dump(flags.dumpDtb, bare.dtb);
		return 0;
	}
	const interactive = port === null && process.stdin.isTTY && process.stdout.isTTY;
	const started = performance.now();
	let left = false;
	if (port !== null) {
		const again = flags.disk.every((text) => text.endsWith(",ro"));
		const put = show;
		const target: BareTarget = new BareTarget(new BareHost(bare, again), put);
		show = (byte) => target.print(byte);
		left = await serveGdb(target, port, flags, output);
	} else if (interactive) left = await driveTerminal(bare, flags, output);
	else await drive(bare, flags, output);
	bare.traceEnd();
	trace?.close();
	const report = bare.report(performance.now() - started);
	if (!flags.quiet && !left) process.stderr.write(bareSummary(path, report));
	json?.write(`${JSON.stringify(withCommand(report, path, flags))}\n`);
	return left ? 0 : exitCode(report.exit);
}

/** The report with what the command line adds to its configuration. */
function withCommand(report: BareReport, image: string, flags: RunFlags): BareReport {
	const { bios = null, initrd = null, dtb = null, disk, maxCycles = null } = flags;
	const config = { image, ...report.config, bios, initrd, dtb, files: disk, maxCycles };
	return { ...report, config };
}

function bareOptions(image: string, flags: RunFlags): BareOptions {
	const { bios, initrd, dtb, append, loadAddress, tlb } = flags;
	return {
		image: readInputFile("image", image),
		ram: flags.ram,
		sbi: flags.sbi,
		disks: flags.disk.map((text) => {
			const readOnly = text.endsWith(",ro");
			return { media: openDisk(readOnly ? text.slice(0, -",ro".length) : text, readOnly) };
		}),
		...(bios === undefined ? {} : { bios: readInputFile("bios", bios) }),
		...(initrd === undefined ? {} : { initrd: readInputFile("initrd", initrd) }),
		...(dtb === undefined ? {} : { dtb: readInputFile("dtb", dtb) }),
		...(append === undefined ? {} : { bootargs: append }),
		...(loadAddress === undefined ? {} : { loadAddress }),
		...(tlb === undefined ? {} : { tlbEntries: tlb.entries, tlbWays: tlb.ways }),
		virtio: flags.virtio,
		adPolicy: flags.ad,
		misaligned: flags.misaligned,
	};
}

function dump(path: string, bytes: Uint8Array): void {
	if (path === "-") {
		process.stdout.write(bytes);
		return;
	}
	try {
		writeFileSync(path, bytes);
	} catch (error) {
		throw new UsageError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
	}
}

/** Run with the host's terminal as the guest's. => whether the user has left. */
async function driveTerminal(bare: Bare, flags: RunFlags, output: OutputBuffer): Promise<boolean> {
	const terminal = new HostTerminal(process.stdin, process.stdout, () => {});
	const limit = flags.maxCycles ?? Number.POSITIVE_INFINITY;
	const screen = { flush: () => output.flush() };
	try {
		await driveInteractive(bare, terminal, screen, limit, () => performance.now());
	} finally {
		terminal.close();
		if (!output.atLineStart) process.stdout.write("\n");
	}
	return terminal.left;
}

/** Run to the end, passing on output, progress and input. */
async function drive(bare: Bare, flags: RunFlags, output: OutputBuffer): Promise<void> {
	const progress = new RunProgress(process.stderr, flags.quiet);
	const input = new InputReader(process.stdin);
	const limit = flags.maxCycles ?? Number.POSITIVE_INFINITY;
	for (;;) {
		const { clock } = bare.machine;
		const state = bare.run(Math.min(clock.cycles + SLICE, limit));
		if (output.pending) progress.stop();
		output.flush();
		if (state === "ended" || clock.cycles >= limit) break;
		progress.update(bare.machine, null);
		if (state === "input" && !(await input.feed((bytes) => bare.input(bytes)))) bare.inputEnd();
	}
	progress.stop();
	input.close();
}

/** 0: the guest succeeded, 1: it failed, 4: no progress, or the limit. */
function exitCode(exit: BareExit): number {
	if (exit.kind !== "exited") return 4;
	return exit.code === 0 ? 0 : 1;
}
