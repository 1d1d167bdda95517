/** Tracing of whole machines: attached to one that is about to run, ended when it has run. */
import type { Bare } from "../computer/bare.ts";
import type { System } from "../computer/system.ts";
import { diskTrace, hartTrace } from "./board-trace.ts";
import { ChromeTrace } from "./chrome-trace.ts";
import { traceInstructions } from "./instruction-trace.ts";
import { kernelTrace } from "./kernel-trace.ts";

export interface Tracing {
	/** The run is over: what is open ends now, and so does the file. */
	end(): void;
}

/** => `write` gets a trace of `system` from now on, piece by piece. */
export function traceSystem(system: System, write: (text: string) => void): Tracing {
	const trace = new ChromeTrace(write);
	const { kernel } = system;
	kernel.watch = { ...kernel.watch, trace: kernelTrace(trace, kernel) };
	return traceDisks(system, trace);
}

/** => as traceSystem */
export function traceBare(bare: Bare, write: (text: string) => void): Tracing {
	const trace = new ChromeTrace(write);
	const { hart, clock } = bare.machine;
	hart.observer = hartTrace(trace, clock);
	return traceDisks(bare, trace);
}

/** => `write` gets every instruction as a line, from now on. */
export const traceMachineCode = (
	{ machine }: System | Bare,
	write: (text: string) => void,
): Tracing => traceInstructions(machine.hart, write);

function traceDisks({ board, machine }: System | Bare, trace: ChromeTrace): Tracing {
	const { clock } = machine;
	const names = board.disks.map(({ id }) => id);
	const observer = diskTrace(trace, clock, names);
	for (const disk of board.disks) disk.observer = observer;
	return { end: () => trace.close(clock.cycles) };
}
