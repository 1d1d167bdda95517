/** Machines for the tests to debug. */
import { Bare } from "../../computer/bare.ts";
import { createSystem } from "../../computer/system.ts";
import type { SystemOptions } from "../../computer/system-options.ts";
import { BareTarget, SystemTarget } from "../../gdb/session.ts";
import { assemble } from "../isa/assembler.ts";
import { GdbClient } from "../support/gdb-client.ts";
import { workload } from "../support/workload.ts";

export const BARE_BASE = 0x8000_0000;

export interface Debugged<T> {
	readonly target: T;
	readonly client: GdbClient;
	/** What the guest has printed. */
	readonly output: () => string;
	readonly label: (name: string) => number;
}

/** An assembled program on a bare machine, stopped in the boot ROM or after it. */
export function debugBare(source: string, ram = 1 << 20, booted = true): Debugged<BareTarget> {
	const { bytes, labels } = assemble(source, BARE_BASE);
	let output = "";
	let show = (_byte: number): void => {};
	// The guests here set timers of 100 cycles.
	const bare = new Bare({ image: bytes, ram, busCycles: 0, console: (byte) => show(byte) });
	const target = new BareTarget(
		bare,
		(byte) => {
			output += String.fromCharCode(byte);
		},
		true,
	);
	show = (byte) => target.print(byte);
	const client = new GdbClient(target);
	const label = (name: string): number => labels.get(name)! >>> 0;
	if (!booted) return { target, client, output: () => output, label };
	client.ask(`Z0,${BARE_BASE.toString(16)},4`);
	client.ask("vCont;c");
	client.ask(`z0,${BARE_BASE.toString(16)},4`);
	return { target, client, output: () => output, label };
}

/** A workload, or an image, on the kernel. */
export function debugSystem(
	program: string,
	args: readonly string[],
	options: Partial<SystemOptions> = {},
): Debugged<SystemTarget> {
	let output = "";
	let show = (_byte: number): void => {};
	const image = options.image ?? workload(program);
	const console = (byte: number): void => show(byte);
	const system = createSystem({ program, args, ...options, image, console });
	const target = new SystemTarget(
		system,
		(byte) => {
			output += String.fromCharCode(byte);
		},
		true,
	);
	show = (byte) => target.print(byte);
	return { target, client: new GdbClient(target), output: () => output, label: () => 0 };
}
