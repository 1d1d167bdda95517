/** The file system in memory, and the devices beside it. */
import { beforeEach, describe, expect, it } from "vitest";
import { CDEV_MEM, major } from "../../../kernel/dev/conf.ts";
import { vfs_shutdown } from "../../../kernel/fs/vfs.ts";
import { VOP, type vnode } from "../../../kernel/fs/vnode.ts";
import { pool_drain } from "../../../kernel/kern/core/subr_pool.ts";
import { O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY } from "../../../kernel/kern/proc/file.ts";
import { vn_rdwr } from "../../../kernel/kern/sys/vfs_vnops.ts";
import { uao_reference } from "../../../kernel/uvm/uvm_aobj.ts";
import {
	EBUSY,
	EEXIST,
	EFAULT,
	EFBIG,
	EINVAL,
	EISDIR,
	ENOENT,
	ENOSPC,
	ENOTDIR,
	ENOTEMPTY,
	ENXIO,
} from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { pageout } from "../../support/paging.ts";
import { tar } from "../../support/tar.ts";
import { made, Vfs } from "../../support/vfs.ts";

const CREATE = O_CREAT | O_RDWR;

let v: Vfs;
beforeEach(() => {
	v = new Vfs();
});

const ops = (vp: vnode) => VOP(v.t.k, vp);
const truncate = (vp: vnode, size: number): number => v.run(ops(vp).vop_truncate(v.t.k, vp, size));
const size = (vp: vnode): number => ops(vp).vop_getattr(v.t.k, vp).va_size;
const mkdir = (path: string): number => {
	const cut = path.lastIndexOf("/");
	const dir = v.vnode(path.slice(0, cut));
	const error = v.run(ops(dir).vop_mkdir(v.t.k, dir, path.slice(cut + 1), made("VDIR", 0o755)));
	v.rele(dir);
	return error;
};
const remove = (dir: string, name: string, isdir = false): number => {
	const vp = v.vnode(dir);
	const error = v.run(ops(vp).vop_remove(v.t.k, vp, name, isdir));
	v.rele(vp);
	return error;
};
const rename = (from: string, fname: string, to: string, tname: string): number => {
	const [a, b] = [v.vnode(from), v.vnode(to)];
	const error = v.run(ops(a).vop_rename(v.t.k, a, fname, b, tname));
	v.rele(a, b);
	return error;
};
const used = (): number => {
	const tmp = v.vnode("/tmp");
	const { f_blocks, f_bfree } = ops(tmp).vfs_statvfs(v.t.k, tmp);
	v.rele(tmp);
	return f_blocks - f_bfree;
};

describe("names", () => {
	it("are made and removed", () => {
		const vp = v.vnode("/tmp/a", CREATE);
		v.rele(vp);
		expect(v.open("/tmp/a", CREATE | O_EXCL)).toBe(EEXIST);
		expect(mkdir("/tmp/d")).toBe(0);
		expect(mkdir("/tmp/d")).toBe(EEXIST);
		expect(mkdir("/tmp/d/e")).toBe(0);
		expect(v.ls("/tmp")).toEqual(["a", "d"]);
		expect(remove("/tmp", "d", true)).toBe(ENOTEMPTY);
		expect(remove("/tmp", "d")).toBe(EISDIR);
		expect(remove("/tmp", "a", true)).toBe(ENOTDIR);
		expect(remove("/tmp", "x")).toBe(ENOENT);
		expect(remove("/tmp/d", "e", true)).toBe(0);
		expect(remove("/tmp", "d", true)).toBe(0);
		expect(remove("/tmp", "a")).toBe(0);
		expect(v.ls("/tmp")).toEqual([]);
	});

	it("count in directories", () => {
		const tmp = v.vnode("/tmp");
		const nlink = () => ops(tmp).vop_getattr(v.t.k, tmp).va_nlink;
		mkdir("/tmp/a");
		mkdir("/tmp/b");
		expect(nlink()).toBe(4);
		rename("/tmp", "a", "/tmp/b", "a");
		expect(nlink()).toBe(3);
		expect(v.namei("/tmp/b/a/..")).toBe(v.namei("/tmp/b"));
	});

	it("are given away by rename, over what may be replaced", () => {
		for (const name of ["f", "g"]) v.rele(v.vnode(`/tmp/${name}`, CREATE));
		for (const name of ["d", "e"]) mkdir(`/tmp/${name}`);
		mkdir("/tmp/d/sub");
		const f = v.vnode("/tmp/f");
		expect(rename("/tmp", "f", "/tmp", "g")).toBe(0);
		expect(v.namei("/tmp/g")).toBe(f);
		expect(rename("/tmp", "g", "/tmp", "g")).toBe(0);
		expect(rename("/tmp", "g", "/tmp", "d")).toBe(EISDIR);
		expect(rename("/tmp", "d", "/tmp", "g")).toBe(ENOTDIR);
		expect(rename("/tmp", "e", "/tmp", "d")).toBe(ENOTEMPTY);
		expect(rename("/tmp", "d", "/tmp/d/sub", "x")).toBe(EINVAL);
		expect(rename("/tmp", "d", "/tmp", "e")).toBe(0);
		expect(v.ls("/tmp")).toEqual(["g", "e"]);
		expect(v.ls("/tmp/e")).toEqual(["sub"]);
		expect(rename("/tmp", "gone", "/tmp", "x")).toBe(ENOENT);
	});

	it("a removed directory takes no names, and leads nowhere", () => {
		mkdir("/tmp/d");
		const d = v.vnode("/tmp/d");
		expect(remove("/tmp", "d", true)).toBe(0);
		expect(v.run(ops(d).vop_create(v.t.k, d, "x", made("VREG", 0o644)))).toBe(ENOENT);
		expect(v.namei("..", true, d)).toBe(d);
		v.rele(d);
	});

	it("keep their place in listings while others go", () => {
		for (const name of ["a", "b", "c"]) v.rele(v.vnode(`/tmp/${name}`, CREATE));
		const tmp = v.vnode("/tmp");
		const offs = () => v.run(ops(tmp).vop_readdir(v.t.k, tmp)).map((e) => [e.d_name, e.d_off]);
		const before = offs();
		remove("/tmp", "a");
		expect(offs()).toEqual(before.filter(([name]) => name !== "a"));
	});
});

describe("contents", () => {
	it("grow where they are written, with zeros between", () => {
		const vp = v.vnode("/tmp/a", CREATE);
		expect(v.write(vp, 0, "hello")).toBe(5);
		expect(v.write(vp, 10_000, "far")).toBe(3);
		expect(size(vp)).toBe(10_003);
		expect(v.read(vp, 0, 7)).toBe("hello\0\0");
		expect(v.read(vp, 9_998, 100)).toBe("\0\0far");
		expect(v.read(vp, 10_003, 1)).toBe("");
		expect(v.write(vp, -1, "end")).toBe(3);
		expect(v.read(vp, 10_000, 100)).toBe("farend");
		v.t.check();
	});

	it("are cut off by truncate, and do not come back", () => {
		const vp = v.vnode("/tmp/a", CREATE);
		v.write(vp, 0, "x".repeat(3 * PAGE_SIZE));
		expect(truncate(vp, 100)).toBe(0);
		expect(truncate(vp, 3 * PAGE_SIZE)).toBe(0);
		expect(v.read(vp, 99, 3 * PAGE_SIZE)).toBe(`x${"\0".repeat(3 * PAGE_SIZE - 100)}`);
		v.vnode("/tmp/a", O_WRONLY | O_TRUNC);
		expect(size(vp)).toBe(0);
		expect(used()).toBe(0);
		expect(truncate(v.vnode("/tmp"), 0)).toBe(EISDIR);
		v.t.check();
	});

	it("go to swap and come back, whatever their size becomes", () => {
		const pages = 150;
		const vp = v.vnode("/tmp/a", CREATE);
		const line = (i: number): string => `page ${i} `.padEnd(16, ".");
		for (const upto of [10, 60, 70, pages]) {
			for (let i = 0; i < upto; i++) expect(v.write(vp, i * PAGE_SIZE, line(i))).toBe(16);
			pageout(v.t);
		}
		expect(vp.v_uobj!.uo_npages).toBe(0);
		for (let i = 0; i < pages; i++) expect(v.read(vp, i * PAGE_SIZE, 16)).toBe(line(i));
		pageout(v.t);
		const before = v.t.k.uvmexp.swpginuse;
		expect(truncate(vp, 20 * PAGE_SIZE)).toBe(0);
		expect(v.t.k.uvmexp.swpginuse).toBe(before - 130);
		expect(v.read(vp, 19 * PAGE_SIZE, 16)).toBe(line(19));
		expect(v.t.k.uvmexp.swpgonly).toBeLessThan(21);
	});

	it("go with the last name and the last user", () => {
		pool_drain(v.t.k);
		const { free } = v.t.k.uvmexp;
		const vp = v.vnode("/tmp/a", CREATE);
		v.write(vp, 0, "x".repeat(5 * PAGE_SIZE));
		expect(used()).toBe(5);
		expect(remove("/tmp", "a")).toBe(0);
		expect(v.read(vp, 0, 1)).toBe("x");
		pool_drain(v.t.k);
		const kept = free - v.t.k.uvmexp.free;
		// The five pages, and those of pools that hold the file itself.
		expect(kept).toBeGreaterThanOrEqual(5);
		expect(kept).toBeLessThan(12);
		v.rele(vp);
		pool_drain(v.t.k);
		expect(v.t.k.uvmexp.free).toBe(free);
		expect(used()).toBe(0);
		v.t.check();
	});

	it("stay for who has them mapped, up to the end of the file", () => {
		const vp = v.vnode("/tmp/a", CREATE);
		v.write(vp, 0, "x".repeat(2 * PAGE_SIZE));
		const space = new AddressSpace(v.t);
		uao_reference(v.t.k, vp.v_uobj!);
		expect(space.object(BASE, 4, vp.v_uobj!)).toBe(0);
		v.run(space.store(BASE + 7, 0x41));
		expect(v.read(vp, 6, 3)).toBe("xAx");
		expect(v.run(space.load(BASE + 2 * PAGE_SIZE))).toBe(-EFAULT);
		expect(truncate(vp, 3 * PAGE_SIZE)).toBe(0);
		expect(v.run(space.load(BASE + 2 * PAGE_SIZE))).toBe(0);
		expect(truncate(vp, PAGE_SIZE)).toBe(0);
		expect(v.run(space.load(BASE + PAGE_SIZE))).toBe(-EFAULT);
		remove("/tmp", "a");
		v.rele(vp);
		expect(v.run(space.load(BASE + 7))).toBe(0x41);
		v.run(space.free());
		v.t.check();
	});

	it("have a limit: memory and swap are for programs, too", () => {
		const tmp = v.vnode("/tmp");
		const { f_blocks } = ops(tmp).vfs_statvfs(v.t.k, tmp);
		const vp = v.vnode("/tmp/a", CREATE);
		expect(truncate(vp, (f_blocks - 1) * PAGE_SIZE)).toBe(0);
		const end = (f_blocks - 1) * PAGE_SIZE;
		expect(v.write(vp, end, "y".repeat(2 * PAGE_SIZE))).toBe(PAGE_SIZE);
		expect(v.write(vp, end + PAGE_SIZE, "y")).toBe(-ENOSPC);
		expect(truncate(vp, f_blocks * PAGE_SIZE + 1)).toBe(ENOSPC);
		expect(truncate(vp, 2 ** 40)).toBe(EFBIG);
		const other = v.vnode("/tmp/b", CREATE);
		expect(v.write(other, 0, "z")).toBe(-ENOSPC);
		expect(size(other)).toBe(0);
		expect(truncate(vp, 0)).toBe(0);
		expect(v.write(other, 0, "z")).toBe(1);
		v.t.check();
	});

	it("are no more than there are pages, even empty ones: the host has limits, too", () => {
		const tmp = v.vnode("/tmp");
		const { f_files, f_ffree } = ops(tmp).vfs_statvfs(v.t.k, tmp);
		v.rele(tmp);
		for (let i = 0; i < f_ffree; i++) expect(mkdir(`/tmp/d${i}`)).toBe(0);
		expect(f_ffree).toBeLessThan(f_files);
		expect(mkdir("/tmp/last")).toBe(ENOSPC);
		expect(remove("/tmp", "d1", true)).toBe(0);
		expect(mkdir("/tmp/last")).toBe(0);
	});

	it("may be larger than memory", () => {
		const pages = 500;
		const vp = v.vnode("/tmp/a", CREATE);
		for (let i = 0; i < pages; i++)
			expect(v.write(vp, i * PAGE_SIZE, `page ${i}`)).toBeGreaterThan(5);
		for (let i = 0; i < pages; i++)
			expect(v.read(vp, i * PAGE_SIZE, 6)).toBe(`page ${i}`.slice(0, 6));
	});

	it("two writers at once lose nothing", () => {
		const vp = v.vnode("/tmp/a", CREATE);
		const append = (text: string) =>
			v.t.spawn(
				ops(vp).vop_write(
					v.t.k,
					vp,
					Uint8Array.from(text, (c) => c.charCodeAt(0)),
					-1,
				),
			);
		// Memory is short, so that each has to wait in the middle.
		const threads = [append("a".repeat(900_000)), append("b".repeat(900_000))];
		v.t.settle();
		expect(threads.map((thread) => thread.result)).toEqual([900_000, 900_000]);
		expect(size(vp)).toBe(1_800_000);
		expect(v.read(vp, 899_999, 2)).toBe("ab");
	});

	it("are gone after a shutdown", () => {
		pool_drain(v.t.k);
		const { free, swpginuse } = v.t.k.uvmexp;
		mkdir("/tmp/d");
		for (const path of ["/tmp/a", "/tmp/d/b"]) {
			const vp = v.vnode(path, CREATE);
			v.write(vp, 0, "x".repeat(9 * PAGE_SIZE));
			v.rele(vp);
		}
		pageout(v.t);
		v.run(vfs_shutdown(v.t.k));
		pool_drain(v.t.k);
		expect(v.t.k.uvmexp).toMatchObject({ free, swpginuse, swpgonly: 0 });
		expect(v.t.k.uvm.uao_list).toHaveLength(1);
		v.t.check();
	});
});

describe("devices", () => {
	it("have names, and those without a driver cannot be opened", () => {
		expect(v.ls("/dev")).toEqual([
			"console",
			"tty",
			"null",
			"zero",
			"full",
			"fb0",
			"random",
			"urandom",
			"stdin",
			"stdout",
			"stderr",
			"mem",
			"kmem",
			"fd",
			"shm",
			"ld0",
			"ld1",
			"ld2",
		]);
		expect(v.open("/dev/fb0")).toBe(ENXIO);
		expect(major(v.vnode("/dev/null").v_rdev!)).toBe(CDEV_MEM);
	});

	it("a disk that is swapped on cannot be opened, nor one with files be written", () => {
		expect(v.open("/dev/ld0")).toBe(EBUSY);
		const w = new Vfs({ root: tar([{ path: "a", data: "x" }]) });
		expect(w.open("/dev/ld1", O_RDWR)).toBe(EBUSY);
		expect(typeof w.open("/dev/ld1")).toBe("object");
	});

	it("a disk is read and written by sectors, up to its end", () => {
		const vp = v.vnode("/dev/ld2", O_RDWR);
		const data = Uint8Array.from({ length: 4096 }, (_, i) => i % 251);
		const rdwr = (bytes: Uint8Array, offset: number, write: boolean): number =>
			v.run(vn_rdwr(v.t.k, vp, bytes, offset, write));
		expect(rdwr(data.subarray(0, 1024), 512, true)).toBe(1024);
		const into = new Uint8Array(1024);
		expect(rdwr(into, 512, false)).toBe(1024);
		expect(into).toEqual(data.subarray(0, 1024));
		expect(rdwr(into, 3584, false)).toBe(512);
		expect(rdwr(into, 4096, false)).toBe(0);
		expect(rdwr(into, 1, false)).toBe(-EINVAL);
		expect(rdwr(into.subarray(0, 100), 0, false)).toBe(-EINVAL);
		v.t.check();
	});
});
