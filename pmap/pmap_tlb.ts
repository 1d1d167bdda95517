/**
 * TLB consistency: deferred fences and address space identifiers.
 *
 * The TLB caches no invalid entries, and none whose A bit is clear. So a fence is needed only when
 * a leaf that was valid with A set changes. Only enter, remove, protect, kenter_pa and kremove may
 * defer it; pmap_update empties the queue, and so does every call that must take effect at once or
 * changes the contents of a page.
 *
 * A user pmap gets an ASID when it is first activated. A pmap without one has not been active since
 * its last flush, and needs no fence.
 */
import { FENCE_ALL, SATP_ASID_MAX } from "../machine/port.ts";
import { KASSERT } from "../sys/panic.ts";
import type { vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost } from "./host.ts";
import { PMAP_FENCE_SPACE, PMAP_FENCES, type pmap } from "./pmap_var.ts";

/** Whether the TLB may hold translations of `pm`. */
const in_tlb = (k: PmapHost, pm: pmap): boolean => pm.pm_asid !== 0 || pm === k.pmap.pm_kernel;

/** A fence for a key of the queue: ASID 0 is the kernel, whose mappings are global. */
function fence(k: PmapHost, va: vaddr_t, asid: number): void {
	const address = va === PMAP_FENCE_SPACE ? FENCE_ALL : va;
	k.port.sfenceVma(address, asid === 0 ? FENCE_ALL : asid);
}

/** Fence one translation now. */
export function pmap_tlb_fence(k: PmapHost, pm: pmap, va: vaddr_t): void {
	if (in_tlb(k, pm)) fence(k, va, pm.pm_asid);
}

/** Fence a translation before or at the next pmap_tlb_drain. */
export function pmap_tlb_defer(k: PmapHost, pm: pmap, va: vaddr_t): void {
	if (!in_tlb(k, pm)) return;
	const st = k.pmap;
	const asid = pm.pm_asid;
	for (let i = 0; i < st.fence_n; i++) {
		if (st.fence_asid[i] !== asid) continue;
		if (st.fence_va[i] === va || st.fence_va[i] === PMAP_FENCE_SPACE) return;
	}
	if (st.fence_n < PMAP_FENCES) {
		queue(k, asid, va);
		return;
	}
	// The queue is full: this address space gets one fence for all.
	forget(k, asid);
	if (st.fence_n === PMAP_FENCES) pmap_tlb_drain(k);
	queue(k, asid, PMAP_FENCE_SPACE);
}

/** Whether more deferred fences of `pm` change nothing: all of it is fenced, or needs no fence. */
export function pmap_tlb_deferred(k: PmapHost, pm: pmap): boolean {
	if (!in_tlb(k, pm)) return true;
	const st = k.pmap;
	for (let i = 0; i < st.fence_n; i++) {
		if (st.fence_asid[i] === pm.pm_asid && st.fence_va[i] === PMAP_FENCE_SPACE) return true;
	}
	return false;
}

function queue(k: PmapHost, asid: number, va: vaddr_t): void {
	const st = k.pmap;
	st.fence_asid[st.fence_n] = asid;
	st.fence_va[st.fence_n] = va;
	st.fence_n++;
}

/** Take the fences of one address space off the queue. */
function forget(k: PmapHost, asid: number): void {
	const st = k.pmap;
	let n = 0;
	for (let i = 0; i < st.fence_n; i++) {
		if (st.fence_asid[i] === asid) continue;
		st.fence_asid[n] = st.fence_asid[i]!;
		st.fence_va[n] = st.fence_va[i]!;
		n++;
	}
	st.fence_n = n;
}

/** Run all deferred fences. */
export function pmap_tlb_drain(k: PmapHost): void {
	const st = k.pmap;
	for (let i = 0; i < st.fence_n; i++) fence(k, st.fence_va[i]!, st.fence_asid[i]!);
	st.fence_n = 0;
}

/** Have deferred fences take effect, for what must not be done before them. */
export function pmap_tlb_settle(k: PmapHost): void {
	if (k.pmap.fence_n !== 0) pmap_tlb_drain(k);
}

/** Flush an address space now. => also after changes of its root table. */
export function pmap_tlb_flush(k: PmapHost, pm: pmap): void {
	if (!in_tlb(k, pm)) return;
	forget(k, pm.pm_asid);
	fence(k, PMAP_FENCE_SPACE, pm.pm_asid);
}

/** ASID 0 is the kernel's. */
const next_asid = (asid: number): number => (asid === SATP_ASID_MAX ? 1 : asid + 1);

/**
 * Give a user pmap an ASID that has no entries in the TLB.
 * => if all are taken, another pmap loses its own, except `loaded`, the ASID in satp.
 */
export function pmap_asid_alloc(k: PmapHost, pm: pmap, loaded: number): void {
	const st = k.pmap;
	KASSERT(pm.pm_asid === 0, "pmap_asid_alloc: pmap has an ASID");
	let asid = st.asid_hand;
	let tries = 0;
	while (tries < SATP_ASID_MAX && st.asid_owner[asid] !== null) {
		asid = next_asid(asid);
		tries++;
	}
	if (tries === SATP_ASID_MAX && asid === loaded) asid = next_asid(asid);
	const owner = st.asid_owner[asid]!;
	if (owner !== null) {
		pmap_tlb_flush(k, owner);
		owner.pm_asid = 0;
	}
	st.asid_owner[asid] = pm;
	st.asid_hand = next_asid(asid);
	pm.pm_asid = asid;
}

/** Free the ASID of a user pmap, if it has one. */
export function pmap_asid_free(k: PmapHost, pm: pmap): void {
	if (pm.pm_asid === 0) return;
	pmap_tlb_flush(k, pm);
	k.pmap.asid_owner[pm.pm_asid] = null;
	pm.pm_asid = 0;
}
