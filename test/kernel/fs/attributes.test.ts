/** Attributes of files, and what they allow to whom. */
import { describe, expect, it } from "vitest";
import type { vattr } from "../../../kernel/fs/vnode.ts";
import { VOP, type vtype } from "../../../kernel/fs/vnode.ts";
import { nanotime } from "../../../kernel/kern/core/kern_tc.ts";
import { O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { VEXEC, VREAD, VWRITE, vaccess } from "../../../kernel/kern/proc/kern_auth.ts";
import { EACCES, EROFS } from "../../../sys/errno.ts";
import { tar } from "../../support/tar.ts";
import { Vfs } from "../../support/vfs.ts";

/** The default date of the board's real-time clock, 2024-01-01. */
const EPOCH = 1_704_067_200;

describe("the wall clock", () => {
	it("goes on from what the real-time clock told at boot", () => {
		const v = new Vfs();
		const { k } = v.t;
		const { cycles } = k.port;
		expect(nanotime(k)).toEqual({ tv_sec: EPOCH, tv_nsec: cycles });
		k.port.charge(3_000_000_001);
		expect(nanotime(k)).toEqual({ tv_sec: EPOCH + 3, tv_nsec: cycles + 1 });
	});
});

describe("files of an archive", () => {
	const root = tar([{ path: "a", data: "contents" }]);
	const times = (v: Vfs, path: string) => {
		const vp = v.vnode(path);
		const { va_atime, va_mtime, va_ctime } = VOP(v.t.k, vp).vop_getattr(v.t.k, vp);
		v.rele(vp);
		return { atime: va_atime.tv_sec, mtime: va_mtime.tv_sec, ctime: va_ctime.tv_sec };
	};

	it("keep times in memory; mode and owner are the archive's", () => {
		const v = new Vfs({ root });
		const { k } = v.t;
		const vp = v.vnode("/a", O_RDWR);
		const first = times(v, "/a");
		expect(first.mtime).toBeLessThan(EPOCH);
		v.read(vp, 0, 8);
		expect(times(v, "/a")).toEqual({ ...first, atime: EPOCH });
		v.write(vp, 0, "C");
		expect(times(v, "/a")).toEqual({ atime: EPOCH, mtime: EPOCH, ctime: EPOCH });
		const ops = VOP(k, vp);
		const then = { tv_sec: 5, tv_nsec: 6 };
		expect(ops.vop_setattr(k, vp, { va_atime: then, va_mtime: then })).toBe(0);
		expect(times(v, "/a")).toEqual({ atime: 5, mtime: 5, ctime: EPOCH });
		expect(ops.vop_setattr(k, vp, { va_mode: 0o600 })).toBe(EROFS);
		expect(ops.vop_setattr(k, vp, { va_uid: 1 })).toBe(EROFS);
	});

	it("that were written since are read again, as far as the time tells", () => {
		const v = new Vfs({ root });
		const { k } = v.t;
		const vp = v.vnode("/a", O_RDWR);
		v.read(vp, 0, 1);
		k.port.charge(60e9);
		v.write(vp, 0, "C");
		k.port.charge(60e9);
		v.read(vp, 0, 1);
		k.port.charge(60e9);
		v.read(vp, 0, 1);
		expect(times(v, "/a")).toEqual({ atime: EPOCH + 120, mtime: EPOCH + 60, ctime: EPOCH + 60 });
	});

	it("of a later day are read once a day, as far as the time tells", () => {
		const v = new Vfs({ root });
		const { k } = v.t;
		const vp = v.vnode("/a");
		v.read(vp, 0, 1);
		k.port.charge(3_600e9);
		v.read(vp, 0, 1);
		expect(times(v, "/a").atime).toBe(EPOCH);
		k.port.charge(23 * 3_600e9);
		v.read(vp, 0, 1);
		expect(times(v, "/a").atime).toBe(EPOCH + 86_400);
	});
});

describe("access", () => {
	const file = (va_type: vtype, va_mode: number): vattr => ({
		va_type,
		va_mode,
		va_uid: 10,
		va_gid: 20,
		va_nlink: 1,
		va_fsid: 1,
		va_fileid: 2,
		va_size: 0,
		va_atime: { tv_sec: 0, tv_nsec: 0 },
		va_mtime: { tv_sec: 0, tv_nsec: 0 },
		va_ctime: { tv_sec: 0, tv_nsec: 0 },
		va_rdev: null,
	});
	const member = (gid: number): boolean => gid === 20;
	const nobody = (): boolean => false;

	it.each([
		["the owner, not by the group's bits", 0o077, 10, member, VREAD, EACCES],
		["the owner", 0o700, 10, nobody, VREAD | VWRITE | VEXEC, 0],
		["a member, not by the others' bits", 0o707, 11, member, VREAD, EACCES],
		["a member", 0o070, 11, member, VREAD | VWRITE, 0],
		["another", 0o770, 11, nobody, VREAD, EACCES],
		["another, to a part of what is asked", 0o774, 11, nobody, VREAD | VWRITE, EACCES],
		["the superuser", 0, 0, nobody, VREAD | VWRITE, 0],
		["the superuser, to run what nobody may run", 0o666, 0, nobody, VEXEC, EACCES],
		["the superuser, to run", 0o001, 0, nobody, VEXEC, 0],
	])("of %s", (_, mode, uid, groups, asked, error) => {
		expect(vaccess(file("VREG", mode), asked, uid, groups)).toBe(error);
	});

	it("the superuser searches every directory", () => {
		expect(vaccess(file("VDIR", 0), VEXEC, 0, nobody)).toBe(0);
	});
});
