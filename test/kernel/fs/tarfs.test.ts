/** The root file system: an archive on a disk. */
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { vfs_mountroot, vfs_shutdown, vfs_syncall } from "../../../kernel/fs/vfs.ts";
import { VOP } from "../../../kernel/fs/vnode.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { O_RDWR, O_WRONLY } from "../../../kernel/kern/proc/file.ts";
import {
	EEXIST,
	EFBIG,
	EIO,
	EISDIR,
	ELOOP,
	ENAMETOOLONG,
	ENOENT,
	ENOTDIR,
	EROFS,
} from "../../../sys/errno.ts";
import { ld } from "../../support/kernel.ts";
import { hostTar, packed, type TarEntry, tar, withDirectory } from "../../support/tar.ts";
import { bytes, made, Vfs } from "../../support/vfs.ts";

const TEXT = "first line\nsecond line\n";
const LARGE = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 13) & 0xff);

const sample: TarEntry[] = [
	{ path: "./", type: "5", mode: 0o755 },
	{ path: "./etc/", type: "5", mode: 0o755 },
	{ path: "./etc/motd", data: TEXT },
	{ path: "./etc/empty", data: "" },
	{ path: "etc/large", data: LARGE, mode: 0o600 },
	{ path: "deep/er/file", data: "implicit" },
	{ path: "link", type: "2", link: "etc/motd" },
	{ path: "abs", type: "2", link: "/etc" },
	{ path: "loop", type: "2", link: "loop" },
	{ path: "hard", type: "1", link: "etc/motd" },
	{ path: "name", prefix: "pre/fix", data: "prefixed" },
];

describe("mounting", () => {
	it("makes the tree of the archive, with devices and a place in memory", () => {
		const v = new Vfs({ root: tar(sample) });
		expect(v.error).toBe("");
		expect(v.ls("/")).toEqual(["etc", "deep", "link", "abs", "loop", "hard", "pre", "dev", "tmp"]);
		expect(v.cat("/etc/motd")).toBe(TEXT);
		expect(v.cat("/etc/empty")).toBe("");
		expect(v.cat("/deep/er/file")).toBe("implicit");
		expect(v.cat("/pre/fix/name")).toBe("prefixed");
		expect(v.cat("/etc/large")).toBe(String.fromCharCode(...LARGE));
		v.t.check();
	});

	it("is waited for by a second process", () => {
		let second: { readonly done: boolean } | null = null;
		new Vfs({
			root: tar(sample),
			before: (t) => {
				// Both run in the settle of the first: one mounts, and the other waits.
				second = t.spawn(
					(function* (): Sleeps<string> {
						return yield* vfs_mountroot(t.k, ld(1), null);
					})(),
				);
			},
		});
		expect(second!.done).toBe(true);
	});

	it("reads from the disk, as anybody would", () => {
		const v = new Vfs({ root: tar(sample) });
		const { reads, sectorsRead } = v.t.board.disks[1]!.counters;
		expect(reads).toBeGreaterThan(1);
		expect(sectorsRead).toBeLessThan(8 * reads + 1);
	});

	it("knows links, modes and times", () => {
		const v = new Vfs({ root: tar(sample) });
		const attr = (path: string) => {
			const vp = v.vnode(path);
			return VOP(v.t.k, vp).vop_getattr(v.t.k, vp);
		};
		expect(attr("/etc/large")).toMatchObject({ va_mode: 0o600, va_size: 20_000, va_nlink: 1 });
		expect(attr("/hard")).toEqual(attr("/etc/motd"));
		expect(attr("/hard").va_nlink).toBe(2);
		expect(attr("/etc/motd").va_mtime).toEqual({ tv_sec: 1_000_000_000, tv_nsec: 0 });
		expect(attr("/").va_nlink).toBe(2 + 5);
		expect(attr("/link").va_fileid).toBe(attr("/etc/motd").va_fileid);
	});

	it("without a disk there is an empty root with /dev and /tmp", () => {
		const v = new Vfs();
		expect(v.error).toBe("");
		expect(v.ls("/")).toEqual(["dev", "tmp"]);
	});

	it("a second archive is at /bin, unless the root has something there", () => {
		const bin = tar([{ path: "sh", data: "shell" }]);
		expect(new Vfs({ bin }).cat("/bin/sh")).toBe("shell");
		const empty = new Vfs({ bin, root: tar([{ path: "bin", type: "5" }]) });
		expect(empty.cat("/bin/sh")).toBe("shell");
		const full = new Vfs({ bin, root: tar([{ path: "bin/sh", data: "own" }]) });
		expect(full.cat("/bin/sh")).toBe("own");
	});

	it("takes a directory's place for /dev from whatever has its name", () => {
		const v = new Vfs({
			root: tar([
				{ path: "dev", data: "a file" },
				{ path: "tmp", type: "5" },
			]),
		});
		expect(v.ls("/dev")).toContain("console");
		expect(v.ls("/tmp")).toEqual([]);
	});

	it("takes for a prefix only what POSIX puts there: GNU has times", () => {
		const raw = [
			[257, "ustar  "],
			[345, "12345670123"],
		] as const;
		const v = new Vfs({ root: tar([{ path: "a", data: "x", raw }]) });
		expect(v.cat("/a")).toBe("x");
	});

	it("a later member takes the place of an earlier one", () => {
		const v = new Vfs({
			root: tar([
				{ path: "a", data: "old" },
				{ path: "a", data: "newer" },
			]),
		});
		expect(v.cat("/a")).toBe("newer");
	});

	it.each<[string, Uint8Array, string]>([
		["text", bytes("this is no archive".padEnd(1024)), "ld1: sector 0: not a tar archive"],
		[
			"a bad checksum",
			tar([
				{ path: "a", data: "x" },
				{ path: "b", data: "y", badsum: true },
			]),
			"ld1: sector 2: bad checksum",
		],
		[
			"a file longer than the disk",
			tar([{ path: "a", raw: [[124, "77777777777"]] }]),
			"ld1: sector 0: the archive is truncated",
		],
		[
			"a size that is no number",
			tar([{ path: "a", raw: [[124, "12x"]] }]),
			"ld1: sector 0: bad size",
		],
		["a way out", tar([{ path: "../../etc/passwd", data: "x" }]), "ld1: sector 0: bad name"],
		[
			"a file with files in it",
			tar([
				{ path: "a", data: "x" },
				{ path: "a/b", data: "y" },
			]),
			"ld1: sector 2: a file and a directory have the same name",
		],
		[
			"a file over a directory",
			tar([
				{ path: "a", type: "5" },
				{ path: "a", data: "y" },
			]),
			"ld1: sector 1: a file and a directory have the same name",
		],
		[
			"a link to nothing",
			tar([{ path: "a", type: "1", link: "b" }]),
			"ld1: sector 0: hard link to a missing file",
		],
		[
			"nonsense in an extended header",
			tar([{ path: "x", type: "x", data: "99 path=a\n" }, { path: "b" }]),
			"ld1: sector 0: bad extended header",
		],
	])("%s is one clear error", (_, root, message) => {
		const v = new Vfs({ root });
		expect(v.error).toBe(message);
		expect(v.t.k.msgbuf).toContain(message);
		expect(v.t.k.uvm.uvn_list).toEqual([]);
		v.t.check();
	});

	it("a disk that cannot be read is an error, too", () => {
		const v = new Vfs({ root: tar(sample), before: (t) => void t.disks[1]!.failReads(6, 1) });
		expect(v.error).toBe("ld1: sector 0: cannot be read");
		expect(v.ls("/")).toEqual(["dev", "tmp"]);
		v.t.check();
	});

	it("whatever is on the disk, mounting ends with a tree or one line", () => {
		const good = tar(sample);
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }),
				fc.boolean(),
				(damage, mend) => {
					const root = good.slice();
					for (const [at, byte] of damage) {
						root[at] = byte;
						if (mend) mendChecksum(root, at - (at % 512));
					}
					const v = new Vfs({ root });
					expect(v.error).toMatch(/^(ld1: sector \d+: [a-z ]+)?$/);
					v.run(vfs_shutdown(v.t.k));
					v.t.check();
				},
			),
			{ numRuns: Number(process.env.FUZZ_RUNS ?? 40) },
		);
	});
});

/** Make the checksum of the block at `at` right, so that its other fields are looked at. */
function mendChecksum(image: Uint8Array, at: number): void {
	const block = image.subarray(at, at + 512);
	block.fill(0x20, 148, 156);
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.set(bytes(sum.toString(8).padStart(6, "0") + "\0 "), 148);
}

describe("names", () => {
	const v = new Vfs({ root: tar(sample) });
	it.each([
		["/etc/nothing", ENOENT],
		["/etc/motd/x", ENOTDIR],
		["/etc/motd/", ENOTDIR],
		["/loop", ELOOP],
		["/loop/x", ELOOP],
		["", ENOENT],
		[`/${"n".repeat(256)}`, ENAMETOOLONG],
		["/nothing/x", ENOENT],
	])("%s is errno %i", (path, errno) => {
		expect(v.namei(path)).toBe(errno);
	});

	it.each([
		["/link", "/etc/motd"],
		["/abs/motd", "/etc/motd"],
		["//etc///motd", "/etc/motd"],
		["/etc/./../etc/motd", "/etc/motd"],
		["/../../etc/motd", "/etc/motd"],
		["/dev/../etc/motd", "/etc/motd"],
		["/abs/", "/etc"],
		["/tmp/..", "/"],
		["/", "/"],
		["/..", "/"],
		["/abs/..", "/"],
	])("%s is %s", (path, other) => {
		const vp = v.namei(path);
		expect(typeof vp).toBe("object");
		expect(vp).toBe(v.namei(other));
	});

	it("a link at the end is followed only if asked to", () => {
		const vp = v.namei("/link", false);
		if (typeof vp === "number") throw new Error("not found");
		expect(vp.v_type).toBe("VLNK");
		expect(VOP(v.t.k, vp).vop_readlink(v.t.k, vp)).toBe("etc/motd");
		expect(v.namei("/abs/", false)).toBe(v.namei("/etc"));
	});

	it("lookups leave no reference behind", () => {
		const w = new Vfs({ root: tar(sample) });
		const counts = () => w.t.k.vfs.mounts.map((vp) => vp.v_usecount);
		const before = counts();
		for (const path of ["/abs/motd", "/loop", "/etc/motd/x", "/dev/../tmp", "/dev/null", "/x/y"]) {
			const vp = w.namei(path);
			if (typeof vp !== "number") w.rele(vp);
		}
		expect(counts()).toEqual(before);
		for (const { v_usecount } of w.t.k.vfs.mounts) expect(v_usecount).toBe(1);
	});
});

describe("the tree", () => {
	it("cannot be changed", () => {
		const v = new Vfs({ root: tar(sample) });
		const { k } = v.t;
		const root = v.vnode("/");
		expect(v.open("/new", 0o100 | O_RDWR)).toBe(EROFS);
		expect(v.open("/etc/motd", 0o300 | O_RDWR)).toBe(EEXIST);
		expect(v.open("/etc", O_WRONLY)).toBe(EISDIR);
		expect(v.run(VOP(k, root).vop_mkdir(k, root, "d", made("VDIR", 0o755)))).toBe(EROFS);
		expect(v.run(VOP(k, root).vop_remove(k, root, "link", false))).toBe(EROFS);
		expect(v.run(VOP(k, root).vop_rename(k, root, "link", root, "l"))).toBe(EROFS);
		expect(VOP(k, root).vop_setattr(k, root, { va_mode: 0o700 })).toBe(EROFS);
	});
});

describe("contents", () => {
	it("can be changed in place, up to the size of the file", () => {
		const v = new Vfs({ root: tar(sample) });
		const vp = v.vnode("/etc/motd", O_RDWR);
		expect(v.write(vp, 0, "FIRST")).toBe(5);
		expect(v.cat("/etc/motd")).toBe(TEXT.replace("first", "FIRST"));
		expect(v.write(vp, TEXT.length - 2, "abcdef")).toBe(2);
		expect(v.write(vp, TEXT.length, "x")).toBe(-EFBIG);
		expect(v.write(vp, -1, "appended")).toBe(-EFBIG);
		expect(v.write(vp, TEXT.length, "")).toBe(0);
		const { k } = v.t;
		expect(v.run(VOP(k, vp).vop_truncate(k, vp, TEXT.length))).toBe(0);
		expect(v.run(VOP(k, vp).vop_truncate(k, vp, 1))).toBe(EROFS);
		expect(v.run(VOP(k, vp).vop_truncate(k, vp, 100))).toBe(EFBIG);
		expect(v.read(vp, TEXT.length - 3, 100)).toBe("nab");
		v.t.check();
	});

	it("reach the disk with fsync, and errors are told", () => {
		const root = tar(sample);
		const v = new Vfs({ root });
		const { k } = v.t;
		const vp = v.vnode("/etc/large", O_RDWR);
		const at = Buffer.from(root).indexOf(Buffer.from(LARGE.subarray(0, 64)));
		expect(v.write(vp, 4999, "here")).toBe(4);
		const sector = new Uint8Array(1024);
		const first = Math.floor((at + 4999) / 512);
		v.t.disks[1]!.pristine.read(first, sector);
		expect(Buffer.from(sector).includes("here")).toBe(false);
		const fault = v.t.disks[1]!.failWrites(first, 1);
		expect(v.run(VOP(k, vp).vop_fsync(k, vp))).toBe(EIO);
		v.t.disks[1]!.lift(fault);
		expect(v.run(VOP(k, vp).vop_fsync(k, vp))).toBe(0);
		v.t.disks[1]!.pristine.read(first, sector);
		expect(Buffer.from(sector).includes("here")).toBe(true);
	});

	it("an error that sync meets is told to who calls fsync, once", () => {
		const v = new Vfs({ root: tar(sample) });
		const { k } = v.t;
		const vp = v.vnode("/etc/motd", O_RDWR);
		const fsync = () => v.run(VOP(k, vp).vop_fsync(k, vp));
		v.write(vp, 0, "FIRST");
		v.t.disks[1]!.failWrites(0, v.t.disks[1]!.sectors);
		expect(v.run(vfs_syncall(k))).toBe(EIO);
		v.t.disks[1]!.liftAll();
		expect(v.run(vfs_syncall(k))).toBe(EIO);
		expect([fsync(), fsync()]).toEqual([EIO, 0]);
		v.write(vp, 0, "again");
		v.t.disks[1]!.failWrites(0, v.t.disks[1]!.sectors);
		expect(v.run(vfs_syncall(k))).toBe(EIO);
		v.t.disks[1]!.liftAll();
		v.run(vfs_shutdown(k));
		expect(k.msgbuf).toEqual([]);
	});

	it("are all on the disk after a shutdown, and no page is left", () => {
		const v = new Vfs({ root: tar(sample) });
		const { free } = v.t.k.uvmexp;
		const vp = v.vnode("/etc/motd", O_RDWR);
		v.write(vp, 0, "FIRST");
		v.cat("/etc/large");
		expect(v.t.k.uvmexp.free).toBeLessThan(free);
		v.run(vfs_shutdown(v.t.k));
		expect(v.t.k.uvmexp.free).toBe(free);
		const image = new Uint8Array(v.t.disks[1]!.sectors * 512);
		v.t.disks[1]!.pristine.read(0, image);
		expect(new Vfs({ root: image }).cat("/etc/motd")).toBe(TEXT.replace("first", "FIRST"));
		v.t.check();
	});
});

describe.runIf(hostTar())("archives of the host's tar", () => {
	const long = `${"directory-with-a-long-name/".repeat(5)}${"f".repeat(150)}`;

	function tree(dir: string): void {
		mkdirSync(join(dir, "sub/dir"), { recursive: true });
		writeFileSync(join(dir, "sub/one"), "1".repeat(513));
		writeFileSync(join(dir, "sub/dir/large"), LARGE);
		writeFileSync(join(dir, "run"), "#!");
		chmodSync(join(dir, "run"), 0o755);
		symlinkSync("sub/one", join(dir, "soft"));
		symlinkSync("x".repeat(150), join(dir, "longlink"));
		linkSync(join(dir, "sub/one"), join(dir, "zhard"));
		mkdirSync(join(dir, long, ".."), { recursive: true });
		writeFileSync(join(dir, long), "found");
	}

	it.each(["gnu", "pax", "oldgnu"])("in format %s are read", (format) => {
		const v = new Vfs({ root: packed(tree, `--format=${format}`) });
		expect(v.error).toBe("");
		expect(v.cat("/sub/one")).toBe("1".repeat(513));
		expect(v.cat("/soft")).toBe("1".repeat(513));
		expect(v.cat("/zhard")).toBe("1".repeat(513));
		expect(v.cat("/sub/dir/large")).toBe(String.fromCharCode(...LARGE));
		expect(v.cat(`/${long}`)).toBe("found");
		const vp = v.namei("/longlink", false);
		if (typeof vp === "number") throw new Error("no link");
		expect(VOP(v.t.k, vp).vop_readlink(v.t.k, vp)).toBe("x".repeat(150));
	});

	it("are still archives for it after files were changed", () => {
		const v = new Vfs({
			root: packed(tree, "--format=ustar", "--exclude=longlink", "--exclude=directory*"),
		});
		expect(v.error).toBe("");
		v.write(v.vnode("/sub/one", O_RDWR), 100, "changed");
		v.run(vfs_shutdown(v.t.k));
		const image = new Uint8Array(v.t.disks[1]!.sectors * 512);
		v.t.disks[1]!.pristine.read(0, image);
		withDirectory((dir) => {
			writeFileSync(join(dir, "a.tar"), image);
			execFileSync("tar", ["-C", dir, "-xf", join(dir, "a.tar")]);
			const one = readFileSync(join(dir, "sub/one"), "latin1");
			expect(one).toBe(`${"1".repeat(100)}changed${"1".repeat(406)}`);
			expect(new Uint8Array(readFileSync(join(dir, "sub/dir/large")))).toEqual(LARGE);
		});
	});
});
