/** Open files (sys/file.h, sys/filedesc.h). */
import type { vattr, vnode } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { pipe } from "../sys/pipe.ts";
import type { proc } from "./kern_proc.ts";

/** Flags of open (Linux's values), kept in f_flag. */
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** Events of poll. */
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;

/** Kinds of open file, which index k.fileops. */
export const DTYPE_VNODE = 0;
export const DTYPE_PIPE = 1;

/** An open file: what a descriptor refers to; shared by dup and fork. */
export interface file {
	readonly f_type: number;
	/** O_ACCMODE bits, O_APPEND, O_NONBLOCK, O_PATH. */
	f_flag: number;
	/** Descriptors (and calls in progress) that refer to it. */
	f_count: number;
	/** Where the next read or write begins; pipes and most devices ignore it. */
	f_offset: number;
	readonly f_vnode: vnode | null;
	/** Of a FIFO: how many writers it had had when it was opened (pipe_wcount). */
	f_wcount: number;
	readonly f_pipe: pipe | null;
}

/**
 * Operations of an open file. Transfers use a kernel buffer, which the caller copies from or to
 * user memory.
 */
export interface fileops {
	/** Fill `bytes` as far as possible. => how many (0: end of file), or -errno. Sleeps. */
	fo_read(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number>;
	/**
	 * The same straight to user memory at `va`; nothing is taken from the file that cannot be stored
	 * there. Absent: there is none, and what cannot be stored is lost. Sleeps.
	 */
	fo_readuser?(k: Kernel, p: proc, fp: file, va: number, size: number): Sleeps<number>;
	/**
	 * read and write of a thread that is in no generator, without one. `again`: the call has slept
	 * and is started again (ESLEEPS). Absent: as if it were null.
	 * => how many bytes, or -errno; ESLEEPS: put to sleep; a function that does the rest and sleeps;
	 *    null: nothing was done, use the other operations.
	 */
	fo_rdwr_nosleep?(
		k: Kernel,
		p: proc,
		fp: file,
		va: number,
		size: number,
		write: boolean,
		again: boolean,
	): number | Sleeps<number> | null;
	/** => how many bytes were written, or -errno. Sleeps. */
	fo_write(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number>;
	/**
	 * Move bytes straight from or to user memory at `va`, where that saves a copy (`isdirect`).
	 * `offset` null: where the file is, which moves on. Absent: it never does.
	 * => how many bytes were moved; 0: use fo_read or fo_write; or -errno. Sleeps.
	 */
	fo_direct?(
		k: Kernel,
		p: proc,
		fp: file,
		va: number,
		size: number,
		offset: number | null,
		write: boolean,
	): Sleeps<number>;
	/** `arg` is what the program passed, perhaps a user address. => result or -errno. Sleeps. */
	fo_ioctl(k: Kernel, p: proc, fp: file, cmd: number, arg: number): Sleeps<number>;
	/** => which of `events` are true now, and POLLERR and POLLHUP. Never sleeps. */
	fo_poll(k: Kernel, fp: file, events: number): number;
	/** Attributes, of what has no name, too. */
	fo_stat(k: Kernel, fp: file): vattr;
	/** Called when the last reference is dropped. Sleeps. */
	fo_close(k: Kernel, fp: file): Sleeps<void>;
}

/** Descriptors of a process (struct filedesc), and its working directory. */
export interface filedesc {
	readonly fd_ofiles: (file | null)[];
	/** FD_CLOEXEC by descriptor. */
	readonly fd_cloexec: boolean[];
	/** Descriptors that there is memory for: NDFILE, or more (fdexpand). */
	fd_nfiles: number;
	/** null: the root. A reference is held. */
	fd_cdir: vnode | null;
}

/** Descriptors of a table without memory of its own, and the least number of one with it. */
export const NDFILE = 20;
export const NDEXTENT = 50;
/** Bytes of a descriptor in a table: a pointer and a flag. */
export const OFILESIZE = 5;
/** Most descriptors that a process may have. */
export const NOFILE = 256;
