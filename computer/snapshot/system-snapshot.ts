/**
 * Snapshots of systems: files that hold a state, or the latest one before it that could be taken
 * and a recording of what has come since. Either way what is restored is exactly what was saved.
 */

import type { DiskPage } from "../../devices/disk/disk-history.ts";
import { SECTOR_SIZE } from "../../devices/disk/disk-media.ts";
import { MemoryDisk, type MemoryDiskState } from "../../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../../devices/disk/overlay-disk.ts";
import type { FaultyDiskState } from "../../devices/fault/faulty-disk.ts";
import type { FaultPlan } from "../../devices/fault/rule.ts";
import type { Engine } from "../../machine/engine.ts";
import { Panic } from "../../sys/panic.ts";
import type { ComputerState } from "../computer.ts";
import { type Place, type RecordedEvent, Recording } from "../recording.ts";
import { System } from "../system.ts";
import { diskOptions, type SystemDisk } from "../system-config.ts";
import type { SystemOptions } from "../system-options.ts";
import { VERSION } from "../version.ts";
import { beginFaults } from "./begin-faults.ts";
import {
	packSnapshot,
	rejectDamaged,
	SnapshotError,
	type SnapshotHeader,
	unpackSnapshot,
} from "./container.ts";
import { Graph, writeGraph } from "./graph.ts";
import { describeDisk, fileOf, openSavedDisk, type SavedDisk } from "./saved-disk.ts";

const KIND = "boot";
/** Pages of a file as they were, by number. */
type OldPages = readonly DiskPage[];

interface Body {
	readonly image: Uint8Array;
	/** It may be large. */
	readonly faults: FaultPlan | undefined;
	/** null: the start. */
	readonly base: ComputerState | null;
	/** The start: what disks in memory held; null for others. */
	readonly media: readonly unknown[];
	/** For each disk that is a file: what it was at the base, where it differs now. */
	readonly old: readonly (OldPages | null)[];
	readonly recording: readonly RecordedEvent[];
	/** Where the system was saved. */
	readonly place: Place;
}

type DiskConfig = SavedDisk & Pick<SystemDisk, "role" | "timing">;

/** The configuration in the header. */
type SavedConfig = Omit<SystemOptions, "disks" | "image" | "console" | "faults" | "engine"> & {
	readonly disks: readonly DiskConfig[];
	readonly stateHash: string;
};

/**
 * Let later snapshots begin with the present state, if it can be taken.
 * => false: a thread is busy inside the kernel.
 */
export function rebase(system: System): boolean {
	const base = takeState(system);
	if (base === null) return false;
	system.beginAt(base, true);
	return true;
}

/**
 * The present state, if a system can go on from it; null if not.
 *
 * A thread that sleeps in a system call is resumed by calling it again (System.restoreSoftware),
 * and whether it comes to the same sleep is known only when that has been tried: the page that the
 * call reads may have been paged out since. So a second system tries, on disks of the same shape
 * with nothing on them, because a call that has to wait for a disk has failed already.
 */
function takeState(system: System): ComputerState | null {
	const state = system.save();
	if (state === null || !system.sleepsInCalls) return state;
	const trial = new System({ ...system.options, ...emptyDisks(system), console: undefined });
	const media = trial.faults.map(({ pristine }) => pristine.save());
	const disks = state.board.media as FaultyDiskState[];
	const board = {
		...state.board,
		media: disks.map((disk, i) => ({ ...disk, medium: media[i] })),
	};
	try {
		trial.restore({ ...state, board });
		return state;
	} catch (error) {
		if (error instanceof Panic) return null;
		throw error;
	}
}

/** Disks of the same shape as a system's, with nothing on them. */
function emptyDisks({ disks, faults }: System): Partial<SystemOptions> {
	return diskOptions(
		disks.map((disk, i) => {
			const { sectors, readOnly } = faults[i]!;
			return { ...disk, media: new MemoryDisk(sectors * SECTOR_SIZE, { readOnly }) };
		}),
	);
}

/**
 * A snapshot of `system` as it is now.
 * => SnapshotError for disks that are neither memory nor a file; and for one that is a file and
 *    was written to, if the state cannot be taken and nobody has called trackFiles before.
 */
export function saveSystem(system: System): Uint8Array {
	const disks = system.disks.map(
		({ role, timing }, i): DiskConfig => ({
			...describeDisk(system.faults[i]!.pristine),
			role,
			timing,
		}),
	);
	const { program, args = [], ram, seed, rtc, tlbEntries, tlbWays, adPolicy } = system.options;
	const { check, uvmhist, terminal, framebuffer, image, sysctl, faults } = system.options;
	const { diskRetries, diskTimeout, swapChecksum, shadow, policy } = system.options;
	const config = {
		...{ program, args, ram, seed, rtc, tlbEntries, tlbWays, adPolicy },
		...{ check, uvmhist, terminal, framebuffer, sysctl, disks },
		...{ diskRetries, diskTimeout, swapChecksum, shadow, policy },
		cycles: system.machine.clock.cycles,
		stateHash: system.stateHash(),
	};
	const { place } = system;
	const base = takeState(system);
	const body: Body =
		base !== null
			? { image, faults, base, media: [], old: [], recording: [], place }
			: {
					...{ image, faults },
					base: system.base,
					media: system.base === null ? system.initialMedia : [],
					old: disks.map((_, i) => oldPages(system, i)),
					recording: system.recording.past,
					place,
				};
	return packSnapshot({ version: VERSION, kind: KIND, config }, writeGraph(body));
}

function oldPages(system: System, unit: number): OldPages | null {
	const disk = system.files[unit]!;
	if (disk === null || disk.readOnly) return null;
	const pages = system.oldPages(unit);
	if (pages !== null || system.board.disks[unit]!.counters.writes === 0) return pages;
	const { path } = fileOf(disk)!;
	throw new SnapshotError(`disk ${path} was written to; the state cannot be saved just now`);
}

/** What a restored system gets from its new host. */
export interface RestoreOptions {
	/** Takes each byte that is printed from now on. */
	readonly console?: ((byte: number) => void) | undefined;
	/** What executes guest code from now on. Default: "auto". */
	readonly engine?: Engine | undefined;
	/** Keep what is overwritten in files (System.trackFiles). */
	readonly track?: boolean | undefined;
	/** Break the hardware from now on. => the snapshot has no plan */
	readonly faults?: FaultPlan | undefined;
}

/**
 * The system that a snapshot was made of, as it was.
 * => SnapshotError, one line, if the file is damaged, or does not fit this uvmachine or its disks,
 *    or has a plan of faults and is to follow another one; FaultPlanError for a plan that is wrong;
 *    UserError of one line from a disk that cannot be opened.
 */
export function restoreSystem(file: Uint8Array, options: RestoreOptions = {}): System {
	const system = restored(file, options);
	beginFaults(system, options.faults);
	return system;
}

function restored(file: Uint8Array, options: RestoreOptions): System {
	const { header, body: bytes } = unpackSnapshot(file, KIND, VERSION);
	try {
		return rejectDamaged(() => restore(header, new Graph(bytes).root as Body, options));
	} catch (error) {
		if (!(error instanceof Panic)) throw error;
		throw new SnapshotError(`it cannot be restored: ${error.message}`);
	}
}

function restore(header: SnapshotHeader, body: Body, options: RestoreOptions): System {
	const { disks: saved, stateHash, ...config } = header.config as unknown as SavedConfig;
	const { cycles: _, ...given } = config as typeof config & { cycles: number };
	const { image, faults, base, media, old, recording, place } = body;
	// A plan that came later is in the recording.
	const isLater = recording.some(({ event }) => event.what === "faults");
	const disks = saved.map((disk, i): SystemDisk => {
		const { role, timing } = disk;
		return { role, timing, media: openDisk(disk, media[i] ?? null, old[i] ?? null) };
	});
	const { console, engine, track = false } = options;
	const system = new System({
		...given,
		...diskOptions(disks),
		...{ image, console, engine, faults: isLater ? undefined : faults },
	});
	if (base !== null) system.restore(base);
	if (track) system.trackFiles();
	system.recording = new Recording(recording);
	system.repeatTo(place);
	const committed = system.files.every((disk) => !(disk instanceof OverlayDisk) || disk.commit());
	if (!committed || system.stateHash() !== stateHash) {
		throw new SnapshotError("replay diverged: state hash mismatch");
	}
	return system;
}

function openDisk(disk: DiskConfig, content: unknown, old: OldPages | null): SystemDisk["media"] {
	const media = openSavedDisk(disk);
	if (old !== null) return new OverlayDisk(media, old);
	if (media instanceof MemoryDisk && content !== null) media.restore(content as MemoryDiskState);
	return media;
}
