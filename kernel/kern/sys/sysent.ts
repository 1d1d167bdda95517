/** The shape of a system call (struct sysent). Each group of calls exports a table of them. */
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { proc } from "../proc/kern_proc.ts";

/**
 * `a` holds a0 to a5, unsigned; it is the thread's own, and stays until its next call.
 * => a result, negative for an errno, or a function that sleeps and returns one.
 */
export type syscall_fn = (k: Kernel, p: proc, a: Uint32Array) => number | Sleeps<number>;

/** Calls by Linux's number for riscv32. */
export type sysent = Readonly<Record<number, syscall_fn>>;
