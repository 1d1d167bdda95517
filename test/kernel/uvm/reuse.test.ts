/** What is freed and used again, so that no new objects have to be made. */
import { expect, it } from "vitest";
import { lwp_create, lwp_free } from "../../../kernel/kern/core/kern_lwp.ts";
import { SIGUSR1, sigaction_default } from "../../../kernel/kern/core/signal.ts";
import { exited } from "../../../kernel/kern/proc/kern_exit.ts";
import { proc_create, proc_free } from "../../../kernel/kern/proc/kern_proc.ts";
import { psignal } from "../../../kernel/kern/proc/kern_sig.ts";
import {
	AMAP_SHARED,
	amap_add,
	amap_alloc,
	amap_lookup,
	amap_ref,
	amap_unadd,
	amap_unref,
} from "../../../kernel/uvm/uvm_amap.ts";
import { amap_chunks_list } from "../../../kernel/uvm/uvm_amap_chunks.ts";
import { uvm_analloc, uvm_anfree } from "../../../kernel/uvm/uvm_anon.ts";
import { uvmspace_alloc } from "../../../kernel/uvm/uvm_map.ts";
import { VM_MAP_WIREFUTURE } from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvm_pagealloc } from "../../../kernel/uvm/uvm_page.ts";
import { pool_prime_all } from "../../../kernel/uvm/uvm_wait.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_MIN_ADDRESS } from "../../../sys/vmparam.ts";
import { AddressSpace } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";

const BASE = 0x1000_0000;

it("anons and chunks of amaps are used again, and are as new then", () => {
	const t = new TestKernel();
	const used = new Set<object>();
	for (let round = 0; round < 20; round++) {
		const amap = amap_alloc(t.k, 64)!;
		for (let slot = 0; slot < 64; slot++) {
			const anon = uvm_analloc(t.k)!;
			expect({ ...anon }).toEqual({
				...{ locked: false, an_ref: 1, an_page: null },
				...{ an_swslot: 0, an_id: 0 },
			});
			used.add(anon);
			amap_add(t.k, amap, slot, anon, false);
			uvm_pagealloc(t.k, null, 0, anon, 0)!.flags = 0;
		}
		for (const [, chunk] of amap_chunks_list(amap.am_chunks)) used.add(chunk);
		// Out of order, so that each chunk empties slot by slot.
		for (let i = 0; i < 64; i++) {
			const slot = (i * 37) % 64;
			const anon = amap_lookup(amap, slot)!;
			amap_unadd(t.k, amap, slot);
			expect(amap_lookup(amap, slot)).toBeNull();
			anon.an_ref = 0;
			uvm_anfree(t.k, anon);
		}
		amap_unref(t.k, amap, 0, 64);
		expect(t.k.uvm.amap_chunk_free.every((c) => c.ac_nused === 0)).toBe(true);
		expect(t.k.uvm.amap_chunk_free.every((c) => c.ac_anon.every((a) => a === null))).toBe(true);
	}
	expect(used.size).toBe(64 + 4);
	checkAtRest(t);
});

it("amaps are used again, and are as new then", () => {
	const t = new TestKernel();
	const used = new Set<object>();
	for (let round = 0; round < 20; round++) {
		const amap = amap_alloc(t.k, 32)!;
		used.add(amap);
		expect({ ...amap, am_slots: [] }).toEqual({
			...{ am_l: { locked: false }, am_ref: 1, am_flags: 0, am_nslot: 32, am_nused: 0 },
			...{ am_chunks: amap.am_chunks, am_slots: [], am_ppref: null },
			...{ am_list_next: null, am_list_prev: null },
		});
		expect(amap_chunks_list(amap.am_chunks)).toEqual([]);
		for (let slot = 0; slot < 32; slot += 3) {
			const anon = uvm_analloc(t.k)!;
			amap_add(t.k, amap, slot, anon, false);
			uvm_pagealloc(t.k, null, 0, anon, 0)!.flags = 0;
		}
		// Parts of it have counts of their own, and it is shared.
		amap_ref(t.k, amap, 0, 16, AMAP_SHARED);
		amap_unref(t.k, amap, 16, 16);
		amap_unref(t.k, amap, 0, 16);
	}
	expect(used.size).toBe(1);
	checkAtRest(t);
});

it("address spaces and pmaps are used again, and are as new then", () => {
	const t = new TestKernel();
	const { k } = t;
	const spaces = new Set<object>();
	const pmaps = new Set<object>();
	let fresh: string | null = null;
	for (let round = 0; round < 10; round++) {
		// Nothing here refers to itself but the header of the map.
		const vm = uvmspace_alloc(k, VM_MIN_ADDRESS + round * PAGE_SIZE, VM_MAXUSER_ADDRESS)!;
		const { pmap, header, hint, first_free, ...rest } = vm.vm_map;
		expect([hint, first_free, header.next, header.prev]).toEqual(Array(4).fill(header));
		expect([header.start, header.end]).toEqual([rest.max_offset, rest.min_offset]);
		expect([pmap.pm_refs, pmap.pm_asid, pmap.pm_resident, pmap.pm_wired]).toEqual([1, 0, 0, 0]);
		expect(rest.min_offset).toBe(VM_MIN_ADDRESS + round * PAGE_SIZE);
		const form = JSON.stringify({ ...vm, vm_map: { ...rest, min_offset: 0 } });
		fresh ??= form;
		expect(form).toBe(fresh);
		spaces.add(vm).add(header);
		pmaps.add(pmap);
		const space = new AddressSpace(t, null, vm);
		space.anon(BASE, 4);
		for (let i = 0; i < 4; i++) expect(t.run(space.store(BASE + i * PAGE_SIZE, i))).toBe(0);
		vm.vm_break = BASE;
		vm.vm_map.maxsaddr = BASE;
		vm.vm_map.flags |= VM_MAP_WIREFUTURE;
		vm.vm_map.timestamp += 7;
		t.run(space.free());
	}
	expect([spaces.size, pmaps.size]).toEqual([2, 1]);
	checkAtRest(t);
});

/** Change every field of a record that is free; what lists hold is left to the test. */
function spoil(record: Record<string, unknown>): void {
	for (const [key, value] of Object.entries(record)) {
		if (ArrayBuffer.isView(value)) (value as Int32Array).fill(77);
		else if (Array.isArray(value)) {
			if (value.length === 0) value.push({ spoilt: true });
		} else if (value !== null && typeof value === "object" && /^[pl]_(.?ru|fpregs)$/.test(key)) {
			spoil(value as Record<string, unknown>);
		} else if (typeof value === "number") record[key] = Number.isFinite(value) ? value + 77 : 77;
		else if (typeof value === "boolean") record[key] = !value;
		else if (typeof value === "string") record[key] = `${value}?`;
		else record[key] = { spoilt: true };
	}
}

it("records of processes and threads are used again, and are as new then", () => {
	const { k } = new TestKernel();
	const used = new Set<object>();
	let fresh: unknown = null;
	// The first process is looked at when it is gone.
	expect(pool_prime_all(k, k.pools.ofproc, 2)).toBe(true);
	proc_free(k, proc_create(k, "init", null));
	for (let round = 0; round < 10; round++) {
		expect(pool_prime_all(k, k.pools.ofproc, 2)).toBe(true);
		const p = proc_create(k, "test", null);
		const l = lwp_create(k, "test", p, null);
		expect([l.l_proc, p.p_pgid, p.p_sid]).toEqual([p, p.p_pid, p.p_pid]);
		const form = structuredClone({
			process: { ...p, p_pid: 0, p_pgid: 0, p_sid: 0 },
			thread: { ...l, l_lid: 0, l_proc: null },
		});
		fresh ??= form;
		expect(form).toEqual(fresh);
		used.add(p).add(l);
		const child = proc_create(k, "child", p);
		expect(child.p_sigacts).toEqual(p.p_sigacts);
		proc_free(k, child);
		psignal(k, p, SIGUSR1);
		p.p_rlimit[0] = { rlim_cur: 1, rlim_max: 2 };
		p.p_sigacts[SIGUSR1] = { ...sigaction_default(), sa_flags: 1 };
		p.p_timers[0]!.it_deadline = 3;
		p.p_timers[1]!.it_interval = 3;
		lwp_free(k, l);
		proc_free(k, p);
		spoil(p as unknown as Record<string, unknown>);
		spoil(l as unknown as Record<string, unknown>);
	}
	// The child's record is the second of two.
	expect(used.size).toBeLessThanOrEqual(3);
});

it("the first process tells how it ended when others have begun since", () => {
	const { k } = new TestKernel();
	expect(pool_prime_all(k, k.pools.ofproc, 2)).toBe(true);
	const first = proc_create(k, "first", null);
	first.p_exit = exited(3);
	proc_free(k, first);
	expect(proc_create(k, "second", null)).not.toBe(first);
	expect(first.p_exit.code).toBe(3);
});
