/** `uvmachine run`: run software for QEMU's virt board, without the kernel. */
import { type Command, Option } from "commander";
import type { BareTarget } from "../gdb/session.ts";
import {
	BARE_DEFAULT_RAM,
	Bare,
	type BareOptions,
	type BareReport,
	FileDisk,
	restoreBare,
	saveBare,
} from "../index.ts";
import {
	addCommonOptions,
	type CommonFlags,
	checkCommonOptions,
	inputPaths,
	onTerminal,
	outputPaths,
	type Runs,
	withFaults,
} from "./common-options.ts";
import { OutputBuffer } from "./console.ts";
import { gdbPort } from "./gdb-flags.ts";
import { createSaver, exitCode, runGuest, stoppedToSave } from "./guest-run.ts";
import { hostMs } from "./host-time.ts";
import { lockDisks } from "./image-lock.ts";
import { readInputFile } from "./input-file.ts";
import type { GivenUp } from "./interrupts.ts";
import {
	addressOption,
	busTimeOption,
	collect,
	misalignedOption,
	plicOption,
	sizedOption,
	virtioOption,
} from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { checkOutputPaths } from "./output-paths.ts";
import { openSnapshot } from "./saver.ts";
import { bareSummary, hostClock } from "./summary.ts";
import { TraceFiles } from "./trace-file.ts";

interface RunFlags extends CommonFlags {
	readonly ram: number;
	readonly disk: string[];
	readonly virtio: "legacy" | "modern";
	readonly sbi: boolean;
	readonly semihosting: boolean;
	readonly bios?: string;
	readonly initrd?: string;
	readonly append?: string;
	readonly dtb?: string;
	readonly dumpDtb?: string;
	readonly loadAddress?: number;
	readonly misaligned: "handle" | "trap";
	readonly plic: "raise" | "level";
	readonly busTime: number;
}

const IMAGE: Runs = { argument: "image", printer: "guest", instead: "starting an image" };

/** Options of `run` that describe the machine. */
const CONFIGURATION = [
	"ram",
	"disk",
	"sbi",
	"semihosting",
	"bios",
	"initrd",
	"append",
	"dtb",
	"dumpDtb",
	"loadAddress",
	"misaligned",
	"virtio",
	"plic",
	"busTime",
] as const;

/** The suffix of a disk's path that makes it read-only. */
const READ_ONLY = ",ro";

const HELP = `
Examples:
  uvmachine run kernel.elf
  uvmachine run fw_payload.elf --ram 256M --disk rootfs.img,ro
  uvmachine run Image --sbi --initrd initrd.cpio.gz --append 'console=hvc0'
  uvmachine run kernel.elf --gdb                    then: gdb -ex 'target remote :1234'`;

export function defineRun(command: Command, done: (exitCode: number) => void): void {
	command
		.argument("[image]", "an RV32 ELF file, or a raw image that is loaded at 0x80000000")
		.addOption(sizedOption("--ram <size>", "RAM, such as 64M, 1G", BARE_DEFAULT_RAM))
		.addOption(
			new Option("--disk <file[,ro]>", "a raw disk image; may be repeated")
				.argParser(collect)
				.default([], "none"),
		)
		.option(
			"--virtio <version>",
			"register layout of the disks: legacy or modern",
			virtioOption,
			"legacy",
		)
		.option("--sbi", "start in S-mode above a built-in SBI; raw images go to 0x80400000", false)
		.option("--semihosting", "answer semihosting calls: console, exit, time", false)
		.option("--bios <file>", "firmware for M-mode, at 0x80000000; the image is its next stage")
		.option("--initrd <file>", "an initial RAM disk")
		.option("--append <text>", "the kernel's command line")
		.option("--dtb <file>", "use this device tree instead of the board's own")
		.option("--dump-dtb <file>", "write the device tree and do not run; - for stdout")
		.option("--load-address <address>", "load a raw image at this address", addressOption)
		.option(
			"--misaligned <policy>",
			"misaligned loads and stores: handle or trap",
			misalignedOption,
			"handle",
		)
		.option(
			"--plic <requests>",
			"interrupts are requested when a device raises its line, or while it is high: raise or level",
			plicOption,
			"raise",
		)
		.option("--bus-time <ns>", "what an access to a device takes", busTimeOption, 100);
	command.addHelpText("after", HELP);
	addCommonOptions(command, IMAGE).action(async (image: string | undefined, flags: RunFlags) => {
		checkCommonOptions(command, IMAGE, image, CONFIGURATION);
		done(await run(image ?? "", flags));
	});
}

async function run(image: string, flags: RunFlags): Promise<number> {
	const path = flags.restore ?? image;
	checkFiles(image, flags);
	const json = OutputFile.open(flags.json, process.stdout);
	const trace = new TraceFiles(flags);
	const output = new OutputBuffer(process.stdout);
	let show = (byte: number): void => output.put(byte);
	const console = (byte: number): void => show(byte);
	const { restore } = flags;
	const bare = await withFaults(flags, (faults) =>
		restore === undefined
			? new Bare({ ...bareOptions(path, flags), faults, console })
			: openSnapshot(restore, (file) =>
					restoreBare(file, { console, engine: flags.engine, faults }),
				),
	);
	lockDisks(bare.board.disks.map(({ media }) => media));
	if (flags.dumpDtb !== undefined) {
		new OutputFile(flags.dumpDtb, process.stdout).write(bare.dtb);
		return 0;
	}
	// Any state of a bare machine can be saved.
	const saver = createSaver(bare, flags, { rebase: () => true, save: () => saveBare(bare) });
	trace.begin(bare);
	const started = hostMs();
	const port = gdbPort(flags);
	let left: GivenUp;
	if (port !== null) {
		const { serveGdb } = await import("./gdb-server.ts");
		const { BareTarget } = await import("../gdb/session.ts");
		const reverse = flags.disk.every((text) => diskPath(text).readOnly);
		const target: BareTarget = new BareTarget(bare, show, reverse);
		show = (byte) => target.print(byte);
		left = await serveGdb(target, port, flags, output);
	} else {
		left = await runGuest(bare, flags, output, saver, onTerminal(flags));
	}
	trace.close();
	const report = bare.report(hostMs() - started);
	const saved = stoppedToSave(saver, report.exit);
	json?.writeJson(withCommand(report, path, flags));
	if (!flags.quiet) process.stderr.write(output.lost);
	if (!flags.quiet && left !== "user") {
		process.stderr.write(bareSummary(path, report, saved ? "saved" : left) + hostClock(flags));
	}
	return exitCode(report.exit, flags, left, saved);
}

function checkFiles(image: string, flags: RunFlags): void {
	const outputs = outputPaths(flags, [["--dump-dtb", flags.dumpDtb]]);
	const inputs = inputPaths(flags, [
		["image", image],
		["--bios", flags.bios],
		["--initrd", flags.initrd],
		["--dtb", flags.dtb],
		...flags.disk.map((text) => ["--disk", diskPath(text).path] as const),
	]);
	checkOutputPaths(outputs, inputs);
}

/** The value of --disk. */
function diskPath(text: string): { path: string; readOnly: boolean } {
	const readOnly = text.endsWith(READ_ONLY);
	return { path: readOnly ? text.slice(0, -READ_ONLY.length) : text, readOnly };
}

/** The report, with the command line's part of the configuration. */
function withCommand(report: BareReport, image: string, flags: RunFlags): BareReport {
	const { bios = null, initrd = null, dtb = null, disk, maxCycles = null, rtc } = flags;
	const command = { bios, initrd, dtb, files: disk, maxCycles, rtcFromHost: rtc.host };
	const config = { image, ...report.config, ...command };
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
		semihosting: flags.semihosting,
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
		engine: flags.engine,
		rtc: flags.rtc.seconds,
		misaligned: flags.misaligned,
		plic: flags.plic,
		busCycles: flags.busTime,
	};
}
