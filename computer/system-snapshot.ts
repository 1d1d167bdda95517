/**
 * Snapshots of systems: files that hold a state, or the latest one before it that could be taken
 * and what has come since. Either way what is restored is exactly what was saved.
 */

import type { DiskPage } from "../devices/disk/disk-history.ts";
import { SECTOR_SIZE } from "../devices/disk/disk-media.ts";
import { FileDisk } from "../devices/disk/file-disk.ts";
import { MemoryDisk, type MemoryDiskState } from "../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../devices/disk/overlay-disk.ts";
import type { SectorFaultsState } from "../devices/fault/sector-faults.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import { Panic } from "../sys/panic.ts";
import {
	type ComputerCheckpoint,
	checkpointComputer,
	releaseComputer,
	restoreComputer,
	rollbackComputer,
	saveComputer,
} from "./computer.ts";
import { Journal, type JournalEntry } from "./recording.ts";
import {
	believing,
	packSnapshot,
	SnapshotError,
	type SnapshotHeader,
	unpackSnapshot,
} from "./snapshot/container.ts";
import { Graph, writeGraph } from "./snapshot/graph.ts";
import { describeDisk, fileOf, openSavedDisk, type SavedDisk } from "./snapshot/saved-disk.ts";
import { System } from "./system.ts";
import type { DiskOptions, SystemOptions, SystemOrigin, TimingName } from "./system-options.ts";
import { VERSION } from "./version.ts";

export { SnapshotError } from "./snapshot/container.ts";

const KIND = "boot";
/** Pages of a file as they were, by number. */
type OldPages = readonly DiskPage[];

interface Body {
	readonly image: Uint8Array;
	/** null: the start. */
	readonly origin: SystemOrigin | null;
	/** The start: what disks in memory held; null for others. */
	readonly media: readonly unknown[];
	/** For each disk that is a file: what it was at the origin, where it differs now. */
	readonly old: readonly (OldPages | null)[];
	readonly journal: readonly JournalEntry[];
}

type DiskRole = "swap" | "root" | "bin" | "disk";

interface DiskConfig extends SavedDisk {
	readonly role: DiskRole;
	readonly timing: TimingName;
}

/** The configuration in the header. */
type SavedConfig = Omit<SystemOptions, "disks" | "image" | "console"> & {
	readonly disks: readonly DiskConfig[];
	readonly stateHash: string;
};

/**
 * Take the state as it is now for the one that later snapshots begin with, if it can be taken.
 * => false: somebody is busy inside the kernel.
 */
export function rebase(system: System): boolean {
	const origin = takeOrigin(system);
	if (origin === null) return false;
	system.origin = origin;
	system.journal = new Journal();
	trackFiles(system);
	return true;
}

/** => null: somebody is busy inside the kernel, or would not sleep there again. */
function takeOrigin(system: System): SystemOrigin | null {
	if (system.busy !== null) return null;
	const origin = { software: system.saveSoftware(), computer: saveComputer(system) };
	if (!system.sleepsInCalls) return origin;
	try {
		const trial = new System({ ...system.options, ...emptyDisks(system) });
		const media = trial.faults.map(({ pristine }) => pristine.save());
		const disks = origin.computer.board.media as SectorFaultsState[];
		const board = {
			...origin.computer.board,
			media: disks.map((disk, i) => ({ ...disk, medium: media[i] })),
		};
		const computer = { ...origin.computer, board };
		trial.restoreSoftware(origin.software, () => restoreComputer(trial, computer));
		return origin;
	} catch (error) {
		if (error instanceof Panic) return null;
		throw error;
	}
}

/** Disks of the same shape as a system's, with nothing on them. */
function emptyDisks({ options, disks, faults }: System): Partial<SystemOptions> {
	const empty = (disk: DiskOptions): DiskOptions => {
		const { sectors, readOnly } = faults[disks.indexOf(disk)]!;
		return { ...disk, media: new MemoryDisk(sectors * SECTOR_SIZE, { readOnly }) };
	};
	const { swap = disks.slice(0, 1), root, bin } = options;
	return {
		swap: swap.map(empty),
		...(root === undefined ? {} : { root: empty(root) }),
		...(bin === undefined ? {} : { bin: empty(bin) }),
		disks: (options.disks ?? []).map(empty),
		console: () => {},
	};
}

/** Checkpoints of the files that are disks, taken at the origin. */
const tracked = new WeakMap<System, (Int32Array | null)[]>();

/**
 * From now on keep what is overwritten in files that are disks: otherwise a system that has
 * written to one can be saved only where its state can be taken.
 */
export function trackFiles(system: System): void {
	const before = tracked.get(system);
	const disks = files(system);
	const now = disks.map((disk) => (disk === null || disk.readOnly ? null : disk.checkpoint()));
	tracked.set(system, now);
	for (const [i, checkpoint] of (before ?? []).entries()) {
		if (checkpoint !== null) disks[i]!.release(checkpoint);
	}
}

/** The disks that are files; null for the others. */
const files = (system: System): (FileDisk | OverlayDisk | null)[] =>
	system.faults.map(({ pristine }) =>
		pristine instanceof FileDisk || pristine instanceof OverlayDisk ? pristine : null,
	);

/**
 * A snapshot of `system` as it is now.
 * => SnapshotError for disks that are neither memory nor a file; and for one that is a file and
 *    was written to, if the state cannot be taken and nobody has called trackFiles before.
 */
export function saveSystem(system: System): Uint8Array {
	const disks = system.disks.map((_, i) => describe(system, i));
	const { program, args = [], ram, seed, tlbEntries, tlbWays, adPolicy } = system.options;
	const { check, uvmhist, terminal, framebuffer } = system.options;
	const config = {
		...{ program, args, ram, seed, tlbEntries, tlbWays, adPolicy },
		...{ check, uvmhist, terminal, framebuffer, disks },
		cycles: system.machine.clock.cycles,
		stateHash: system.stateHash(),
	};
	const { image } = system.options;
	const origin = takeOrigin(system);
	const body: Body =
		origin !== null
			? { image, origin, media: [], old: [], journal: [] }
			: {
					image,
					origin: system.origin,
					media: system.origin === null ? system.initialMedia : [],
					old: files(system).map((disk, i) => oldPages(system, disk, i)),
					journal: system.journal.entries,
				};
	return packSnapshot({ version: VERSION, kind: KIND, config }, writeGraph(body));
}

function describe(system: System, i: number): DiskConfig {
	const { swap, root, bin } = system.options;
	const disk = system.disks[i]!;
	let role: DiskRole = i < (swap?.length ?? 1) ? "swap" : "disk";
	if (disk === root) role = "root";
	if (disk === bin) role = "bin";
	return { ...describeDisk(system.faults[i]!.pristine), role, timing: disk.timing ?? "ssd" };
}

function oldPages(system: System, disk: FileDisk | OverlayDisk | null, i: number): OldPages | null {
	if (disk === null || disk.readOnly) return null;
	const checkpoint = tracked.get(system)?.[i] ?? null;
	if (checkpoint !== null) return disk.changedSince(checkpoint);
	if (system.board.disks[i]!.counters.writes === 0) return null;
	throw new SnapshotError(
		`disk ${fileOf(disk)!.path} was written to; the state cannot be saved just now`,
	);
}

/** An instant of a system in this process. */
export interface SystemCheckpoint {
	readonly software: Uint8Array;
	readonly computer: ComputerCheckpoint;
	readonly origin: SystemOrigin | null;
	readonly journal: readonly JournalEntry[];
}

/**
 * Note this instant of `system`, to go back to it as often as wanted.
 * => null: somebody is busy inside the kernel.
 * => what memory and disks hold costs what is written to them afterwards; the kernel is copied.
 *    To be released when it is not needed any more.
 */
export function checkpointSystem(system: System): SystemCheckpoint | null {
	if (system.busy !== null) return null;
	return {
		software: system.saveSoftware(),
		computer: checkpointComputer(system),
		origin: system.origin,
		journal: system.journal.entries,
	};
}

/** => `checkpoint` is of this system, and not released. */
export function rollbackSystem(system: System, checkpoint: SystemCheckpoint): void {
	const { software, computer, origin, journal } = checkpoint;
	system.restoreSoftware(software, () => rollbackComputer(system, computer));
	if (origin === system.origin) system.journal = new Journal(journal);
	else rebase(system);
}

export function releaseSystem(system: System, checkpoint: SystemCheckpoint): void {
	releaseComputer(system, checkpoint.computer);
}

/** What a restored system gets from its new host. */
export interface RestoreOptions {
	/** Takes each byte that is printed from now on. */
	readonly console?: (byte: number) => void;
	/** Keep what is overwritten in files (trackFiles). */
	readonly track?: boolean;
}

/**
 * The system that a snapshot was made of, as it was.
 * => SnapshotError, one line, if the file is damaged, or does not fit this uvmachine or its disks;
 *    UserError of one line from a disk that cannot be opened.
 */
export function restoreSystem(file: Uint8Array, options: RestoreOptions = {}): System {
	const { header, body: bytes } = unpackSnapshot(file, KIND, VERSION);
	try {
		return believing(() => restore(header, new Graph(bytes).root as Body, options));
	} catch (error) {
		if (!(error instanceof Panic)) throw error;
		throw new SnapshotError(`it cannot be restored: ${error.message}`);
	}
}

function restore(header: SnapshotHeader, body: Body, options: RestoreOptions): System {
	const config = header.config as unknown as SavedConfig;
	const { image, origin, media, old, journal } = body;
	const disks = config.disks.map((disk, i) => openDisk(disk, media[i] ?? null, old[i] ?? null));
	const system = new System({ ...systemOptions(config, config.disks, disks), image, ...options });
	if (origin !== null) {
		system.restoreSoftware(origin.software, () => restoreComputer(system, origin.computer));
		system.origin = origin;
		system.journal = new Journal();
	}
	if (options.track === true) trackFiles(system);
	system.repeat(new Journal(journal));
	const committed = disks.every(({ media }) => !(media instanceof OverlayDisk) || media.commit());
	if (!committed || system.stateHash() !== config.stateHash) {
		throw new SnapshotError("what it leads to is not what it was made of");
	}
	return system;
}

function openDisk(disk: DiskConfig, content: unknown, old: OldPages | null): DiskOptions {
	const media = openSavedDisk(disk);
	if (old !== null) return { media: new OverlayDisk(media, old), timing: disk.timing };
	if (media instanceof MemoryDisk && content !== null) media.restore(content as MemoryDiskState);
	return { media, timing: disk.timing };
}

function systemOptions(
	config: SavedConfig,
	roles: readonly DiskConfig[],
	disks: readonly DiskOptions[],
): Omit<SystemOptions, "image"> {
	const of = (role: DiskRole): DiskOptions[] => disks.filter((_, i) => roles[i]!.role === role);
	const [root] = of("root");
	const [bin] = of("bin");
	const framebuffer: FramebufferOptions | null | undefined = config.framebuffer;
	const { program, args, ram, seed, tlbEntries, tlbWays, adPolicy } = config;
	const { check, uvmhist, terminal } = config;
	const given = { args, ram, seed, tlbEntries, tlbWays, adPolicy, check, uvmhist, terminal };
	return {
		program,
		...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
		swap: of("swap"),
		...(root === undefined ? {} : { root }),
		...(bin === undefined ? {} : { bin }),
		disks: of("disk"),
		...(framebuffer === undefined ? {} : { framebuffer }),
	};
}
