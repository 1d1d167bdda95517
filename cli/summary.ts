/** What `boot` says on stderr when a run is over. */
import type { BareReport, Exit, Report } from "../index.ts";

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

/** What the hart does where it was stopped; nothing for one that runs. */
const STOPPED_IN = { runs: "", waits: ", waiting in wfi", loops: ", in an empty loop" } as const;

function describeBareExit({ exit, sinceOutput }: BareReport, saved: boolean): string {
	switch (exit.kind) {
		case "exited":
			return `exited with ${exit.code}`;
		case "idle":
			return `waits for ever at pc ${hex(exit.pc)}`;
		case "stuck":
			return `traps for ever at pc ${hex(exit.pc)}: the trap handler itself traps`;
		case "running":
			return saved
				? "saved"
				: `stopped at the cycle limit${STOPPED_IN[sinceOutput.hart]} at pc ${hex(exit.pc)}`;
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
function progressRows({ exit, sinceOutput: since }: BareReport, saved: boolean): Row[] {
	if (exit.kind !== "running" || saved) return [];
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

/** `saved`: it has not ended; a snapshot was made instead. */
export function bareSummary(image: string, report: BareReport, saved = false): string {
	const lines = [
		`uvmachine: ${image} ${describeBareExit(report, saved)}`,
		...table([
			...timeRows(report),
			...progressRows(report, saved),
			...trapRows(report),
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
		...trapRows(report),
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
