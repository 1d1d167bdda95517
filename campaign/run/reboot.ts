/** After a loss of power: a second computer, with the disks as the cut has left them. */
import { System } from "../../computer/system.ts";
import type { SystemDisk } from "../../computer/system-config.ts";
import type { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import type { AfterEvidence, Stop } from "./evidence.ts";
import { Guest } from "./guest.ts";
import type { BootWorkload, Workload, WorkloadDisk } from "./workload.ts";

/** It may be longer than the run that it checks. */
const INSTRUCTIONS_MAX = 2e9;
/** Cycles between two looks at the limits. */
const SLICE = 50_000_000;
/** Characters of the console that are kept: its end. */
const TEXT_KEPT = 400;

/** What a checker has found, and how many instructions it took. */
export interface Checked {
	readonly evidence: AfterEvidence;
	readonly instructions: number;
}

/**
 * Boot what the workload has for afterwards, on the disks of `guest`, and run it to its end. It
 * reads what the guest has printed.
 * => null: it has nothing; `idleNs`: virtual time without an instruction after which it hangs
 */
export function checkAfter(workload: Workload, guest: Guest, idleNs: number): Checked | null {
	const { computer } = guest;
	if (workload.kind !== "boot" || !(computer instanceof System)) return null;
	const { after } = workload;
	if (after === undefined) return null;
	const left = (role: SystemDisk["role"]): WorkloadDisk[] =>
		computer.disks.flatMap((disk, i) =>
			disk.role === role ? [diskLeft(computer.faults[i]!, disk)] : [],
		);
	const second: BootWorkload = {
		kind: "boot",
		options: after.options,
		swap: workload.swap,
		root: left("root")[0],
		bin: left("bin")[0],
		disks: left("disk"),
		input: typed(computer.printed),
	};
	const checker = new Guest(second);
	const stop = toEnd(checker, idleNs);
	const { kind, code, signal, reason } = (checker.computer as System).exit;
	const console = new TextDecoder().decode(checker.computer.printed).slice(-TEXT_KEPT);
	return {
		evidence: { stop, exit: { kind, code, signal, reason }, console },
		instructions: checker.computer.machine.hart.counters.instret,
	};
}

function diskLeft(media: FaultyDisk, { timing }: SystemDisk): WorkloadDisk {
	const image = new Uint8Array(media.sectors * 512);
	media.read(0, image);
	return { bytes: image.length, image, readOnly: media.readOnly, timing };
}

/** The lines of a console, as somebody would type them. */
const typed = (printed: Uint8Array): Uint8Array => printed.filter((byte) => byte !== 13);

function toEnd(guest: Guest, idleNs: number): Stop {
	const { clock, hart } = guest.computer.machine;
	let progress = 0;
	let instructions = -1;
	for (;;) {
		const state = guest.run(clock.cycles + SLICE);
		if (state !== "running") return state;
		const { instret } = hart.counters;
		if (instret > INSTRUCTIONS_MAX) return "instructions";
		if (instret !== instructions) {
			instructions = instret;
			progress = clock.cycles;
		} else if (clock.cycles - progress > idleNs) return "idle";
	}
}
