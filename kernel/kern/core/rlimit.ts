/** Resource limits (sys/resource.h), which UVM enforces too. */

/** A resource limit; Infinity is RLIM_INFINITY. */
export interface rlimit {
	readonly rlim_cur: number;
	readonly rlim_max: number;
}

/** RLIMIT_ numbers, Linux's. */
export const RLIMIT_CPU = 0;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_SIGPENDING = 11;
