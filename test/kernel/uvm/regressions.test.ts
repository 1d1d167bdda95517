/** Mistakes that were made here once. */

import { describe, expect, it } from "vitest";
import { createSystem } from "../../../computer/system.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import {
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	VM_FAULT_INVALID,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_fault } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_map, uvm_map_args, uvmspace_alloc } from "../../../kernel/uvm/uvm_map.ts";
import {
	uvm_swap_alloc,
	uvm_swap_markbad,
	uvm_swapisfull,
	uvm_swpgonly_add,
} from "../../../kernel/uvm/uvm_swap.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { UserError } from "../../../machine/user-error.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { expectPattern, fill } from "../../support/paging.ts";
import { call, EXIT, elf, exec, SYS } from "../../support/program.ts";
import { boot, MiB } from "../../support/workload.ts";

describe("regressions", () => {
	it("pager_map's entries go back to their pool", () => {
		const { system, report } = boot("walk", [2, 1], { ram: MiB, swap: [{ media: 8 * MiB }] });
		expect(report.exit.code).toBe(0);
		expect(report.uvmexp.pgswapin).toBeGreaterThan(0);
		// What is left: the kernel map's handful.
		expect(system.kernel.uvm.map_entry_pool.pr_nout).toBeLessThan(32);
	});

	it("swapon and swapoff again and again do not use up the drum", () => {
		const t = new TestKernel({ disks: [4 << 20, 256 << 20], swapDisks: 1 });
		const { k } = t;
		const dev = ld(1);
		t.run(
			(function* () {
				for (let i = 0; i < 200; i++) {
					if (swap_on(k, "/dev/ld1", dev, 0) !== 0) throw new Error("swap_on");
					if ((yield* swap_off(k, dev)) !== 0) throw new Error("swap_off");
				}
			})(),
		);
		expect(swap_on(k, "/dev/ld1", dev, 0)).toBe(0);
		// Right behind the first disk, as at the first time: an aobj keeps slots in 32 bits.
		expect(k.uvm.swap_list.map((sdp) => sdp.swd_drumoffset)).toEqual([1, 1025]);
	});

	it("no anon to be had is out of memory, not an endless loop", () => {
		const t = new TestKernel();
		const { k } = t;
		const vm = uvmspace_alloc(k, 0x1000, 0x8000_0000)!;
		let tries = 0;
		k.uvm.anon_pool.pr_hardlimit = 0;
		Object.defineProperty(k.uvm.anon_pool, "pr_nfail", {
			get: () => tries,
			set: () => {
				if (++tries > 20_000) throw new Error("livelock: 20,000 attempts at one fault");
			},
		});
		const error = t.run(
			(function* () {
				const args = uvm_map_args(0x10000, 4096);
				args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
				yield* uvm_map(k, vm.vm_map, args);
				return yield* uvm_fault(k, vm.vm_map, 0x10000, VM_FAULT_INVALID, 2);
			})(),
		);
		expect(error).toBe(12);
	});

	it("a swap disk too small is one line and exit code 2", () => {
		expect(() => createSystem({ program: "x", image: elf(EXIT), swap: [{ media: 4096 }] })).toThrow(
			UserError,
		);
	});

	it("arguments that do not fit the stack are said to be that", () => {
		const args = Array.from({ length: 70_000 }, () => "12345");
		const run = (): string => {
			const system = createSystem({ program: "x", image: elf(EXIT), args });
			system.run();
			return system.exit.reason;
		};
		let reason = "";
		try {
			reason = run();
		} catch (error) {
			reason = (error as Error).message;
		}
		expect(reason).not.toBe("out of swap");
	});

	it("out of memory in a system call kills with 'out of swap', as a fault does", () => {
		// Fill memory until a store would be killed; then let the kernel do the store.
		const source = `
			li s0, 0x40000000
			${call(SYS.mmap2, 0x4000_0000, 0x100_0000, 3, 0x32)}
			again: ${call(SYS.clock_gettime64, 1, "s0")}
			blt a0, zero, failed
			li t0, 4096
			add s0, s0, t0
			j again
			failed: sub a0, zero, a0
			${EXIT}`;
		const { report } = exec(source, { ram: 512 * 1024, swap: [] });
		expect(report.exit).toMatchObject({ kind: "killed", reason: "out of swap" });
	});

	it("what a program leaves of big mappings does not pile up in the host", () => {
		const rounds = 40;
		const source = `
			li s1, ${rounds}
			li s0, 0x40000000
			again: mv a0, s0
			li a1, 0x20000000
			li a2, 3
			li a3, 0x32
			li a7, ${SYS.mmap2}
			ecall
			sw zero, 0(s0)
			li t0, 4096
			add a0, s0, t0
			li a1, 0x1ffff000
			li a7, ${SYS.munmap}
			ecall
			li t0, 8192
			add s0, s0, t0
			addi s1, s1, -1
			bne s1, zero, again
			pause: ${call(SYS.read, 0, "=buffer", 1)}
			${EXIT}
			buffer: .word 0`;
		const { system } = exec(source, { check: false });
		let slots = 0;
		for (let a = system.kernel.uvm.amap_list; a !== null; a = a.am_list_next)
			slots += a.am_chunks.ch_count * 16;
		// 40 pages are mapped.
		expect(slots).toBeLessThan(100_000);
	});

	it("fltnamap counts neighbours, not amap copies", () => {
		const { report } = exec(
			`${call(SYS.mmap2, 0x4000_0000, 0x1000, 3, 0x32)}
			li t0, 0x40000000
			sw zero, 0(t0)
			li a0, 0
			${EXIT}`,
		);
		// No page has a resident neighbour of its own entry that is not mapped.
		expect(report.uvmexp.fltnamap).toBe(0);
	});

	it("swapoff of many anons does not look at all of them for each", () => {
		const timed = (npages: number): number => {
			const t = new TestKernel({ ram: 64 << 20, disks: [64 << 20] });
			const { k } = t;
			const vm = uvmspace_alloc(k, 0x1000, 0x8000_0000)!;
			let slots = 0;
			t.run(
				(function* () {
					const args = uvm_map_args(0x1000_0000, npages * 4096);
					args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
					yield* uvm_map(k, vm.vm_map, args);
					for (let i = 0; i < npages; i++) {
						yield* uvm_fault(k, vm.vm_map, 0x1000_0000 + i * 4096, VM_FAULT_INVALID, 2);
					}
				})(),
			);
			const amap = vm.vm_map.header.next.amap!;
			// All of them have a slot, as after a time of shortage.
			for (const slot of amap.am_slots) {
				amap_lookup(amap, slot)!.an_swslot = uvm_swap_alloc(k, 1, false);
			}
			let looks = 0;
			const { am_chunks } = amap;
			am_chunks.ch_chunk = new Proxy(am_chunks.ch_chunk, {
				get(chunks, place, receiver) {
					looks++;
					return Reflect.get(chunks, place, receiver);
				},
			});
			slots = t.run(swap_off(k, ld(0)));
			expect(slots).toBe(0);
			return looks;
		};
		expect(timed(400) / timed(200)).toBeLessThan(3);
	});

	it("bad slots of the device that is being removed are not taken off twice", () => {
		const t = new TestKernel({ disks: [4 << 20, 4 << 20] });
		const { k } = t;
		const sdp = k.uvm.swap_list[0]!;
		const n = 600;
		let left = n;
		while (left > 0) {
			const slot = uvm_swap_alloc(k, 1, false);
			const first = slot >= sdp.swd_drumoffset && slot < sdp.swd_drumoffset + sdp.swd_drumsize;
			if (!first) continue;
			uvm_swpgonly_add(k, 1);
			uvm_swap_markbad(k, slot, 1);
			left--;
		}
		// Half of the other device is in use by pages that are only there.
		uvm_swpgonly_add(k, 500);
		// What swap_off does before it sleeps:
		k.uvmexp.swpgavail -= sdp.swd_npages - sdp.swd_npgbad;
		// 1023 slots, all good, 500 of them taken.
		expect(uvm_swapisfull(k)).toBe(false);
	});

	it("a heap that grows page by page stays one entry", () => {
		const source = `
			li s1, 50
			${call(SYS.brk, 0)}
			mv s0, a0
			again: li t0, 4096
			add s0, s0, t0
			mv a0, s0
			li a7, ${SYS.brk}
			ecall
			addi t0, s0, -8
			sw zero, 0(t0)
			addi s1, s1, -1
			bne s1, zero, again
			${call(SYS.read, 0, "=buffer", 1)}
			${EXIT}
			buffer: .word 0`;
		const { system } = exec(source);
		// Text, heap, stack.
		expect(system.process.p_vmspace!.vm_map.nentries).toBeLessThan(6);
	});

	it("a queue that makes no sense is made anew, and the disk works on", () => {
		const t = new TestKernel({ ld: { retries: 5, timeout: 10e9 } });
		const { k } = t;
		const sc = k.lds[0]!;
		// The device sets NEEDS_RESET.
		const avail = (sc.sc_ring + 128 * 16 - k.port.ramBase) >>> 2;
		k.port.storeWord(avail, (k.port.ram32[avail]! & 0xffff) | (0x4000 << 16));
		k.port.store(sc.sc_base + 0x50, 4, 0);
		expect(k.port.load(sc.sc_base + 0x70, 4) & 64).toBe(64);
		t.settle();
		expect(k.port.load(sc.sc_base + 0x70, 4)).toBe(15);
		expect(sc.sc_errors).toMatchObject({ resets: 1, failed: 0 });
		const aobj = t.aobj(400);
		t.run(fill(t, aobj, Array(400).keys()));
		expectPattern(t, aobj, Array(400).keys());
	});
});
