/** Attaches traces to a computer, before it runs. */
import type { Computer } from "../computer/computer.ts";
import { diskTrace, hartTrace } from "./board-trace.ts";
import { ChromeTrace } from "./chrome-trace.ts";
import { traceHart } from "./instruction-trace.ts";
import { kernelTrace } from "./kernel-trace.ts";

export interface Tracing {
	/** To be called after the run: ends open events and completes the file. */
	end(): void;
}

/**
 * Trace the events of `computer` from now on: of its kernel, or of the hart if it has none, and of
 * its disks. `write` receives the file in pieces.
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

/** Trace every instruction from now on; `write` receives a line for each. */
export const traceInstructions = ({ machine }: Computer, write: (text: string) => void): Tracing =>
	traceHart(machine.hart, write);
