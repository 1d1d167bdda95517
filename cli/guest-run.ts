/** Running a guest, as `boot` and `run` both do: to its end, with a snapshot, to an exit code. */
import { type Computer, type ComputerExit, signo } from "../index.ts";
import type { CommonFlags } from "./common-options.ts";
import type { OutputBuffer } from "./console.ts";
import { drive, driveTerminal } from "./drive.ts";
import { type GivenUp, signalExitCode } from "./interrupts.ts";
import { type SaveMethod, Saver } from "./saver.ts";

/** => the saver that --save asks for; null without --save. */
export function createSaver(guest: Computer, flags: CommonFlags, method: SaveMethod): Saver | null {
	if (flags.save === undefined) return null;
	return new Saver(guest, method, flags.save, flags.saveAt ?? null);
}

/**
 * Run to the end, and save if that is due then. `terminal`: the guest gets the host's terminal,
 * and otherwise the standard streams.
 * => who gave it up before its end.
 */
export async function runGuest(
	guest: Computer,
	flags: CommonFlags,
	output: OutputBuffer,
	saver: Saver | null,
	terminal: boolean,
): Promise<GivenUp> {
	const run = terminal ? driveTerminal : drive;
	const left = await run(guest, flags, output, saver);
	saver?.finish(left !== null);
	return left;
}

/** Whether the run stopped only because its state was saved. */
export const stoppedToSave = (saver: Saver | null, exit: ComputerExit): boolean =>
	saver?.waits === false && saver.saved && exit.kind === "running";

/**
 * 0: the guest succeeded, or a snapshot was wanted, or somebody has left it; 1: it failed; 3: the
 * kernel panicked; 4: no progress, the limit, or power lost; 128 and more: a signal has ended
 * uvmachine.
 * With --guest-exit-code, the guest's own code, or 128 and the number of the signal that killed it.
 */
export function exitCode(
	exit: ComputerExit & { readonly signal?: string | null },
	{ guestExitCode }: CommonFlags,
	left: GivenUp,
	saved: boolean,
): number {
	if (left === "user" || left === "debugger") return 0;
	if (left !== null) return signalExitCode(left);
	if (saved) return 0;
	if (guestExitCode && exit.kind === "exited") return exit.code & 0xff;
	if (guestExitCode && exit.kind === "killed") return 128 + signo(exit.signal ?? "");
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
