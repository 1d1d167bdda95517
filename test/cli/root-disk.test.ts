/** How --disk treats files and folders, and the disk of programs. */
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	cpSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { binDisk, openDisks, packFolder } from "../../cli/root-disk.ts";
import { UsageError } from "../../cli/usage-error.ts";
import { createSystem } from "../../computer/system.ts";
import type { DiskOptions } from "../../computer/system-options.ts";
import { FileDisk } from "../../devices/disk/file-disk.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { ROOT } from "../support/sources.ts";
import { workload } from "../support/workload.ts";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** A folder with some of everything, made in an order that is not that of the names. */
function folder(name: string): string {
	const top = join(dir, name);
	mkdirSync(join(top, "sub", "deep"), { recursive: true });
	writeFileSync(join(top, "z"), "last");
	writeFileSync(join(top, "sub", "data"), new Uint8Array(1000).fill(7));
	writeFileSync(join(top, "a"), "");
	writeFileSync(join(top, "Zürich"), "umlaut");
	for (const path of ["z", "sub/data", "Zürich"]) chmodSync(join(top, path), 0o644);
	for (const path of ["sub", "sub/deep"]) chmodSync(join(top, path), 0o755);
	chmodSync(join(top, "a"), 0o750);
	symlinkSync("sub/data", join(top, "link"));
	for (const path of ["z", "sub/data", "a", "Zürich"]) utimesSync(join(top, path), 1e9, 1e9);
	for (const path of ["sub/deep", "sub", "."]) utimesSync(join(top, path), 2e9, 2e9);
	return top;
}

/** An archive as the host's tar lists it, one line for each member. */
function list(image: Uint8Array): string[] {
	const file = join(dir, "list.tar");
	writeFileSync(file, image);
	const args = ["--utc", "--numeric-owner", "--quoting-style=literal", "-tvf", file];
	return execFileSync("tar", args, { encoding: "utf8" }).trimEnd().split("\n");
}

function contents({ media }: DiskOptions): Uint8Array {
	if (typeof media === "number") throw new Error("an empty disk");
	const bytes = new Uint8Array(media.sectors * 512);
	media.read(0, bytes);
	return bytes;
}

describe("a folder", () => {
	it("becomes an archive in the order of the names, owned by root", async () => {
		const lines = list(await packFolder(folder("one"))).map((l) => l.replace(/ +/g, " "));
		expect(lines).toEqual([
			"-rw-r--r-- 0/0 6 2001-09-09 01:46 Zürich",
			"-rwxr-x--- 0/0 0 2001-09-09 01:46 a",
			expect.stringMatching(/^lrwxrwxrwx 0\/0 0 .* link -> sub\/data$/),
			"drwxr-xr-x 0/0 0 2033-05-18 03:33 sub",
			"-rw-r--r-- 0/0 1000 2001-09-09 01:46 sub/data",
			"drwxr-xr-x 0/0 0 2033-05-18 03:33 sub/deep",
			"-rw-r--r-- 0/0 4 2001-09-09 01:46 z",
		]);
	});

	it("gives the same bytes for the same files", async () => {
		const first = await packFolder(folder("two"));
		const second = await packFolder(folder("two-again"));
		// A link's own time cannot be set from here.
		rmSync(join(dir, "two", "link"));
		rmSync(join(dir, "two-again", "link"));
		expect(first.length).toBe(second.length);
		for (const name of ["two", "two-again"]) utimesSync(join(dir, name), 2e9, 2e9);
		expect(await packFolder(join(dir, "two"))).toEqual(await packFolder(join(dir, "two-again")));
	});

	it("is the root disk, in memory and writable", async () => {
		const { root, disks } = await openDisks([folder("three")]);
		expect(disks).toEqual([]);
		expect(root!.media).toBeInstanceOf(MemoryDisk);
		expect((root!.media as MemoryDisk).readOnly).toBe(false);
	});

	it("may hold only files, folders and symbolic links", async () => {
		const top = folder("four");
		execFileSync("mkfifo", [join(top, "sub", "pipe")]);
		await expect(openDisks([top])).rejects.toThrow(UsageError);
		await expect(openDisks([top])).rejects.toThrow(
			/four: sub\/pipe is not a file, folder or symbolic link$/,
		);
	});
});

describe("a file", () => {
	it("that is an archive is the root disk, in place", async () => {
		const path = join(dir, "root.tar");
		writeFileSync(path, await packFolder(folder("five")));
		const { root, disks } = await openDisks([path]);
		expect(disks).toEqual([]);
		expect(root!.media).toBeInstanceOf(FileDisk);
		const media = root!.media as FileDisk;
		media.write(1, new Uint8Array(512).fill(9));
		expect(readFileSync(path)[512]).toBe(9);
	});

	it("that is not an archive is a raw image, as is one too short to tell", async () => {
		const path = join(dir, "raw.img");
		writeFileSync(path, new Uint8Array(1024));
		const { root, disks } = await openDisks([path, path]);
		expect([root, disks.length]).toEqual([undefined, 2]);
		writeFileSync(path, new Uint8Array(100));
		await expect(openDisks([path])).rejects.toThrow(/raw.img: its size, 100 bytes, is not/);
	});

	it("only one may be the root", async () => {
		const top = folder("six");
		await expect(openDisks([top, top])).rejects.toThrow(/six: there is already a root disk/);
	});
});

describe("the disk of programs", () => {
	it("holds every workload, is read-only, and is made once", async () => {
		const disk = binDisk();
		expect(binDisk()).toBe(disk);
		expect((disk.media as MemoryDisk).readOnly).toBe(true);
		const names = list(contents(disk)).map((line) => line.split(" ").pop());
		expect(names).toContain("sort");
		expect(names).toEqual([...names].sort());
		const image = Buffer.from(contents(disk));
		expect(image.includes(Buffer.from(workload("hello")))).toBe(true);
	});
});

it("the disk of programs is what a folder of them would be, to the byte", async () => {
	const top = join(dir, "programs");
	cpSync(join(ROOT, "workloads/bin"), top, { recursive: true });
	for (const name of readdirSync(top)) {
		chmodSync(join(top, name), 0o755);
		utimesSync(join(top, name), 0, 0);
	}
	expect(Buffer.compare(await packFolder(top), contents(binDisk()))).toBe(0);
});

describe("units", () => {
	const hello = { program: "hello", image: workload("hello") };
	const disk = (): DiskOptions => ({ media: 1 << 20 });

	it("are swap, root, bin, others, and the kernel knows which is which", async () => {
		const root = disk();
		const bin = binDisk();
		const swap = [disk(), disk()];
		const system = createSystem({ ...hello, swap, root, bin, disks: [disk()] });
		expect(system.kernel.conf).toMatchObject({ swap: [0, 1], root: 2, bin: 3 });
		expect(system.kernel.lds.length).toBe(5);
		expect(system.kernel.lds[3]!.sc_readonly).toBe(true);
		expect(system.report(0).config).toMatchObject({ root: { bytes: 1 << 20 } });
	});

	it("do not exist without such disks", () => {
		expect(createSystem(hello).kernel.conf).toMatchObject({ swap: [0], root: null, bin: null });
	});

	it("more than there are slots for are refused in one line", async () => {
		const disks = Array.from({ length: 7 }, disk);
		expect(() => createSystem({ ...hello, bin: disk(), disks })).toThrow(
			/^disks: 9, with those for swap and programs; there is room for 8$/,
		);
	});
});
