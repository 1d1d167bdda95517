/**
 * Port of sys/uvm/uvm_meter.c (2001-12), the part for page-type balancing: tunables that sysctl(8)
 * sets, and which kind of pages the page daemon spares.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1982, 1986, 1989, 1993, The Regents of the University of California.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EINVAL, ENOENT, type Errno } from "../../sys/errno.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_swapisfull } from "./uvm_swap.ts";

const MINIMA = ["anonminpct", "fileminpct", "execminpct"] as const;
const MAXIMA = ["anonmaxpct", "filemaxpct", "execmaxpct"] as const;
type tunable = (typeof MINIMA)[number] | (typeof MAXIMA)[number];

/** The tunables by their names in sysctl(8): vm.anonmin, vm.filemax and so on. */
export const VM_TUNABLES: ReadonlyMap<string, tunable> = new Map(
	[...MINIMA, ...MAXIMA].map((field) => [`vm.${field.slice(0, -3)}`, field]),
);

/** The minima together leave this much to whoever needs it, in percent. */
const MINIMA_SUM = 95;

/**
 * Set a tunable, in percent of the memory that can be paged (sysctl_vm).
 * => ENOENT: no such name. EINVAL: not 0 to 100, or minima that together are more than 95.
 */
export function sysctl_vm(k: Kernel, name: string, percent: number): Errno {
	const field = VM_TUNABLES.get(name);
	if (field === undefined) return ENOENT;
	if (!Number.isInteger(percent) || percent < 0 || percent > 100) return EINVAL;
	const e = k.uvmexp;
	const changed = { ...e, [field]: percent };
	const sum = MINIMA.reduce((total, minimum) => total + changed[minimum], 0);
	if (sum > MINIMA_SUM) return EINVAL;
	e[field] = percent;
	return 0;
}

/** Kinds of pages: of anonymous memory, of files, of programs and libraries. */
export const REACT_ANON = 1;
export const REACT_FILE = 2;
export const REACT_EXEC = 4;

/**
 * The kinds of pages that the page daemon reactivates although nobody used them: those that have
 * less than their minimum, and, while another kind has more than its maximum, those that have not.
 */
export function uvmpd_balance(k: Kernel): number {
	const e = k.uvmexp;
	const pageable = e.active + e.inactive + e.free;
	const share = (percent: number): number => (pageable * Math.floor((percent * 256) / 100)) >> 8;
	const anonover = e.anonpages > share(e.anonmaxpct);
	const fileover = e.filepages > share(e.filemaxpct);
	const execover = e.execpages > share(e.execmaxpct);
	const anonunder = e.anonpages <= share(e.anonminpct);
	const fileunder = e.filepages <= share(e.fileminpct);
	const execunder = e.execpages <= share(e.execminpct);
	const anonreact = anonunder || (!anonover && (execover || fileover));
	const filereact = fileunder || (!fileover && (anonover || execover));
	const execreact = execunder || (!execover && (anonover || fileover));
	if (filereact && execreact && (anonreact || uvm_swapisfull(k))) return 0;
	return (anonreact ? REACT_ANON : 0) | (filereact ? REACT_FILE : 0) | (execreact ? REACT_EXEC : 0);
}
