/** Open files and descriptors, and what exec and mmap want of vnodes. */
import { beforeEach, describe, expect, it } from "vitest";
import { devfs_console } from "../../../kernel/fs/devfs.ts";
import type { vnode } from "../../../kernel/fs/vnode.ts";
import { type file, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from "../../../kernel/kern/proc/file.ts";
import {
	closef,
	FOP,
	fd_alloc,
	fd_getfile,
	fd_hold,
	fdcloseexec,
	fdcopy,
	fdfree,
	file_new,
} from "../../../kernel/kern/proc/kern_descrip.ts";
import { vn_mmap, vn_open_exec, vn_read } from "../../../kernel/kern/sys/vfs_vnops.ts";
import { pagerops } from "../../../kernel/uvm/uvm_object.ts";
import { EACCES, EBADF, EINVAL, EMFILE, ENODEV, ENOENT } from "../../../sys/errno.ts";
import {
	PAGE_SIZE,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import { tar } from "../../support/tar.ts";
import { Vfs } from "../../support/vfs.ts";

let v: Vfs;
beforeEach(() => {
	v = new Vfs({
		root: tar([
			{ path: "a", data: "contents" },
			{ path: "d", type: "5" },
		]),
	});
});

/** Open a file as a program would. */
function open(path: string, flags: number, cloexec = false): number {
	return fd_alloc(v.t.k, v.p, file_new(v.t.k, flags, v.vnode(path, flags)), 0, cloexec);
}

const opened = (fd: number): file => fd_getfile(v.p, fd)!;

describe("a table of descriptors", () => {
	it("begins with the console, to read and to write", () => {
		expect([0, 1, 2, 3].map((fd) => fd_getfile(v.p, fd)?.f_flag)).toEqual([
			O_RDONLY,
			O_WRONLY,
			O_WRONLY,
			undefined,
		]);
		const console = opened(0).f_vnode!;
		expect(console).toBe(devfs_console(v.t.k));
	});

	it("gives the lowest free number, up to the limit", () => {
		expect([open("/a", 0), open("/a", 0)]).toEqual([3, 4]);
		const fp = opened(3);
		v.p.p_fd!.fd_ofiles[3] = null;
		v.run(closef(v.t.k, fp));
		expect(fd_alloc(v.t.k, v.p, file_new(v.t.k, 0, null), 0, false)).toBe(3);
		expect(fd_alloc(v.t.k, v.p, file_new(v.t.k, 0, null), 40, false)).toBe(40);
		expect(fd_alloc(v.t.k, v.p, file_new(v.t.k, 0, null), 256, false)).toBe(-EMFILE);
		v.p.p_rlimit[7] = { rlim_cur: 5, rlim_max: 5 };
		expect(fd_alloc(v.t.k, v.p, file_new(v.t.k, 0, null), 0, false)).toBe(-EMFILE);
	});

	it("is copied by fork: its own numbers, the same open files", () => {
		const fd = open("/tmp/f", O_CREAT | O_RDWR);
		const fp = opened(fd);
		const vp = fp.f_vnode!;
		const copy = fdcopy(v.t.k, v.p.p_fd!)!;
		expect(copy.fd_ofiles[fd]).toBe(fp);
		expect(fp.f_count).toBe(2);
		v.run(fdfree(v.t.k, v.p.p_fd!));
		expect(fp.f_count).toBe(1);
		expect(vp.v_usecount).toBe(2);
		v.run(fdfree(v.t.k, copy));
		expect(vp.v_usecount).toBe(1);
		expect(v.cat("/tmp/f")).toBe("");
	});

	it("holds a reference to the working directory", () => {
		const d = v.vnode("/d");
		const fdp = v.p.p_fd!;
		fdp.fd_cdir = d;
		const before = d.v_usecount;
		const copy = fdcopy(v.t.k, fdp)!;
		expect(d.v_usecount).toBe(before + 1);
		v.run(fdfree(v.t.k, copy));
		expect(d.v_usecount).toBe(before);
		v.run(fdfree(v.t.k, fdp));
		expect(d.v_usecount).toBe(before - 1);
	});

	it("loses what is marked when a program is executed", () => {
		const [kept, gone] = [open("/a", 0), open("/a", 0, true)];
		const vp = opened(gone).f_vnode!;
		const before = vp.v_usecount;
		v.run(fdcloseexec(v.t.k, v.p.p_fd!));
		expect([fd_getfile(v.p, kept) !== null, fd_getfile(v.p, gone)]).toEqual([true, null]);
		expect(vp.v_usecount).toBe(before - 1);
	});
});

describe("an open file", () => {
	it("lives while a call uses it, though its descriptor is closed meanwhile", () => {
		const { k } = v.t;
		const fd = open("/a", 0);
		const fp = fd_hold(v.p, fd)!;
		const vp = fp.f_vnode!;
		const before = vp.v_usecount;
		const bytes = new Uint8Array(8);
		const reading = v.t.spawn(
			(function* () {
				const n = yield* FOP(k, fp).fo_read(k, v.p, fp, bytes);
				const during = vp.v_usecount;
				yield* closef(k, fp);
				return [n, during];
			})(),
		);
		// The descriptor goes while the read waits for the disk.
		v.p.p_fd!.fd_ofiles[fd] = null;
		const closing = v.t.spawn(closef(k, fp));
		v.t.settle();
		expect(closing.done).toBe(true);
		expect(reading.result).toEqual([8, before]);
		expect(vp.v_usecount).toBe(before - 1);
		expect(String.fromCharCode(...bytes)).toBe("contents");
	});
});

describe("vn_mmap", () => {
	const mmap = (fd: number, prot: number, shared: boolean) =>
		v.run(vn_mmap(v.t.k, v.p, fd, prot, shared));
	const READ_WRITE = VM_PROT_READ | VM_PROT_WRITE;

	it("gives the file's object, referenced, and what may become of its mapping", () => {
		const fd = open("/a", O_RDWR);
		const uobj = opened(fd).f_vnode!.v_uobj!;
		expect(mmap(fd, READ_WRITE, true)).toEqual({ uobj, maxprot: VM_PROT_ALL });
		expect(uobj.uo_refs).toBe(2);
		v.run(pagerops(v.t.k, uobj).pgo_detach(v.t.k, uobj));
		v.t.check();
	});

	it.each([
		["shared to write, opened to read", "/a", O_RDONLY, READ_WRITE, true, EACCES],
		["to read, opened to write", "/tmp/w", O_WRONLY | O_CREAT, VM_PROT_READ, true, EACCES],
		["a directory", "/d", O_RDONLY, VM_PROT_READ, true, ENODEV],
		["a device without memory", "/dev/null", O_RDWR, VM_PROT_READ, true, ENODEV],
		["a disk", "/dev/ld2", O_RDWR, VM_PROT_READ, true, ENODEV],
	])("%s is refused", (_, path, flags, prot, shared, errno) => {
		expect(mmap(open(path, flags), prot, shared)).toBe(errno);
	});

	it("private mappings of what was opened to read may be written", () => {
		const found = mmap(open("/a", O_RDONLY), READ_WRITE, false);
		expect(found).toMatchObject({ maxprot: VM_PROT_ALL });
		const shared = mmap(open("/a", O_RDONLY), VM_PROT_READ, true);
		expect(shared).toMatchObject({ maxprot: VM_PROT_READ | VM_PROT_EXECUTE });
	});

	it("of a device is shared, with the device's object", () => {
		const none = function* () {
			return 0;
		};
		v.t.k.cdevsw[2] = { d_name: "fb", d_read: none, d_write: none, d_mmap: (_k, _m, off) => off };
		const fd = open("/dev/fb0", O_RDWR);
		expect(mmap(fd, READ_WRITE, false)).toBe(EINVAL);
		const found = mmap(fd, READ_WRITE, true);
		if (typeof found === "number") throw new Error(`errno ${found}`);
		expect(found.uobj).toBe(v.t.k.uvm.udv_list[0]);
		v.run(pagerops(v.t.k, found.uobj!).pgo_detach(v.t.k, found.uobj!));
		expect(v.t.k.uvm.udv_list).toEqual([]);
	});

	it("of nothing", () => {
		expect(mmap(77, VM_PROT_READ, true)).toBe(EBADF);
	});
});

describe("a program file", () => {
	const exec = (path: string): vnode | number => v.run(vn_open_exec(v.t.k, v.p, path));

	it("is any regular file, found from the working directory", () => {
		const vp = exec("a");
		if (typeof vp === "number") throw new Error(`errno ${vp}`);
		const bytes = new Uint8Array(PAGE_SIZE);
		expect(v.run(vn_read(v.t.k, vp, bytes, 3))).toBe(5);
		expect(String.fromCharCode(...bytes.subarray(0, 5))).toBe("tents");
		expect(v.run(vn_read(v.t.k, vp, bytes, 8))).toBe(0);
	});

	it.each([
		["/d", EACCES],
		["/dev/null", EACCES],
		["/nothing", ENOENT],
	])("%s is errno %i", (path, errno) => {
		expect(exec(path)).toBe(errno);
	});
});
