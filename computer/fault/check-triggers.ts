/** Whether the triggers of a plan fit the computer that follows it. */
import type { FaultPlan } from "../../devices/fault/rule.ts";
import { elfSymbols } from "../../firmware/elf.ts";
import { isElf, parse } from "../../firmware/image.ts";
import type { Machine } from "../../machine/machine.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import type { Symbols } from "./faults.ts";
import { ruleError } from "./plan.ts";

/** The symbols of a file, which is read when the first is asked for. */
export function symbolsOf(file: Uint8Array): Symbols {
	let known: ReadonlyMap<string, number> | null = null;
	return (name) => {
		known ??= new Map(symbolsIn(file));
		return known.get(name);
	};
}

function symbolsIn(file: Uint8Array): [string, number][] {
	if (!isElf(file)) return [];
	// => ImageError if it is damaged
	parse("image", file);
	return elfSymbols(file).map(({ name, value }) => [name, value]);
}

/** => FaultPlanError for a symbol, an address or an event that does not exist there. */
export function checkTriggers(
	plan: FaultPlan,
	machine: Machine,
	symbols: Symbols,
	hasKernel: boolean,
): void {
	for (const { id, when = {} } of plan.rules) {
		const fail = (field: string, message: string): never => {
			throw ruleError(plan, id, ["when", ...field.split(".")], message);
		};
		const { pc, access, event } = when;
		if (pc?.symbol !== undefined) {
			const value = symbols(pc.symbol);
			if (value === undefined) fail("pc.symbol", `the program has no symbol ${pc.symbol}`);
			else if (value % 2 !== 0) fail("pc.symbol", `${pc.symbol} is no instruction`);
		}
		if (access?.pa !== undefined && !isThere(machine, access.pa)) {
			fail("access.pa", "neither memory nor a device is there");
		}
		if (event !== undefined && !hasKernel) {
			fail("event", "is for our own kernel; there is none");
		}
	}
}

/** Is there memory, or a device, at some of these addresses? */
function isThere({ memory, bus }: Machine, [from, to]: readonly [number, number]): boolean {
	for (let at = from; at < to; at += PAGE_SIZE - (at % PAGE_SIZE)) {
		if (memory.offsetOf(at, 1) >= 0 || memory.romOffsetOf(at) >= 0 || bus.answers(at)) return true;
	}
	return false;
}
