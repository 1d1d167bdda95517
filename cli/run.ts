import { Command } from "commander";
import { BARE_DEFAULT_RAM, Bare } from "../computer/bare.ts";
import type { BareExit, BareOptions, BareReport } from "../computer/bare-options.ts";
import { restoreBare, saveBare } from "../computer/snapshot/bare-snapshot.ts";
import { FileDisk } from "../devices/disk/file-disk.ts";
import { BareTarget } from "../gdb/session.ts";
import { OutputBuffer } from "./console.ts";
import { drive, driveTerminal } from "./drive.ts";
import { type GdbFlags, gdbPort, serveGdb } from "./gdb-server.ts";
import { readInputFile } from "./input-file.ts";
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
import { checkOutputPaths, type NamedPath } from "./output-paths.ts";
import { openSnapshot, refuseConfiguration, Saver } from "./saver.ts";
import { bareSummary } from "./summary.ts";
import { checkTogether } from "./together.ts";
import { TraceFiles, type TraceFlags } from "./trace-file.ts";

interface RunFlags extends GdbFlags, TraceFlags {
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
	readonly maxCycles?: number;
	readonly save?: string;
	readonly saveAt?: number;
	readonly restore?: string;
	readonly quiet: boolean;
}

/** Options that say what a machine is: with --restore the snapshot does. */
const CONFIGURATION = [
	"ram",
	"disk",
	"sbi",
	"bios",
	"initrd",
	"append",
	"dtb",
	"dumpDtb",
	"loadAddress",
	"tlb",
	"ad",
	"misaligned",
	"virtio",
] as const;

/** Behind the path of a disk. */
const READ_ONLY = ",ro";

export function runCommand(done: (exitCode: number) => void): Command {
	return new Command("run")
		.description("run software made for QEMU's virt board, without our kernel")
		.argument("[image]", "an RV32 ELF file, or a raw image that is loaded at 0x80000000")
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
		.option("--trace-instructions <file>", "write every instruction with what it changes")
		.option("--json <file>", "write a report as JSON; - for stdout, after the guest's output")
		.option("--max-cycles <n>", "stop after so much virtual time, in ns", integerOption)
		.option("--save <file>", "save a snapshot: at the end of the input or of the run, or")
		.option("--save-at <n>", "  at this virtual time, in ns; the run goes on", integerOption)
		.option("--restore <file>", "go on from a snapshot, instead of starting an image")
		.option("--gdb [port]", "wait for a debugger on this port of 127.0.0.1 (1234)", portOption)
		.option("--no-gdb-wait", "with --gdb: run, until a debugger comes")
		.option("-q, --quiet", "no summary and no progress", false)
		.action(async (image: string | undefined, flags: RunFlags, command: Command) => {
			if (flags.restore !== undefined) refuseConfiguration(command, CONFIGURATION);
			checkTogether("run", "image", image, flags);
			done(await run(image ?? "", flags));
		});
}

async function run(image: string, flags: RunFlags): Promise<number> {
	const path = flags.restore ?? image;
	checkOutputPaths(outputPaths(flags), inputPaths(image, flags));
	const json = flags.json === undefined ? null : new OutputFile(flags.json, process.stdout);
	const trace = new TraceFiles(flags);
	const output = new OutputBuffer(process.stdout);
	const port = gdbPort(flags);
	let show = (byte: number): void => output.put(byte);
	const console = (byte: number): void => show(byte);
	const bare =
		flags.restore === undefined
			? new Bare({ ...bareOptions(path, flags), console })
			: openSnapshot(flags.restore, (file) => restoreBare(file, console));
	if (flags.dumpDtb !== undefined) {
		new OutputFile(flags.dumpDtb, process.stdout).write(bare.dtb);
		return 0;
	}
	const saver = flags.save === undefined ? null : createSaver(bare, flags.save, flags.saveAt);
	const interactive = port === null && process.stdin.isTTY && process.stdout.isTTY;
	trace.begin(bare);
	const started = performance.now();
	let left = false;
	if (port !== null) {
		const again = flags.disk.every((text) => diskPath(text).readOnly);
		const put = show;
		const target: BareTarget = new BareTarget(bare, put, again);
		show = (byte) => target.print(byte);
		left = await serveGdb(target, port, flags, output);
	} else if (interactive) left = await driveTerminal(bare, flags, output, saver);
	else await drive(bare, flags, output, saver);
	saver?.finish(left);
	trace.close();
	const report = bare.report(performance.now() - started);
	const saved = saver?.waits === false && report.exit.kind === "running";
	if (!flags.quiet && !left) process.stderr.write(bareSummary(path, report, saved));
	json?.write(`${JSON.stringify(withCommand(report, path, flags))}\n`);
	return left || saved ? 0 : exitCode(report.exit);
}

const outputPaths = (flags: RunFlags): NamedPath[] => [
	["--json", flags.json],
	["--trace", flags.trace],
	["--trace-instructions", flags.traceInstructions],
	["--dump-dtb", flags.dumpDtb],
	["--save", flags.save],
];

/** A snapshot may take the place of the one that the run goes on from: it is read whole. */
const inputPaths = (image: string, flags: RunFlags): NamedPath[] => [
	["image", image],
	["--bios", flags.bios],
	["--initrd", flags.initrd],
	["--dtb", flags.dtb],
	...flags.disk.map((text): NamedPath => ["--disk", diskPath(text).path]),
	...(flags.save === flags.restore ? [] : [["--restore", flags.restore] as const]),
];

/** The value of --disk. */
function diskPath(text: string): { path: string; readOnly: boolean } {
	const readOnly = text.endsWith(READ_ONLY);
	return { path: readOnly ? text.slice(0, -READ_ONLY.length) : text, readOnly };
}

function createSaver(bare: Bare, path: string, at: number | undefined): Saver {
	// Any state can be taken.
	const method = { rebase: () => true, save: () => saveBare(bare) };
	return new Saver(bare, method, path, at ?? null);
}

/** The report with what the command line adds to its configuration. */
function withCommand(report: BareReport, image: string, flags: RunFlags): BareReport {
	const { bios = null, initrd = null, dtb = null, disk, maxCycles = null } = flags;
	const config = { image, ...report.config, bios, initrd, dtb, files: disk, maxCycles };
	return { ...report, config };
}

function bareOptions(image: string, flags: RunFlags): BareOptions {
	const { bios, initrd, dtb, append, loadAddress, tlb } = flags;
	const read = (name: string, path: string | undefined): Uint8Array | undefined =>
		path === undefined ? undefined : readInputFile(name, path);
	return {
		image: readInputFile("image", image),
		ram: flags.ram,
		sbi: flags.sbi,
		disks: flags.disk.map((text) => {
			const { path, readOnly } = diskPath(text);
			return { media: new FileDisk(path, { readOnly }) };
		}),
		bios: read("bios", bios),
		initrd: read("initrd", initrd),
		dtb: read("dtb", dtb),
		bootargs: append,
		loadAddress,
		tlbEntries: tlb?.entries,
		tlbWays: tlb?.ways,
		virtio: flags.virtio,
		adPolicy: flags.ad,
		misaligned: flags.misaligned,
	};
}

/** 0: the guest succeeded, 1: it failed, 4: no progress, or the limit. */
function exitCode(exit: BareExit): number {
	if (exit.kind !== "exited") return 4;
	return exit.code === 0 ? 0 : 1;
}
