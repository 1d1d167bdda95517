/** A kernel with file systems, and a process that has no program: tests act in its place. */
import { vfs_mountroot } from "../../kernel/fs/vfs.ts";
import { VOP, type vnode, type vnode_what, vrele, type vtype } from "../../kernel/fs/vnode.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { fdinit } from "../../kernel/kern/proc/kern_descrip.ts";
import { type proc, proc_create } from "../../kernel/kern/proc/kern_proc.ts";
import { namei } from "../../kernel/kern/sys/vfs_lookup.ts";
import { vn_open } from "../../kernel/kern/sys/vfs_vnops.ts";
import { ld, TestKernel } from "./kernel.ts";

const MiB = 1 << 20;

/** Bytes of a string, a byte for each character. */
export const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export interface VfsOptions {
	readonly root?: Uint8Array;
	readonly bin?: Uint8Array;
	readonly ram?: number;
	readonly swap?: number;
	/** Called before anything is mounted. */
	readonly before?: (t: TestKernel) => void;
}

/** A new file of the superuser, as file systems make it. */
export const made = (type: vtype, mode: number): vnode_what => ({
	type,
	mode,
	uid: 0,
	gid: 0,
	rdev: null,
});

/** Disk 0 is for swap; disk 1 has the root, disk 2 what is mounted at /bin. */
export class Vfs {
	readonly t: TestKernel;
	readonly p: proc;
	/** Messages of failed mounts. */
	readonly error: string;

	constructor(options: VfsOptions = {}) {
		const size = (image?: Uint8Array): number =>
			Math.ceil(Math.max(image?.length ?? 0, 4096) / 4096) * 4096;
		this.t = new TestKernel({
			ram: options.ram ?? MiB,
			disks: [options.swap ?? 4 * MiB, size(options.root), size(options.bin)],
			swapDisks: 1,
		});
		const put = (unit: number, image?: Uint8Array): void => {
			if (image === undefined) return;
			const padded = new Uint8Array(size(image));
			padded.set(image);
			this.t.disks[unit]!.pristine.write(0, padded);
		};
		put(1, options.root);
		put(2, options.bin);
		options.before?.(this.t);
		const { k } = this.t;
		this.error = this.t.run(
			vfs_mountroot(k, options.root ? ld(1) : null, options.bin ? ld(2) : null),
		);
		this.p = proc_create(k, "test", null);
		this.p.p_fd = fdinit(k);
	}

	/** => a referenced vnode, or an errno. */
	namei(path: string, follow = true, start: vnode | null = null): vnode | number {
		return this.t.run(namei(this.t.k, start, path, follow));
	}

	open(path: string, flags = 0, mode = 0o644): vnode | number {
		return this.t.run(vn_open(this.t.k, this.p, null, path, flags, mode));
	}

	/** A vnode that must exist. */
	vnode(path: string, flags = 0): vnode {
		const vp = this.open(path, flags);
		if (typeof vp === "number") throw new Error(`${path}: errno ${vp}`);
		return vp;
	}

	/** => what was read, or -errno. */
	read(vp: vnode, offset: number, size: number): string | number {
		const into = new Uint8Array(size);
		const n = this.t.run(VOP(this.t.k, vp).vop_read(this.t.k, vp, into, offset));
		return n < 0 ? n : Buffer.from(into.subarray(0, n)).toString("latin1");
	}

	write(vp: vnode, offset: number, text: string | Uint8Array): number {
		const data = typeof text === "string" ? bytes(text) : text;
		return this.t.run(VOP(this.t.k, vp).vop_write(this.t.k, vp, data, offset));
	}

	/** All of a file. */
	cat(path: string): string | number {
		const vp = this.open(path);
		if (typeof vp === "number") return -vp;
		const text = this.read(vp, 0, VOP(this.t.k, vp).vop_getattr(this.t.k, vp).va_size);
		this.rele(vp);
		return text;
	}

	/** Names in a directory, without "." and "..". */
	ls(path: string): string[] {
		const vp = this.vnode(path);
		const entries = this.t.run(VOP(this.t.k, vp).vop_readdir(this.t.k, vp));
		this.rele(vp);
		return entries.slice(2).map((entry) => entry.d_name);
	}

	rele(...vps: vnode[]): void {
		for (const vp of vps) this.t.run(vrele(this.t.k, vp));
	}

	run<T>(body: Sleeps<T>): T {
		return this.t.run(body);
	}
}
