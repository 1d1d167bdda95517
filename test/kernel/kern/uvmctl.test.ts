/** uvmctl: the layouts that programs rely on. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { ltsleep, type Sleeps, tsleep } from "../../../kernel/kern/core/kern_synch.ts";
import { SIGTSTP } from "../../../kernel/kern/core/signal.ts";
import { copyin } from "../../../kernel/kern/proc/copy.ts";
import { exited } from "../../../kernel/kern/proc/kern_exit.ts";
import { proc_create } from "../../../kernel/kern/proc/kern_proc.ts";
import {
	COUNTERS,
	sysent_uvmctl,
	UVMCTL_PROC,
	UVMCTL_SWAP,
	UVMCTL_UVMEXP,
} from "../../../kernel/kern/sys/sys_uvmctl.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uvmexp_init } from "../../../kernel/uvm/uvm_extern.ts";
import { swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { EFAULT, EINVAL } from "../../../sys/errno.ts";
import { AddressSpace } from "../../support/address-space.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { ROOT } from "../../support/sources.ts";

const BUFFER = 0x10_0000;

let t: TestKernel;
let space: AddressSpace;

beforeEach(() => {
	t = new TestKernel({ disks: [4 << 20, 2 << 20], swapDisks: 1 });
	space = new AddressSpace(t);
	space.anon(BUFFER, 4);
});

function uvmctl(what: number, va: number, size: number): number {
	const call = sysent_uvmctl[SYS.uvmctl]!(t.k, space.proc, Uint32Array.of(what, va, size));
	return t.run(call as Sleeps<number>, space.proc);
}

function table(what: number, size = 4 * 4096): DataView {
	const bytes = new Uint8Array(uvmctl(what, BUFFER, size));
	t.run(copyin(t.k, space.map, BUFFER, bytes));
	return new DataView(bytes.buffer);
}

const string = (view: DataView, at: number, size: number): string =>
	new TextDecoder().decode(new Uint8Array(view.buffer, at, size)).replace(/\0.*$/s, "");

describe("counters", () => {
	it("are all there, once each", () => {
		expect([...COUNTERS].sort()).toEqual(Object.keys(uvmexp_init()).sort());
	});

	it("are where the documentation says", () => {
		const text = readFileSync(`${ROOT}/docs/uvmctl.md`, "utf8");
		const rows = [...text.matchAll(/^\| (\d+)(?:-(\d+))? \| (\w.*) \|$/gm)].filter(
			([, , , what]) => !/bytes|count/.test(what!),
		);
		const documented = rows.flatMap(([, first, last, names]) => {
			const list = names!.split(", ");
			expect(list.length).toBe(Number(last ?? first) - Number(first) + 1);
			return list;
		});
		expect(documented).toEqual(COUNTERS);
	});

	it("have 64 bits each, behind their number", () => {
		t.k.uvmexp.pddeact = 5 * 2 ** 32 + 7;
		const view = table(UVMCTL_UVMEXP);
		expect(view.byteLength).toBe(4 + 8 * COUNTERS.length);
		expect(view.getUint32(0, true)).toBe(COUNTERS.length);
		expect(view.getUint32(4, true)).toBe(t.k.uvmexp.npages);
		const at = 4 + 8 * COUNTERS.indexOf("pddeact");
		expect([view.getUint32(at, true), view.getUint32(at + 4, true)]).toEqual([7, 5]);
	});

	it("are cut to what there is room for", () => {
		const view = table(UVMCTL_UVMEXP, 4 + 8 * 3 + 7);
		expect([view.byteLength, view.getUint32(0, true)]).toEqual([28, 3]);
	});
});

it("swap devices", () => {
	swap_on(t.k, "/dev/ld1", ld(1), -5);
	t.k.uvm.swap_list[1]!.swd_npgbad = 3;
	const view = table(UVMCTL_SWAP);
	expect(view.byteLength).toBe(2 * 48);
	expect([string(view, 0, 32), string(view, 48, 32)]).toEqual(["/dev/ld1", "/dev/ld0"]);
	expect(view.getInt32(32, true)).toBe(5);
	expect(view.getUint32(36, true)).toBe((2 << 20) / 4096 - 1);
	expect(view.getUint32(48 + 40, true)).toBe(0);
	expect(view.getUint32(48 + 44, true)).toBe(3);
	expect(table(UVMCTL_SWAP, 95).byteLength).toBe(48);
});

it("processes, and what each does", () => {
	const { k } = t;
	const names = ["sleeps", "in the middle of something", "stopped", "ended"];
	const others = names.map((name) => {
		const other = new AddressSpace(t, space.proc);
		other.proc.p_comm = name;
		return other;
	});
	function* interruptible(): Sleeps<void> {
		yield* tsleep(k, others, "test", 0);
	}
	function* uninterruptible(): Sleeps<void> {
		yield* ltsleep(k, others, "test", 0, null);
	}
	t.spawn(interruptible(), others[0]!.proc);
	t.spawn(uninterruptible(), others[1]!.proc);
	t.spawn(uninterruptible(), others[2]!.proc);
	t.settle();
	others[2]!.proc.p_stopsig = SIGTSTP;
	others[3]!.proc.p_exit = exited(0);
	others[0]!.anon(BUFFER, 3);
	t.run(others[0]!.store(BUFFER, 1));
	Object.assign(others[0]!.proc.p_lwp!, { l_minflt: 11, l_majflt: 12, l_utime: 2 ** 33 + 1 });
	others[0]!.proc.p_pgid = 77;
	const view = table(UVMCTL_PROC);
	const records = Array.from({ length: view.byteLength / 56 }, (_, i) => ({
		pid: view.getInt32(56 * i, true),
		ppid: view.getInt32(56 * i + 4, true),
		state: String.fromCharCode(view.getUint32(56 * i + 12, true)),
		name: string(view, 56 * i + 40, 16),
	}));
	const pid = space.proc.p_pid;
	expect(records).toEqual([
		{ pid, ppid: 0, state: "R", name: "test" },
		{ pid: pid + 1, ppid: pid, state: "S", name: "sleeps" },
		{ pid: pid + 2, ppid: pid, state: "D", name: "in the middle o" },
		{ pid: pid + 3, ppid: pid, state: "T", name: "stopped" },
		{ pid: pid + 4, ppid: pid, state: "Z", name: "ended" },
	]);
	const words = (at: number, n: number): number[] =>
		Array.from({ length: n }, (_, i) => view.getUint32(56 + at + 4 * i, true));
	expect(words(8, 1)).toEqual([77]);
	expect(words(16, 6)).toEqual([1, 3, 11, 12, 1, 2]);
});

it("with no buffer it tells the size, and mistakes are errors", () => {
	proc_create(t.k, "other", null);
	expect(uvmctl(UVMCTL_PROC, 0, 0)).toBe(2 * 56);
	expect(uvmctl(UVMCTL_PROC, BUFFER, 60)).toBe(56);
	expect(uvmctl(UVMCTL_PROC, BUFFER, 55)).toBe(0);
	expect(uvmctl(4, 0, 0)).toBe(-EINVAL);
	expect(uvmctl(UVMCTL_UVMEXP, 0x1000, 4096)).toBe(-EFAULT);
});
