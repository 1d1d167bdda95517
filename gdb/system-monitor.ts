/** Monitor commands of a system: its processes and the virtual memory system. */
import type { System } from "../computer/system.ts";
import { LSONPROC, LSSLEEP } from "../kernel/kern/core/kern_synch.ts";
import { pfind, type proc } from "../kernel/kern/proc/kern_proc.ts";
import { pmap_resident_count } from "../pmap/pmap.ts";
import { HART_HELP, hartCommand, pageTable, parseNumber, printable } from "./hart-monitor.ts";
import { mapOf, physical, satpOf } from "./process-memory.ts";

/** Which process events stop the system. */
export type Catch = "none" | "exec" | "exit";

/** What the commands need of a system's target. */
export interface MonitoredSystem {
	readonly system: System;
	/** The process that breakpoints and watchpoints apply to; null: all. */
	scope: number | null;
	catch: Catch;
	currentThread(): number;
}

const SYSTEM_HELP = [
	"info pagetable [pid] [va]  mappings of a process",
	"info processes          all processes",
	"info uvmexp             counters of the virtual memory system",
	"scope [pid|all]         which process breakpoints and watchpoints apply to",
	"catch exec|exit|none    stop when a process executes another program, or ends",
];

const CATCHES: readonly string[] = ["exec", "exit", "none"];

/** => lines, ended by \n. */
export function systemCommand(target: MonitoredSystem, command: string): string {
	const words = command.split(/\s+/);
	switch (words[0]) {
		case "help":
			return `${[...HART_HELP, ...SYSTEM_HELP].join("\n")}\n`;
		case "scope":
			return scope(target, words[1]);
		case "catch":
			if (!CATCHES.includes(words[1] ?? "")) return "catch: exec, exit or none\n";
			target.catch = words[1] as Catch;
			return `catch: ${target.catch}\n`;
		case "translate":
			return translate(target, words[1]);
		case "info":
			switch (words[1]) {
				case "pagetable":
					return infoPagetable(target, words.slice(2));
				case "processes":
					return infoProcesses(target);
				case "uvmexp":
					return infoUvmexp(target);
			}
	}
	const answer = hartCommand(target.system.machine, command);
	return answer ?? `unknown command: ${printable(command)}\n`;
}

function scope(target: MonitoredSystem, text: string | undefined): string {
	if (text === "all") target.scope = null;
	else if (text !== undefined) {
		const pid = parseNumber(text);
		if (pid === null || pfind(target.system.kernel, pid) === undefined) {
			return `scope: no process ${printable(text)}\n`;
		}
		target.scope = pid;
	}
	return `scope: ${target.scope ?? "all"}\n`;
}

function translate(target: MonitoredSystem, text: string | undefined): string {
	const va = parseNumber(text);
	if (va === null) return "translate: expected an address such as 0x10000\n";
	const p = pfind(target.system.kernel, target.currentThread());
	const pa = p === undefined ? -1 : physical(target.system, p, va);
	return `0x${va.toString(16)} -> ${pa < 0 ? "not mapped" : `0x${pa.toString(16)}`}\n`;
}

/** `[pid] [va]`: a first number counts as a pid if there is such a process. */
function infoPagetable(target: MonitoredSystem, words: readonly string[]): string {
	const { kernel, machine } = target.system;
	const numbers = words.map((word) => parseNumber(word));
	const wrong = numbers.indexOf(null);
	if (wrong >= 0) return `${printable(words[wrong]!)}: not a number\n`;
	const first = numbers[0] ?? null;
	const named = first === null ? undefined : pfind(kernel, first);
	const rest = named === undefined ? numbers : numbers.slice(1);
	const p = named ?? pfind(kernel, target.currentThread());
	const map = p === undefined ? null : mapOf(p);
	if (p === undefined || map === null) return "no such process\n";
	const text = pageTable(machine.hart, satpOf(map.pmap), rest[0] ?? null);
	return `${printable(p.p_comm)} (pid ${p.p_pid})\n${text}`;
}

/** What a process does; a sleeping one with the name of the channel that it sleeps on. */
export function processState({ p_exit, p_stopsig, p_lwp }: proc): string {
	if (p_exit !== null) return "ended";
	if (p_stopsig !== 0) return "stopped";
	switch (p_lwp?.l_stat) {
		case LSONPROC:
			return "running";
		case LSSLEEP:
			return `sleeping: ${p_lwp.l_wmesg}`;
		default:
			return "runnable";
	}
}

function infoProcesses({ system }: MonitoredSystem): string {
	const lines = system.kernel.procs.map((p) => {
		const map = mapOf(p);
		const resident = map === null ? 0 : pmap_resident_count(system.kernel, map.pmap);
		const columns = [
			String(p.p_pid).padStart(5),
			String(p.p_pptr?.p_pid ?? 0).padStart(5),
			`${resident * 4}K`.padStart(8),
			`${(map?.size ?? 0) / 1024}K`.padStart(8),
			printable(p.p_comm).padEnd(12),
			processState(p),
		];
		return columns.join("  ").trimEnd();
	});
	return `${["  PID   PPID  RESIDENT    SIZE  COMMAND       STATE", ...lines].join("\n")}\n`;
}

function infoUvmexp({ system }: MonitoredSystem): string {
	const cells = Object.entries(system.kernel.uvmexp).map(
		([name, value]) => `${name.padEnd(14)} ${String(value).padStart(10)}`,
	);
	let text = "";
	for (let i = 0; i < cells.length; i += 3) text += `${cells.slice(i, i + 3).join("  ")}\n`;
	return text;
}
