/**
 * Port of sys/uvm/uvm_unix.c (2000): uvm_grow.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1988 University of Utah.
 * All rights reserved. See NOTICE for the conditions.
 *
 * DEVIATION (D36): NetBSD maps the whole stack that the limit allows, and uvm_grow only counts what
 * is in use. Here the map has what is in use, as in Linux, so that wiring a whole map, core dumps
 * and RLIMIT_AS do not see the rest.
 */

import { ptoa, round_page, USRSTACK, type vaddr_t } from "../../sys/vmparam.ts";
import { RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_STACK } from "../kern/core/rlimit.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_AMAP_CHUNK } from "./uvm_amap_chunks.ts";
import {
	UVM_ET_GROWSDOWN,
	UVM_ET_ONFAULT,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_GROWSDOWN,
	UVM_FLAG_NOMERGE,
} from "./uvm_extern.ts";
import { uvm_map_args, uvm_map_enter } from "./uvm_map.ts";
import {
	uvm_map_lookup_entry,
	uvm_map_wired_size,
	type vm_map,
	type vm_map_entry,
} from "./uvm_map_entry.ts";

/** The lowest page of the stack. => `va` is in no entry; null: what is above it is no stack. */
function stack_above(map: vm_map, va: vaddr_t): vm_map_entry | null {
	const above = uvm_map_lookup_entry(map, va).next;
	return above !== map.header && (above.etype & UVM_ET_GROWSDOWN) !== 0 ? above : null;
}

/**
 * Where the stack begins when it has grown to `va`: a chunk at a time, as sparse mappings get their
 * amaps, within RLIMIT_STACK and above what lies below it.
 */
function grown_start(k: Kernel, map: vm_map, va: vaddr_t): vaddr_t {
	const below = uvm_map_lookup_entry(map, va);
	const limit = k.curlwp.l_proc!.p_rlimit[RLIMIT_STACK]!.rlim_cur;
	const lowest = Math.max(map.maxsaddr, round_page(USRSTACK - limit));
	const free = below === map.header ? map.min_offset : below.end;
	return Math.max(lowest, free, va - (va % ptoa(UVM_AMAP_CHUNK)));
}

/**
 * May the stack of the running process grow to `va`, which is in no entry?
 * => no need for the map's lock: nothing runs before uvm_grow asks again.
 */
export function uvm_may_grow(k: Kernel, map: vm_map, va: vaddr_t): boolean {
	const p = k.curlwp.l_proc;
	if (p === null || va < map.maxsaddr) return false;
	const above = stack_above(map, va);
	if (above === null) return false;
	const start = grown_start(k, map, va);
	const more = above.start - start;
	if (start > va || map.size + more > p.p_rlimit[RLIMIT_AS]!.rlim_cur) return false;
	if (above.wired_count === 0) return true;
	return uvm_map_wired_size(map) + more <= p.p_rlimit[RLIMIT_MEMLOCK]!.rlim_cur;
}

/**
 * Extend the stack so that it contains `va`.
 * => map locked for writing; uvm_may_grow. Never sleeps. false if memory is short.
 * => what is added to a wired stack is wired as it is touched.
 */
export function uvm_grow(k: Kernel, map: vm_map, va: vaddr_t): boolean {
	const above = stack_above(map, va)!;
	const start = grown_start(k, map, va);
	const args = uvm_map_args(start, above.start - start);
	args.prot = above.protection;
	args.maxprot = above.max_protection;
	args.inherit = above.inheritance;
	args.advice = above.advice;
	args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | UVM_FLAG_GROWSDOWN | UVM_FLAG_NOMERGE;
	if (uvm_map_enter(k, map, args) !== 0) return false;
	if (above.wired_count > 0) {
		const { prev } = above;
		prev.wired_count = 1;
		prev.etype |= UVM_ET_ONFAULT;
	}
	return true;
}
