/** What `boot` says on stderr when a run is over. */
import type { BareExit, BareReport, Exit, Report } from "../index.ts";

const hex = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;

const count = (n: number): string => n.toLocaleString("en-US");

/** How it ended, in words. */
export function describeExit(exit: Exit, saved = false): string {
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
		case "running":
			return saved ? "saved" : "stopped at the cycle limit";
	}
}

function describeBareExit(exit: BareExit, saved: boolean): string {
	switch (exit.kind) {
		case "exited":
			return `exited with ${exit.code}`;
		case "idle":
			return `waits for ever at pc ${hex(exit.pc)}`;
		case "stuck":
			return `traps for ever at pc ${hex(exit.pc)}: the trap handler itself traps`;
		case "running":
			return saved ? "saved" : "stopped at the cycle limit";
	}
}

type Row = [name: string, value: string];

function timeRows(report: Report | BareReport): Row[] {
	const rate = report.instructions / Math.max(report.hostMs, 1) / 1e3;
	return [
		["virtual time", `${(report.virtualNs / 1e9).toFixed(6)} s, ${count(report.cycles)} cycles`],
		[
			"instructions",
			`${count(report.instructions)} in ${(report.hostMs / 1e3).toFixed(2)} s of the host: ` +
				`${rate.toFixed(0)} million a second`,
		],
	];
}

const table = (rows: readonly Row[]): string[] =>
	rows.map(([name, value]) => `  ${name.padEnd(13)}${value}`);

/** `saved`: it has not ended; a snapshot was made instead. */
export function bareSummary(image: string, report: BareReport, saved = false): string {
	const lines = [
		`uvmachine: ${image} ${describeBareExit(report.exit, saved)}`,
		...table([
			...timeRows(report),
			["TLB misses", count(report.tlb.misses)],
			["state hash", report.stateHash],
		]),
	];
	return `${lines.join("\n")}\n`;
}

/** `saved` as in bareSummary. */
export function summary(report: Report, saved = false): string {
	const { uvmexp: e, tlb } = report;
	const perCluster = e.pdpageouts === 0 ? 0 : e.pgswapout / e.pdpageouts;
	const rows: Row[] = [
		...timeRows(report),
		["faults", count(e.faults)],
		["page-ins", `${count(e.pgswapin)} pages`],
		[
			"pageouts",
			`${count(e.pgswapout)} pages in ${count(e.pdpageouts)} clusters, ` +
				`${perCluster.toFixed(1)} pages each`,
		],
		["TLB misses", count(tlb.misses)],
		["memory", `${count(e.npages)} pages, ${count(e.free)} free at the end`],
		["swap", `${count(e.swpages)} pages, ${count(e.swpginuse)} in use, ${count(e.swpgbad)} bad`],
		["state hash", report.stateHash],
	];
	const lines = [
		`uvmachine: ${String(report.config.program)} ${describeExit(report.exit, saved)}`,
		...report.messages.map((message) => `  ${message}`),
		...table(rows),
	];
	return `${lines.join("\n")}\n`;
}
