/** The commands of uvmachine. What a command is made of is loaded when it is given. */
import type { Command } from "commander";

/** Gives `command` its options and action; `done` is called with the exit code. */
export type Define = (command: Command, done: (exitCode: number) => void) => void;

interface CommandEntry {
	readonly name: string;
	readonly description: string;
	/** What follows the name, in the list of commands. */
	readonly usage: string;
	load(): Promise<Define>;
}

export const COMMANDS: readonly CommandEntry[] = [
	{
		name: "boot",
		description: "run a program on the kernel; its output goes to stdout, a summary to stderr",
		usage: "[options] [program] [args...]",
		load: async () => (await import("./boot.ts")).defineBoot,
	},
	{
		name: "run",
		description: "run software for QEMU's virt board, without the kernel",
		usage: "[options] [image]",
		load: async () => (await import("./run.ts")).defineRun,
	},
	{
		name: "disasm",
		description: "disassemble an RV32 ELF file or a raw image",
		usage: "[options] <file>",
		load: async () => (await import("./disasm.ts")).defineDisasm,
	},
	{
		name: "bench",
		description:
			"measure guests, paging, system calls, snapshots, start-up, injections and engines",
		usage: "[options] [names...]",
		load: async () => (await import("./bench.ts")).defineBench,
	},
	{
		name: "inject",
		description: "run a campaign of hardware faults, and say what became of the runs",
		usage: "[options] [campaign]",
		load: async () => (await import("./inject.ts")).defineInject,
	},
	{
		name: "work",
		description:
			"make what is in a queue, runs of campaigns and points of experiments, until Ctrl-C",
		usage: "[options]",
		load: async () => (await import("./work.ts")).defineWork,
	},
];
