/**
 * One machine at a time on a disk image that it may write: a file beside the image says whose it
 * is. Node cannot lock a file itself.
 */
import { closeSync, openSync, readFileSync, realpathSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { type DiskMedia, fileOf } from "../index.ts";
import { UsageError } from "./usage-error.ts";

const held = new Set<string>();

/**
 * Take images until this process ends.
 * => UsageError if another process has one, or if two are the same. An image in a folder that
 *    cannot be written to has no lock.
 */
export function lockImages(paths: readonly string[]): void {
	const mine = new Set<string>();
	for (const path of paths) {
		const lock = `${realpathSync(path)}.lock`;
		if (mine.has(lock)) throw new UsageError(`disk ${path}: is given twice`);
		mine.add(lock);
		if (held.has(lock) || !create(lock, path)) continue;
		if (held.size === 0) process.on("exit", unlockAll);
		held.add(lock);
	}
}

/** The same for the disks of a machine. */
export function lockDisks(disks: readonly (DiskMedia | null)[]): void {
	const files = disks.map((disk) => (disk === null ? null : fileOf(disk)));
	lockImages(files.filter((file) => file?.readOnly === false).map((file) => file!.path));
}

/** => false if there can be no lock. */
function create(lock: string, path: string): boolean {
	try {
		const fd = openSync(lock, "wx");
		writeSync(fd, `${process.pid} ${hostname()}\n`);
		closeSync(fd);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") return false;
	}
	const owner = ownerOf(lock);
	if (owner !== null) throw new UsageError(`disk ${path}: is in use by ${owner} (${lock})`);
	// Its owner did not live to remove it.
	rmSync(lock, { force: true });
	return create(lock, path);
}

/** Who holds a lock; null: a process that is gone. */
function ownerOf(lock: string): string | null {
	let text: string;
	try {
		text = readFileSync(lock, "latin1");
	} catch {
		// It was removed meanwhile.
		return null;
	}
	const [pid = "", host = ""] = text.trim().split(" ");
	if (host !== hostname()) return `process ${pid} on ${host}`;
	return lives(Number(pid)) ? `process ${pid}` : null;
}

function lives(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		// A process that may not be signalled is there all the same.
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

function unlockAll(): void {
	for (const lock of held) rmSync(lock, { force: true });
}
