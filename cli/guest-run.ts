/** Running a guest, as `boot` and `run` both do: to its end, with a snapshot, to an exit code. */
import type { Computer, ComputerExit } from "../index.ts";
import type { CommonFlags } from "./common-options.ts";
import type { OutputBuffer } from "./console.ts";
import { drive, driveTerminal } from "./drive.ts";
import { type SaveMethod, Saver } from "./saver.ts";

/** => the saver that --save asks for; null without --save. */
export function createSaver(guest: Computer, flags: CommonFlags, method: SaveMethod): Saver | null {
	if (flags.save === undefined) return null;
	return new Saver(guest, method, flags.save, flags.saveAt ?? null);
}

/**
 * Run to the end, and save if that is due then. `terminal`: the guest gets the host's terminal,
 * and otherwise the standard streams.
 * => whether the user quit before.
 */
export async function runGuest(
	guest: Computer,
	flags: CommonFlags,
	output: OutputBuffer,
	saver: Saver | null,
	terminal: boolean,
): Promise<boolean> {
	let left = false;
	if (terminal) left = await driveTerminal(guest, flags, output, saver);
	else await drive(guest, flags, output, saver);
	saver?.finish(left);
	return left;
}

/** Whether the run stopped only because its state was saved. */
export const stoppedToSave = (saver: Saver | null, exit: ComputerExit): boolean =>
	saver?.waits === false && exit.kind === "running";

/** 0: the guest succeeded, 1: it failed, 3: the kernel panicked, 4: no progress, or the limit. */
export function exitCode(exit: ComputerExit): number {
	switch (exit.kind) {
		case "exited":
			return exit.code === 0 ? 0 : 1;
		case "killed":
			return 1;
		case "panic":
			return 3;
		default:
			return 4;
	}
}
