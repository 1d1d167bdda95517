/**
 * Resource limits and usage of processes (sys/resource.h).
 */
import { DFLSSIZ } from "../../../sys/vmparam.ts";
import {
	RLIMIT_CORE,
	RLIMIT_NOFILE,
	RLIMIT_NPROC,
	RLIMIT_SIGPENDING,
	RLIMIT_STACK,
	type rlimit,
} from "../core/rlimit.ts";
import { NOFILE } from "./file.ts";

/** What getrusage reports, of a process or of its children that were waited for. */
export interface rusage {
	ru_utime: number;
	ru_stime: number;
	ru_minflt: number;
	ru_majflt: number;
	ru_nvcsw: number;
	ru_nivcsw: number;
	ru_maxrss: number;
}

/** Processes that can exist at a time. */
const MAXPROC = 1024;
/** Signals that can be pending at a time, before sigqueue fails. */
const MAXSIGPENDING = 1024;

const RLIM_NLIMITS = 16;

export const rusage_zero = (): rusage => ({
	ru_utime: 0,
	ru_stime: 0,
	ru_minflt: 0,
	ru_majflt: 0,
	ru_nvcsw: 0,
	ru_nivcsw: 0,
	ru_maxrss: 0,
});

export function rusage_clear(ru: rusage): void {
	ru.ru_utime = 0;
	ru.ru_stime = 0;
	ru.ru_minflt = 0;
	ru.ru_majflt = 0;
	ru.ru_nvcsw = 0;
	ru.ru_nivcsw = 0;
	ru.ru_maxrss = 0;
}

/** Limits of the first process: the system's own. */
export function limit0(): rlimit[] {
	const limit = (n: number): rlimit => ({ rlim_cur: n, rlim_max: n });
	const limits = new Array<rlimit>(RLIM_NLIMITS).fill(limit(Number.POSITIVE_INFINITY));
	limits[RLIMIT_STACK] = { rlim_cur: DFLSSIZ, rlim_max: Number.POSITIVE_INFINITY };
	limits[RLIMIT_CORE] = { rlim_cur: 0, rlim_max: Number.POSITIVE_INFINITY };
	limits[RLIMIT_SIGPENDING] = limit(MAXSIGPENDING);
	limits[RLIMIT_NPROC] = limit(MAXPROC);
	limits[RLIMIT_NOFILE] = limit(NOFILE);
	return limits;
}
