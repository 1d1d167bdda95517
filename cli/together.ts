/** Options that make no sense together, for `boot` and `run`. */
import { UsageError } from "./usage-error.ts";

export interface TogetherFlags {
	readonly trace?: string;
	readonly traceInstructions?: string;
	readonly save?: string;
	readonly gdb?: unknown;
	readonly saveAt?: number;
	readonly restore?: string;
}

/** => UsageError. `what` is what `command` runs; `name` is the one that the user has named. */
export function checkTogether(
	command: string,
	what: string,
	name: string | undefined,
	flags: TogetherFlags,
): void {
	const { gdb, trace, traceInstructions, save, saveAt, restore } = flags;
	if (saveAt !== undefined && save === undefined) {
		throw new UsageError("--save-at: there is no --save FILE");
	}
	if (gdb !== undefined && (save ?? restore) !== undefined) {
		throw new UsageError("--gdb: not together with --save and --restore");
	}
	if (gdb !== undefined && (trace ?? traceInstructions) !== undefined) {
		throw new UsageError("--trace: not together with --gdb, which runs parts again");
	}
	if (restore === undefined && name === undefined) {
		throw new UsageError(`${command}: no ${what}, and no --restore FILE`);
	}
	if (restore !== undefined && name !== undefined) {
		throw new UsageError(`${what} ${name}: with --restore the snapshot says what runs`);
	}
}
