/** Threads on files of all kinds, in little memory: no byte is lost, no invariant is broken. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { vfs_shutdown } from "../../../kernel/fs/vfs.ts";
import { VOP, type vnode } from "../../../kernel/fs/vnode.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { pagerops } from "../../../kernel/uvm/uvm_object.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { tar } from "../../support/tar.ts";
import { Vfs } from "../../support/vfs.ts";

const SIZE = 90 * PAGE_SIZE + 321;
const RUNS = Number(process.env.FUZZ_RUNS ?? 6);

type Op = readonly [
	kind: "write" | "read" | "store" | "load" | "sync" | "cut",
	at: number,
	n: number,
];

const op: fc.Arbitrary<Op> = fc.tuple(
	fc.constantFrom("write", "write", "store", "store", "read", "load", "sync", "cut"),
	fc.nat(SIZE - 1),
	fc.integer({ min: 1, max: 3 * PAGE_SIZE }),
) as fc.Arbitrary<Op>;

/** One thread's work on one file, beside what the file ought to hold. */
function* work(
	v: Vfs,
	vp: vnode,
	space: AddressSpace,
	ops: readonly Op[],
	seed: number,
): Sleeps<Uint8Array> {
	const { k } = v.t;
	const tmp = vp.v_op === 1;
	const model = new Uint8Array(SIZE);
	let size = tmp ? 0 : SIZE;
	let next = seed;
	for (const [kind, at, length] of ops) {
		const n = Math.min(length, SIZE - at);
		const vops = VOP(k, vp);
		if (kind === "write") {
			const data = new Uint8Array(n).fill((next = (next * 5 + 1) & 0xff) | 1);
			expect(yield* vops.vop_write(k, vp, data, at)).toBe(n);
			model.set(data, at);
			size = Math.max(size, at + n);
		} else if (kind === "read") {
			const into = new Uint8Array(n);
			const got = yield* vops.vop_read(k, vp, into, at);
			expect(got).toBe(Math.max(0, Math.min(n, size - at)));
			expect(Buffer.compare(into.subarray(0, got), model.subarray(at, at + got))).toBe(0);
		} else if (kind === "store" && at < size) {
			expect(yield* space.store(BASE + at, (next = (next * 5 + 1) & 0xff))).toBe(0);
			model[at] = next;
		} else if (kind === "load" && at < size) {
			expect(yield* space.load(BASE + at)).toBe(model[at]);
		} else if (kind === "sync") {
			expect(yield* vops.vop_fsync(k, vp)).toBe(0);
		} else if (kind === "cut" && tmp) {
			expect(yield* vops.vop_truncate(k, vp, at)).toBe(0);
			model.fill(0, at);
			size = at;
		}
	}
	return model.subarray(0, size);
}

it("files on disk and in memory keep what was written, by calls and by stores", () => {
	fc.assert(
		fc.property(
			fc.array(fc.array(op, { minLength: 20, maxLength: 60 }), { minLength: 4, maxLength: 4 }),
			(lists) => {
				const names = ["/a", "/b", "/tmp/c", "/tmp/d"];
				const root = tar(["a", "b"].map((path) => ({ path, data: new Uint8Array(SIZE) })));
				const v = new Vfs({ root, ram: 768 * 1024, swap: 4 << 20 });
				const { k } = v.t;
				const files = names.map((name) => v.vnode(name, O_RDWR | O_CREAT));
				const spaces = files.map((vp) => {
					const space = new AddressSpace(v.t);
					pagerops(k, vp.v_uobj!).pgo_reference(k, vp.v_uobj!);
					expect(space.object(BASE, Math.ceil(SIZE / PAGE_SIZE), vp.v_uobj!)).toBe(0);
					return space;
				});
				const threads = files.map((vp, i) => v.t.spawn(work(v, vp, spaces[i]!, lists[i]!, i)));
				v.t.settle();
				v.t.check();
				const models = threads.map((thread) => thread.result);
				for (const [i, model] of models.entries()) {
					const text = v.cat(names[i]!);
					expect(text).toBe(Buffer.from(model).toString("latin1"));
				}
				for (const space of spaces) v.run(space.free());
				v.t.check();
				v.rele(...files);
				v.run(vfs_shutdown(k));
				v.t.check();
				const disk = new Uint8Array(v.t.disks[1]!.sectors * 512);
				v.t.disks[1]!.pristine.read(0, disk);
				const again = new Vfs({ root: disk });
				for (const i of [0, 1]) {
					expect(again.cat(names[i]!)).toBe(Buffer.from(models[i]!).toString("latin1"));
				}
			},
		),
		{ numRuns: RUNS },
	);
});
