/**
 * The run without faults. Rules that never act count the candidates of each kind on its way, and
 * checkpoints of it are where other runs start.
 */
import { createHash } from "node:crypto";
import type { Computer, ComputerCheckpoint } from "../../computer/computer.ts";
import { System } from "../../computer/system.ts";
import type { FaultPlan } from "../../devices/fault/rule.ts";
import { uvm_check } from "../../kernel/uvm/uvm_check.ts";
import { UserError } from "../../machine/user-error.ts";
import { isFine } from "../report/classify.ts";
import { Guest, type GuestState } from "./guest.ts";
import { checkAfter } from "./reboot.ts";
import type { Witnessed } from "./witness.ts";
import type { Workload } from "./workload.ts";

/** What all runs are compared with, as data. */
export interface GoldenFacts {
	readonly instructions: number;
	readonly cycles: number;
	readonly stateHash: string;
	readonly exit: {
		readonly kind: string;
		readonly code: number;
		readonly signal: string | null;
		readonly reason: string;
	};
	readonly console: Uint8Array;
	readonly consoleHash: string;
	readonly messages: readonly string[];
	readonly uvmexp: Readonly<Record<string, number>>;
	readonly invariants: readonly string[];
	/** Pages that do not hold what was stored in them, where that is watched. */
	readonly shadow: readonly string[];
	readonly witnessed: Witnessed;
	/** Candidates in the whole run, by the id of the counting rule. */
	readonly candidates: ReadonlyMap<string, number>;
}

/** A place of the golden run from which others start. */
export interface GoldenCheckpoint {
	/** The cycle that was run to, to get here. */
	readonly until: number;
	readonly cycles: number;
	readonly instructions: number;
	readonly computer: ComputerCheckpoint;
	readonly guest: GuestState;
	readonly candidates: ReadonlyMap<string, number>;
}

export interface GoldenLimits {
	/** The golden run must end within so many instructions and so much virtual time, in ns. */
	readonly instructions: number;
	readonly ns: number;
	/** And within so many seconds of the host, or nobody learns that it does not end. */
	readonly seconds: number;
}

/** Cycles between two looks at the limits, when the length of the run is not known yet. */
const SLICE = 20_000_000;
/** Attempts to take a checkpoint between two steps of the grid. */
const ATTEMPTS = 16;

export const hashOf = (bytes: Uint8Array): string =>
	createHash("sha256").update(bytes).digest("hex").slice(0, 16);

/** => rules of `counting`, which never act, count from now on. */
function begin(workload: Workload, counting: FaultPlan | null): Guest {
	const guest = new Guest(workload);
	if (counting !== null) guest.computer.inject(counting);
	return guest;
}

/** => UserError if the run is none that others can be compared with. */
function sound(facts: GoldenFacts): GoldenFacts {
	const { kind, reason } = facts.exit;
	if (kind === "panic" || kind === "deadlock") {
		throw new UserError(`golden run: ends with a ${kind}: ${reason}`);
	}
	const [violation] = facts.invariants;
	if (violation !== undefined) throw new UserError(`golden run: invariant ${violation}`);
	return facts;
}

/** => UserError if it does not end, or not well. */
export function measureGolden(
	workload: Workload,
	counting: FaultPlan | null,
	limits: GoldenLimits,
): GoldenFacts {
	const guest = begin(workload, counting);
	const { clock, hart } = guest.computer.machine;
	const started = performance.now();
	for (;;) {
		const state = guest.run(clock.cycles + SLICE);
		if (state === "ended") {
			const checked = checkAfter(workload, guest, limits.ns);
			if (checked === null || isFine(checked.evidence)) return sound(factsOf(guest));
			const { exit, console } = checked.evidence;
			const what = `${exit.kind} with ${exit.code}: ${console.trimEnd().split("\n").pop()}`;
			throw new UserError(`golden run: the check after it fails, without any fault: ${what}`);
		}
		if (state === "input") throw new UserError("golden run: waits for more input");
		if (clock.cycles > limits.ns || hart.counters.instret > limits.instructions) {
			const done = `${hart.counters.instret} instructions and ${clock.cycles} ns`;
			throw new UserError(`golden run: has not ended after ${done}`);
		}
		if (performance.now() - started > limits.seconds * 1000) {
			throw new UserError(`golden run: has not ended within ${limits.seconds} s of the host`);
		}
	}
}

/**
 * The same run again, with up to `count` checkpoints, evenly spread.
 * => the guest, at its end, and the checkpoints, the earliest first
 */
export function checkpointGolden(
	workload: Workload,
	counting: FaultPlan | null,
	cycles: number,
	count: number,
): { guest: Guest; checkpoints: GoldenCheckpoint[] } {
	const guest = begin(workload, counting);
	const { computer } = guest;
	const checkpoints: GoldenCheckpoint[] = [];
	const step = cycles / (count + 1);
	let at = 0;
	for (let i = 0; i < (count + 1) * ATTEMPTS; i++) {
		const until = Math.floor((i * step) / ATTEMPTS);
		if (i < at || guest.run(until) !== "running") continue;
		const taken = computer.checkpoint();
		if (taken === null) continue;
		checkpoints.push({
			until,
			cycles: computer.machine.clock.cycles,
			instructions: computer.machine.hart.counters.instret,
			computer: taken,
			guest: guest.save(),
			candidates: candidatesOf(computer),
		});
		at = (Math.floor(i / ATTEMPTS) + 1) * ATTEMPTS;
	}
	guest.run(Number.POSITIVE_INFINITY);
	return { guest, checkpoints };
}

export const candidatesOf = (computer: Computer): Map<string, number> =>
	new Map(computer.faultReport()?.rules.map(({ id, candidates }) => [id, candidates]));

/** Invariants of the VM system that do not hold. => none after a panic, which has found one */
export function violations({ kernel, machine, exit }: Computer): string[] {
	if (kernel === null || exit.kind === "panic") return [];
	try {
		return uvm_check(kernel, machine.hart.tlb.list());
	} catch (error) {
		// What is broken may break the check as well.
		return [`the check failed: ${String(error)}`];
	}
}

function mismatches(computer: Computer): string[] {
	if (!(computer instanceof System) || computer.options.shadow !== true) return [];
	const found = computer.report(0).shadow?.found ?? [];
	return found.map(({ what, place, cycle }) => `${what} ${place} at ${cycle} ns`);
}

/** What is to be known of the end of a run. */
export function factsOf({ computer, witness }: Guest): GoldenFacts {
	const { kernel, machine } = computer;
	const { kind, code } = computer.exit;
	const { signal = null, reason = "" } = computer instanceof System ? computer.exit : {};
	const console = computer.printed;
	return {
		instructions: machine.hart.counters.instret,
		cycles: machine.clock.cycles,
		stateHash: computer.stateHash(),
		exit: { kind, code, signal, reason },
		console,
		consoleHash: hashOf(console),
		messages: kernel === null ? [] : [...kernel.msgbuf],
		uvmexp: kernel === null ? {} : { ...kernel.uvmexp },
		invariants: violations(computer),
		shadow: mismatches(computer),
		witnessed: witness.seen,
		candidates: candidatesOf(computer),
	};
}
