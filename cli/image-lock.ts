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
 * Take an image until this process ends.
 * => UsageError if another process has it. An image in a folder that cannot be written to has no
 *    lock.
 */
export function lockImage(path: string): void {
	const lock = `${realpathSync(path)}.lock`;
	if (held.has(lock)) throw new UsageError(`disk ${path}: is given twice`);
	if (!create(lock, path)) return;
	if (held.size === 0) process.on("exit", unlockAll);
	held.add(lock);
}

/** The same for the disks of a snapshot that are files. */
export function lockImages(disks: readonly (DiskMedia | null)[]): void {
	for (const disk of disks) {
		const file = disk === null ? null : fileOf(disk);
		if (file?.readOnly === false) lockImage(file.path);
	}
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
