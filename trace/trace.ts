/** Tracing of computers: attached to one that is about to run, ended when it has run. */
import type { Computer } from "../computer/computer.ts";
import { diskTrace, hartTrace } from "./board-trace.ts";
import { ChromeTrace } from "./chrome-trace.ts";
import { traceHart } from "./instruction-trace.ts";
import { kernelTrace } from "./kernel-trace.ts";

export interface Tracing {
	/** The run is over: what is open ends now, and so does the file. */
	end(): void;
}

/**
 * From now on `write` gets a trace of `computer`, piece by piece: of its kernel, or of its hart if
 * it has none, and of its disks.
 */
export function traceEvents(computer: Computer, write: (text: string) => void): Tracing {
	const { kernel, board } = computer;
	const { hart, clock } = computer.machine;
	const trace = new ChromeTrace(write);
	if (kernel === null) hart.observer = hartTrace(trace, clock);
	else kernel.watch = { ...kernel.watch, trace: kernelTrace(trace, kernel) };
	const names = board.disks.map(({ id }) => id);
	const observer = diskTrace(trace, clock, names);
	for (const disk of board.disks) disk.observer = observer;
	return { end: () => trace.close(clock.cycles) };
}

/** From now on `write` gets a line for every instruction. */
export const traceInstructions = ({ machine }: Computer, write: (text: string) => void): Tracing =>
	traceHart(machine.hart, write);
