/** Drives a machine by its port up to a cycle. */
import { type MachinePort, PORT_UNTIL } from "../../machine/port.ts";

function until<T>({ times }: MachinePort, cycle: number, what: () => T): T {
	times[PORT_UNTIL] = cycle;
	const result = what();
	times[PORT_UNTIL] = Number.POSITIVE_INFINITY;
	return result;
}

export const runUntil = (port: MachinePort, cycle: number): boolean =>
	until(port, cycle, () => port.run());

export const wfiUntil = (port: MachinePort, cycle: number): boolean =>
	until(port, cycle, () => port.wfi());

export const reaches = (port: MachinePort, cycle: number): boolean =>
	until(port, cycle, () => port.reached);
