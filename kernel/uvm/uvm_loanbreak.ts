/**
 * Port of sys/uvm/uvm_loan.c (2001-2004): breaking loans, in its own file because faults do it and
 * uvm_loan.ts imports those.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { pmap_clear_modify, pmap_page_protect } from "../../pmap/pmap.ts";
import { ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { VM_PROT_NONE } from "../../sys/vmparam.ts";
import { wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { vm_anon } from "./uvm_anon.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_WANTED,
	PQ_ANON,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagecopy,
	uvm_pagedequeue,
	uvm_pagereplace,
	type vm_page,
} from "./uvm_page.ts";

/**
 * Give an object a copy of a page that it has lent. The borrowers keep the old one, which is freed
 * with its last loan.
 *
 * => object locked; the page is busy, lent and not wired. Never sleeps.
 * => the copy, busy, in place of the page, which is mapped nowhere any more; null: no memory, and
 *    nothing has changed.
 */
export function uvm_loanbreak(k: Kernel, pg: vm_page): vm_page | null {
	KASSERT(pg.loan_count > 0 && pg.wire_count === 0, "uvm_loanbreak: not lent, or wired");
	KASSERT((pg.flags & PG_BUSY) !== 0, "uvm_loanbreak: page is not busy");
	const copy = uvm_pagealloc(k, null, 0, null, 0);
	if (copy === null) return null;
	k.uvmexp.loanbreaks++;
	uvm_pagecopy(k, pg, copy);
	copy.flags &= ~PG_FAKE;
	pmap_page_protect(k, pg, VM_PROT_NONE);
	if ((pg.flags & PG_CLEAN) !== 0 && !pmap_clear_modify(k, pg)) {
		pmap_clear_modify(k, copy);
		copy.flags |= PG_CLEAN;
	}
	if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
	uvm_pagereplace(k, pg, copy);
	uvm_pageactivate(k, copy);
	return copy;
}

/**
 * Give an anon a copy of a page that it has lent.
 *
 * => anon locked; its page is lent, and neither busy nor wired. Never sleeps.
 * => 0: an_page is the copy, not busy. ENOMEM: nothing has changed.
 */
export function uvm_loanbreak_anon(k: Kernel, anon: vm_anon): Errno {
	const old = anon.an_page!;
	KASSERT(old.loan_count > 0 && old.wire_count === 0, "uvm_loanbreak_anon: not lent, or wired");
	const copy = uvm_pagealloc(k, null, 0, null, 0);
	if (copy === null) return ENOMEM;
	k.uvmexp.loanbreaks++;
	uvm_pagecopy(k, old, copy);
	pmap_page_protect(k, old, VM_PROT_NONE);
	old.uanon = null;
	old.version++;
	old.flags = 0;
	uvm_pagedequeue(k, old);
	old.pqflags = 0;
	anon.an_page = copy;
	copy.uanon = anon;
	copy.pqflags |= PQ_ANON;
	uvm_pageactivate(k, copy);
	copy.flags &= ~(PG_BUSY | PG_FAKE);
	return 0;
}
