/** Running a guest, as `boot` and `run` both do: to its end, with a snapshot, to an exit code. */
import type { Bare, BareExit } from "../computer/bare.ts";
import type { Exit, System } from "../computer/system.ts";
import type { CommonFlags } from "./common-options.ts";
import type { OutputBuffer } from "./console.ts";
import { drive, driveTerminal } from "./drive.ts";
import { Saver } from "./saver.ts";

type Guest = System | Bare;

/** How to save a guest: `rebase` and `save` of Savable. */
export interface Snapshots {
	rebase(): boolean;
	save(): Uint8Array;
}

/** => the saver that --save asks for; null without --save. */
export function createSaver(guest: Guest, flags: CommonFlags, snapshots: Snapshots): Saver | null {
	if (flags.save === undefined) return null;
	const savable = {
		get cycles() {
			return guest.machine.clock.cycles;
		},
		run: (until: number, pause: boolean) => guest.run(until, pause),
		...snapshots,
	};
	return new Saver(savable, flags.save, flags.saveAt ?? null);
}

export interface HowToRun {
	/** Whether the guest gets the host's terminal; otherwise it gets the standard streams. */
	readonly terminal: boolean;
	/** Called with the terminal's size. */
	readonly resized?: (columns: number, rows: number) => void;
}

/** Run to the end, and save if that is due then. => whether the user quit before. */
export async function runGuest(
	guest: Guest,
	flags: CommonFlags,
	output: OutputBuffer,
	saver: Saver | null,
	{ terminal, resized }: HowToRun,
): Promise<boolean> {
	let left = false;
	if (terminal) left = await driveTerminal(guest, flags, output, saver, resized);
	else await drive(guest, flags, output, saver);
	saver?.finish(left);
	return left;
}

/** Whether the run stopped only because its state was saved. */
export const stoppedToSave = (saver: Saver | null, exit: Exit | BareExit): boolean =>
	saver?.waits === false && exit.kind === "running";

/** 0: the guest succeeded, 1: it failed, 3: the kernel panicked, 4: no progress, or the limit. */
export function exitCode(exit: Exit | BareExit): number {
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
