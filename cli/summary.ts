/** What `boot` says on stderr when a run is over. */

import type { BareReport, Exit, Report } from "../index.ts";
import type { CommonFlags } from "./common-options.ts";
import type { GivenUp } from "./interrupts.ts";
import { rtcText } from "./options.ts";

const hex = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;

/** A whole number in groups of three digits. Intl takes 20 ms to do it for the first time. */
const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** Why a run was stopped: to save it, or by somebody; null: at the cycle limit. */
export type Stop = "saved" | GivenUp;

export function describeStop(stop: Stop): string {
	switch (stop) {
		case null:
			return "stopped at the cycle limit";
		case "saved":
			return "saved";
		case "user":
			return "left";
		case "debugger":
			return "killed by the debugger";
		default:
			return `interrupted by ${stop}`;
	}
}

/** What the summary adds if the run began with the host's time, and so cannot just be repeated. */
export const hostClock = ({ rtc, restore }: CommonFlags): string =>
	rtc.host && restore === undefined
		? row("wall clock", `from the host; to repeat the run: --rtc ${rtcText(rtc.seconds)}`)
		: "";

const row = (name: string, value: string): string => `${table([[name, value]]).join("")}\n`;

/** How it ended, in words. */
export function describeExit(exit: Exit, stop: Stop = null): string {
	switch (exit.kind) {
		case "exited":
			return `exited with ${exit.code}`;
		case "killed": {
			const why = exit.reason === "" ? "" : `: ${exit.reason}`;
			return `killed by ${exit.signal}${why} at pc ${hex(exit.pc)}, address ${hex(exit.addr)}`;
		}
		case "panic":
			return `panic: ${exit.reason}`;
		case "deadlock":
			return `no progress: ${exit.reason}`;
		case "power-lost":
			return `power lost: ${exit.reason}`;
		case "running":
			return describeStop(stop);
	}
}

/** What the hart does where it was stopped; nothing for one that runs. */
const STOPPED_IN = { runs: "", waits: ", waiting in wfi", loops: ", in an empty loop" } as const;

function describeBareExit({ exit, sinceOutput }: BareReport, stop: Stop): string {
	switch (exit.kind) {
		case "exited":
			return `exited with ${exit.code}`;
		case "idle":
			return `waits for ever at pc ${hex(exit.pc)}`;
		case "stuck":
			return `traps for ever at pc ${hex(exit.pc)}: the trap handler itself traps`;
		case "power-lost":
			return `power lost at pc ${hex(exit.pc)}`;
		case "running":
			return stop === null
				? `${describeStop(stop)}${STOPPED_IN[sinceOutput.hart]} at pc ${hex(exit.pc)}`
				: describeStop(stop);
	}
}

type Row = [name: string, value: string];

function timeRows(report: Report | BareReport): Row[] {
	const rate = Math.round(report.instructions / Math.max(report.hostMs, 1) / 1e3);
	return [
		["virtual time", `${(report.virtualNs / 1e9).toFixed(6)} s, ${count(report.cycles)} cycles`],
		[
			"instructions",
			`${count(report.instructions)} in ${(report.hostMs / 1e3).toFixed(2)} s of the host` +
				(rate === 0 ? "" : `: ${count(rate)} million a second`),
		],
	];
}

const table = (rows: readonly Row[]): string[] =>
	rows.map(([name, value]) => `  ${name.padEnd(13)}${value}`);

/** "3 machine timer, 1 machine external"; what is 0 is left out. */
const counts = (by: Readonly<Record<string, number>>): string =>
	Object.entries(by)
		.filter(([, n]) => n > 0)
		.map(([name, n]) => `${count(n)} ${name.replace(/ interrupt$/, "")}`)
		.join(", ");

function trapRows({ traps }: Report | BareReport): Row[] {
	const rows: Row[] = [
		["interrupts", counts(traps.interrupts)],
		["PLIC claims", counts(traps.claims)],
		["exceptions", counts(traps.exceptions)],
	];
	return rows.filter(([, value]) => value !== "");
}

/** One kind of trap this often, in cycles, leaves a guest little time for anything else. */
const STORM_CYCLES = 2_000;
const STORM_TRAPS = 1_000;

/** What a guest that was stopped has done lately, so that one without progress is seen. */
function progressRows({ exit, sinceOutput: since }: BareReport, stop: Stop): Row[] {
	if (exit.kind !== "running" || stop === "saved") return [];
	const { lastOutput, cycles, instructions, mostTrap, mostTraps, mostClaimed, mostClaims } = since;
	const rows: Row[] = [
		[
			"last output",
			lastOutput === null
				? "none"
				: `at ${(lastOutput / 1e9).toFixed(6)} s, ${count(instructions)} instructions ago`,
		],
	];
	if (mostTraps >= STORM_TRAPS && mostTraps * STORM_CYCLES >= cycles) {
		const each = count(Math.round(instructions / mostTraps));
		const from = mostClaimed === null ? "" : `; ${count(mostClaims)} claimed from ${mostClaimed}`;
		rows.push([
			"since then",
			`${count(mostTraps)} traps: ${mostTrap}, one every ${each} instructions${from}`,
		]);
	}
	return rows;
}

/** Which rules of a plan acted, and which never did. */
function faultRows({ faults }: Pick<Report, "faults">): Row[] {
	if (faults === undefined) return [];
	const fired = faults.rules.length - faults.notFired.length;
	const never = faults.notFired.length === 0 ? "" : `; never: ${faults.notFired.join(", ")}`;
	const times = `${fired} of ${faults.rules.length} rules acted, ${count(faults.applied)} times`;
	return [["injected", `${times}${never}`]];
}

/** What errors of swap have cost, if there were any. */
function swapRows({ swap }: Report): Row[] {
	const text = counts({
		"wrong checksums": swap.sumErrors,
		"pages on one disk only": swap.degraded,
		"read from the second disk": swap.mirrorReads,
		repaired: swap.repairs,
		"dead disks": swap.dead,
		"clusters page by page": swap.splits,
	});
	return text === "" ? [] : [["swap errors", text]];
}

/** Errors of memory, if there were any. */
function memoryRows({ memory }: Report): Row[] {
	const text = counts({
		corrected: memory.corrected,
		"pages read again": memory.repaired,
		"pages lost": memory.lost,
		"frames retired": memory.retired,
	});
	return text === "" ? [] : [["memory errors", text]];
}

/** What the shadow found. */
const shadowRows = ({ shadow }: Report): Row[] =>
	shadow === undefined ? [] : [["shadow", `${count(shadow.count)} pages not what they were`]];

/** What errors of disks have cost, if there were any. */
function diskRows({ disks }: Report): Row[] {
	const rows = disks.map(({ id, errors, retries, timeouts, resets, lostIntrs, failed }): Row => {
		const of = { errors, retries, timeouts, resets, "lost interrupts": lostIntrs, failed };
		return [id, counts(of)];
	});
	return rows.filter(([, text]) => text !== "");
}

export function bareSummary(image: string, report: BareReport, stop: Stop = null): string {
	const lines = [
		`uvmachine: ${image} ${describeBareExit(report, stop)}`,
		...table([
			...timeRows(report),
			...progressRows(report, stop),
			...trapRows(report),
			["TLB misses", count(report.tlb.misses)],
			...faultRows(report),
			["state hash", report.stateHash],
		]),
	];
	return `${lines.join("\n")}\n`;
}

export function summary(report: Report, stop: Stop = null): string {
	const { uvmexp: e, tlb } = report;
	const perCluster = (e.pgswapout / e.pdpageouts).toFixed(1);
	const clusters = ` in ${count(e.pdpageouts)} clusters, ${perCluster} pages each`;
	const rows: Row[] = [
		...timeRows(report),
		["faults", count(e.faults)],
		["page-ins", `${count(e.pgswapin)} pages`],
		["pageouts", `${count(e.pgswapout)} pages${e.pdpageouts === 0 ? "" : clusters}`],
		...trapRows(report),
		["TLB misses", count(tlb.misses)],
		["memory", `${count(e.npages)} pages, ${count(e.free)} free at the end`],
		["swap", `${count(e.swpages)} pages, ${count(e.swpginuse)} in use, ${count(e.swpgbad)} bad`],
		...swapRows(report),
		...diskRows(report),
		...memoryRows(report),
		...shadowRows(report),
		...faultRows(report),
		["state hash", report.stateHash],
	];
	const lines = [
		`uvmachine: ${String(report.config.program)} ${describeExit(report.exit, stop)}`,
		...report.messages.map((message) => `  ${message}`),
		...table(rows),
	];
	return `${lines.join("\n")}\n`;
}
