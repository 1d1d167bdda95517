/** User programs in assembly, made into ELF files, for what no workload does. */
import { createSystem, type System } from "../../computer/system.ts";
import type { Report, SystemOptions } from "../../computer/system-options.ts";
import { assemble } from "../isa/assembler.ts";

const BASE = 0x10000;
const HEADERS = 52 + 32;

/** An ELF file with one segment, with all rights, that begins at its first line. */
export function elf(source: string, memsz = 0x4000): Uint8Array {
	const { bytes } = assemble(source, BASE);
	const file = new Uint8Array(HEADERS + bytes.length);
	const view = new DataView(file.buffer);
	file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	const halves: [number, number][] = [
		[16, 2], // ET_EXEC
		[18, 243], // EM_RISCV
		[40, 52],
		[42, 32],
		[44, 1],
	];
	for (const [at, value] of halves) view.setUint16(at, value, true);
	const words: [number, number][] = [
		[24, BASE],
		[28, 52],
		[52, 1], // PT_LOAD
		[56, HEADERS],
		[60, BASE],
		[64, BASE],
		[68, bytes.length],
		[72, memsz],
		[76, 7],
		[80, 4096],
	];
	for (const [at, value] of words) view.setUint32(at, value, true);
	file.set(bytes, HEADERS);
	return file;
}

/** A system call: the number, then up to four arguments that `li` can load; the result is in a0. */
export function call(number: number, ...args: (number | string)[]): string {
	const loads = args.map((arg, i) => {
		if (typeof arg === "number") return `li a${i}, ${arg}`;
		return arg.startsWith("=") ? `la a${i}, ${arg.slice(1)}` : `mv a${i}, ${arg}`;
	});
	return [...loads, `li a7, ${number}`, "ecall"].join("\n");
}

export const SYS = {
	read: 63,
	write: 64,
	exit: 93,
	getpid: 172,
	shmget: 194,
	shmctl: 195,
	shmat: 196,
	shmdt: 197,
	brk: 214,
	munmap: 215,
	mmap2: 222,
	swapon: 224,
	swapoff: 225,
	mprotect: 226,
	clock_gettime64: 403,
} as const;

/** End with the low 8 bits of a0 as exit code. */
export const EXIT = call(SYS.exit, "a0");

/** Bytes of a string, as .word lines, zero-terminated. */
export function text(value: string): string {
	const bytes = new TextEncoder().encode(`${value}\0\0\0\0`);
	const view = new DataView(bytes.buffer);
	const words: string[] = [];
	for (let at = 0; at + 4 <= bytes.length; at += 4) words.push(`.word ${view.getUint32(at, true)}`);
	return words.join("\n");
}

export interface Ran {
	readonly system: System;
	readonly report: Report;
	readonly code: number;
}

/** Run a program to its end, with `input` on the console when it waits for it, and then its end. */
export function exec(source: string, options: Partial<SystemOptions> = {}, input = ""): Ran {
	const system = createSystem({ program: "test", image: elf(source), check: true, ...options });
	let rest: Uint8Array = new TextEncoder().encode(input);
	while (system.run() === "input" && input !== "") {
		if (rest.length === 0) system.inputEnd();
		rest = rest.subarray(system.input(rest));
	}
	const report = system.report(0);
	return { system, report, code: report.exit.code };
}
