/**
 * Disks made from files of the host: a folder is packed into an archive, which is a root file
 * system; the workloads become a disk of programs.
 */
import {
	closeSync,
	existsSync,
	lstatSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	type Stats,
	statSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Headers, Pack } from "tar-stream";
import { encode } from "tar-stream/headers.js";
import { type DiskOptions, FileDisk, MemoryDisk } from "../index.ts";
import { UsageError } from "./usage-error.ts";

/** What identifies a tar archive, and its place in the file. */
const MAGIC = "ustar";
const MAGIC_OFFSET = 257;
/** Bytes of a header, of which the contents are a multiple. */
const BLOCK = 512;

/** The disks that `--disk` options describe. */
export interface HostDisks {
	/** The root file system: an archive. */
	readonly root?: DiskOptions;
	/** Raw images. */
	readonly disks: readonly DiskOptions[];
}

/**
 * Open a raw image, an archive, which is used in place, or a folder, which is packed into memory.
 * => UsageError or UserError, one line, for anything else and for a second root.
 */
export async function openDisks(paths: readonly string[]): Promise<HostDisks> {
	const disks: DiskOptions[] = [];
	let root: DiskOptions | undefined;
	for (const path of paths) {
		const folder = statusOf(path)?.isDirectory() === true;
		if (!folder && !isArchive(path)) {
			disks.push({ media: new FileDisk(path) });
			continue;
		}
		if (root !== undefined) throw new UsageError(`disk ${path}: there is already a root disk`);
		root = { media: folder ? archiveDisk(await packFolder(path), false) : new FileDisk(path) };
	}
	return root === undefined ? { disks } : { root, disks };
}

/** => null if the path cannot be reached. */
function statusOf(path: string): Stats | null {
	try {
		return statSync(path);
	} catch {
		return null;
	}
}

/** => false also if the file cannot be read: FileDisk reports that. */
function isArchive(path: string): boolean {
	if (statusOf(path)?.isFile() !== true) return false;
	try {
		const fd = openSync(path, "r");
		const magic = Buffer.alloc(MAGIC.length);
		readSync(fd, magic, 0, magic.length, MAGIC_OFFSET);
		closeSync(fd);
		return magic.toString("latin1") === MAGIC;
	} catch {
		return false;
	}
}

const archiveDisk = (image: Uint8Array, readOnly: boolean): MemoryDisk =>
	new MemoryDisk(image.length, { image, readOnly });

/**
 * A folder as a tar archive: files, folders and symbolic links, in the order of their names, owned
 * by root. The same files with the same times give the same bytes.
 */
export async function packFolder(path: string): Promise<Uint8Array> {
	const { pack } = await import("tar-stream");
	const archive = pack();
	const bytes = collect(archive);
	addFolder(archive, path, path, "");
	archive.finalize();
	return await bytes;
}

function addFolder(archive: Pack, top: string, path: string, prefix: string): void {
	const names = attempt(top, prefix, () => readdirSync(path)).sort(byCodeUnits);
	for (const name of names) {
		const from = join(path, name);
		const inside = prefix + name;
		const stat = attempt(top, inside, () => lstatSync(from));
		const header: Headers & { name: string } = {
			name: inside,
			mode: stat.mode & 0o7777,
			mtime: new Date(Math.floor(stat.mtimeMs / 1000) * 1000),
			uid: 0,
			gid: 0,
		};
		if (stat.isDirectory()) {
			archive.entry({ ...header, type: "directory" });
			addFolder(archive, top, from, `${inside}/`);
		} else if (stat.isSymbolicLink()) {
			const linkname = attempt(top, inside, () => readlinkSync(from));
			archive.entry({ ...header, type: "symlink", linkname });
		} else if (stat.isFile()) {
			archive.entry(
				header,
				attempt(top, inside, () => readFileSync(from)),
			);
		} else {
			throw new UsageError(`disk ${top}: ${inside} is not a file, folder or symbolic link`);
		}
	}
}

/** An order of names that does not depend on the locale. */
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function attempt<T>(top: string, inside: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`disk ${top}: ${inside === "" ? "it" : inside} cannot be read (${code})`);
	}
}

async function collect(archive: Pack): Promise<Uint8Array> {
	const chunks: Buffer[] = [];
	for await (const chunk of archive) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

/** The folder of the workloads' ELF files, seen from the sources and from the built program. */
export const WORKLOADS = ["../workloads/bin/", "../../workloads/bin/"]
	.map((path) => new URL(path, import.meta.url))
	.find((url) => existsSync(url))!;

/** Their names. */
export const WORKLOAD_NAMES: readonly string[] = readdirSync(WORKLOADS).sort();

let bin: DiskOptions | null = null;

/** A read-only disk with an archive of all workloads; made once in a process. */
export function binDisk(): DiskOptions {
	bin ??= { media: archiveDisk(packPrograms(fileURLToPath(WORKLOADS)), true) };
	return bin;
}

/** Blocks of zeros at the end of an archive. */
const END_BLOCKS = 2;

/**
 * The archive that packFolder would make of these files with fixed times, so that the disk does not
 * depend on when the workloads were built. Each boot makes it, and files in one folder with short
 * names need none of the streams of tar-stream, which take long to load.
 */
function packPrograms(folder: string): Uint8Array {
	const owner = { uid: 0, gid: 0, mtime: new Date(0) };
	const parts: Uint8Array[] = [];
	for (const name of WORKLOAD_NAMES) {
		const contents = readFileSync(join(folder, name));
		const { length: size } = contents;
		const header = encode({ name, mode: 0o755, size, type: "file", ...owner });
		if (header === null) throw new UsageError(`${join(folder, name)}: a name for no archive`);
		parts.push(header, contents, new Uint8Array(-size & (BLOCK - 1)));
	}
	return Buffer.concat([...parts, new Uint8Array(END_BLOCKS * BLOCK)]);
}
