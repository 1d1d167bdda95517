/**
 * Guests of workloads/bare on an engine and on QEMU, each in a process of its own: what a run of
 * the command line tool takes of the processor, and what a program that looks inside tells.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "../index.ts";
import type { GuestProcess } from "./compute-process.ts";
import { built, WORKLOADS } from "./guests.ts";

const QEMU = "qemu-system-riscv32";
const MAIN = fileURLToPath(new URL("../cli/main.js", import.meta.url));
/** Programs without a scale: a million traps, a hundred thousand functions made and called. */
export const FIXED = ["traps", "generate"];

const bootargsOf = (name: string, scale: number): string => `${name} ${scale}`;
const imageOf = (name: string): string => (FIXED.includes(name) ? name : "compute");
const pathOf = (name: string): string => `${WORKLOADS}bare/bin/${imageOf(name)}`;

/** A process that has ended: seconds of all its threads, and what it has printed. */
export interface Timed {
	readonly seconds: number;
	readonly text: string;
}

/** As the shell tells it. */
function timed(command: readonly string[]): Timed {
	const script = '"$@" </dev/null 2>/dev/null || exit 1; times';
	const run = spawnSync("sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
	if (run.status !== 0) throw new Error(`bench: ${command.join(" ")} fails`);
	const lines = run.stdout.trimEnd().split("\n");
	const times = [...lines.pop()!.matchAll(/(\d+)m([\d.]+)s/g)];
	lines.pop();
	const seconds = times.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
	return { seconds, text: lines.join("\n").trim() };
}

/** => null: it is not installed */
export function qemuVersion(): string | null {
	const { status, stdout } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
	return status === 0 ? (/version (\S+)/.exec(stdout)?.[1] ?? "unknown") : null;
}

export function onQemu(name: string, scale: number): Timed {
	const machine = ["-machine", "virt", "-m", "128", "-nographic", "-bios", "none"];
	const guest = ["-kernel", pathOf(name), "-append", bootargsOf(name, scale)];
	return timed([QEMU, ...machine, ...guest]);
}

/** A guest that does nothing, and what of it is not the work of `name`. */
export const idleOf = (name: string): string => (FIXED.includes(name) ? "fib" : name);

/** Seconds that QEMU takes for `name`, less those for nothing; null: it is not installed. */
export function qemuSeconds(name: string): number | null {
	if (qemuVersion() === null) return null;
	const idle = onQemu(idleOf(name), 0);
	return onQemu(name, 0).seconds - idle.seconds;
}

export interface OwnRun extends Timed {
	readonly instructions: number;
	/** From the first instruction to the last, by the host's clock. */
	readonly hostMs: number;
}

/** `uvmachine run`, as a user starts it. */
export function onOurs(name: string, scale: number, engine: Engine): OwnRun {
	const folder = mkdtempSync(join(tmpdir(), "uvmachine-bench-"));
	try {
		const json = join(folder, "report.json");
		const how = ["--ram", "128M", "--engine", engine, "--json", json];
		const run = [MAIN, "run", pathOf(name), "--append", bootargsOf(name, scale), ...how];
		const { seconds, text } = timed([process.execPath, ...run]);
		const { instructions, hostMs } = JSON.parse(readFileSync(json, "utf8")) as OwnRun;
		return { seconds, text, instructions, hostMs };
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** A run that tells what happens inside, and is a little slower for it; see compute-guest.ts. */
export function inside(name: string, scale: number, engine: Engine, curve = false): GuestProcess {
	const args = [imageOf(name), bootargsOf(name, scale), engine, curve ? "curve" : ""];
	const { text } = timed([process.execPath, built("compute-guest"), ...args]);
	return JSON.parse(text) as GuestProcess;
}
