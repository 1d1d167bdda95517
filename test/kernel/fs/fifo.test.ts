/** FIFOs: who waits in open, who is woken, and what is left behind. */
import { beforeEach, describe, expect, it } from "vitest";
import { fifo_open } from "../../../kernel/fs/fifo_vnops.ts";
import { VOP, type vnode, vref, vrele } from "../../../kernel/fs/vnode.ts";
import { pool_take } from "../../../kernel/kern/core/subr_pool.ts";
import { type file, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../kernel/kern/proc/file.ts";
import { closef, FOP } from "../../../kernel/kern/proc/kern_descrip.ts";
import { type proc, proc_create } from "../../../kernel/kern/proc/kern_proc.ts";
import { psignal } from "../../../kernel/kern/proc/kern_sig.ts";
import { EINTR, ENXIO } from "../../../sys/errno.ts";
import { bytes, made, Vfs } from "../../support/vfs.ts";

let v: Vfs;
let vp: vnode;
beforeEach(() => {
	v = new Vfs();
	const { k } = v.t;
	const tmp = v.vnode("/tmp");
	const fifo = v.run(VOP(k, tmp).vop_create(k, tmp, "fifo", made("VFIFO", 0o644)));
	if (typeof fifo === "number") throw new Error(`errno ${fifo}`);
	vp = fifo;
});

const process = (): proc => proc_create(v.t.k, "other", null);

/** Open it as a program would. */
function open(flag: number, p = process()) {
	vref(vp);
	pool_take(v.t.k, v.t.k.pools.filepl);
	return v.t.spawn(fifo_open(v.t.k, vp, flag), p);
}

const file_of = (result: file | number): file => {
	if (typeof result === "number") throw new Error(`errno ${result}`);
	return result;
};
const close = (fp: file): void => v.run(closef(v.t.k, fp));
const write = (fp: file, text: string): number =>
	v.t.run(FOP(v.t.k, fp).fo_write(v.t.k, v.p, fp, bytes(text)), v.p);
function read(fp: file, size = 100): string {
	const into = new Uint8Array(size);
	const n = v.t.run(FOP(v.t.k, fp).fo_read(v.t.k, v.p, fp, into), v.p);
	return n < 0 ? `errno ${-n}` : String.fromCharCode(...into.subarray(0, n));
}

describe("opening", () => {
	it("one writer lets in all readers that wait", () => {
		const readers = [open(O_RDONLY), open(O_RDONLY)];
		v.t.settle();
		expect(readers.map((r) => r.done)).toEqual([false, false]);
		const writer = open(O_WRONLY);
		v.t.settle();
		expect([writer, ...readers].map((r) => r.done)).toEqual([true, true, true]);
		expect(vp.v_fifo!.pipe_openers).toEqual([]);
		expect(vp.v_fifo!.pipe_readers).toBe(2);
		for (const opened of [writer, ...readers]) close(file_of(opened.result));
		expect([vp.v_fifo!.pipe_readers, vp.v_fifo!.pipe_writers, vp.v_usecount]).toEqual([0, 0, 2]);
	});

	it("a reader that waits has met a writer that is gone again", () => {
		const reader = open(O_RDONLY);
		v.t.settle();
		const writer = open(O_WRONLY | O_NONBLOCK);
		const both = v.t.spawn(
			(function* () {
				while (!writer.done) yield {};
			})(),
		);
		v.t.settle();
		expect(both.done).toBe(true);
		const fp = file_of(writer.result);
		expect(write(fp, "left")).toBe(4);
		close(fp);
		v.t.settle();
		const rp = file_of(reader.result);
		expect(read(rp)).toBe("left");
		expect(read(rp)).toBe("");
		close(rp);
	});

	it("of two readers one is interrupted: it no longer counts, the other still waits", () => {
		const p = process();
		const [first, second] = [open(O_RDONLY, p), open(O_RDONLY)];
		v.t.settle();
		psignal(v.t.k, p, 9);
		v.t.settle();
		expect([first.result, second.done]).toEqual([EINTR, false]);
		v.run(vrele(v.t.k, vp));
		expect(vp.v_fifo!.pipe_readers).toBe(1);
		const writer = open(O_WRONLY | O_NONBLOCK);
		v.t.settle();
		expect([typeof writer.result, second.done]).toEqual(["object", true]);
	});

	it("to write without waiting needs a reader, and leaves nothing behind", () => {
		const writer = open(O_WRONLY | O_NONBLOCK);
		v.t.settle();
		expect(writer.result).toBe(ENXIO);
		expect(vp.v_fifo!.pipe_writers).toBe(0);
	});
});

describe("contents", () => {
	it("stay for the next reader while a writer is left, and go with the last end", () => {
		const reader = open(O_RDONLY | O_NONBLOCK);
		const writer = open(O_WRONLY);
		v.t.settle();
		const fp = file_of(writer.result);
		expect(write(fp, "kept")).toBe(4);
		close(file_of(reader.result));
		const again = open(O_RDONLY);
		v.t.settle();
		expect(read(file_of(again.result), 2)).toBe("ke");
		close(file_of(again.result));
		close(fp);
		expect(vp.v_fifo!.pipe_buffer.length).toBe(0);
		const fresh = open(O_RDONLY | O_NONBLOCK);
		v.t.settle();
		expect(read(file_of(fresh.result))).toBe("");
	});

	it("two readers that sleep are both told of the end", () => {
		const [a, b] = [open(O_RDONLY | O_NONBLOCK), open(O_RDONLY | O_NONBLOCK)];
		const writer = open(O_WRONLY);
		v.t.settle();
		const { k } = v.t;
		const sleeping = [a, b].map((opened) => {
			const fp = file_of(opened.result);
			fp.f_flag = O_RDONLY;
			return v.t.spawn(FOP(k, fp).fo_read(k, v.p, fp, new Uint8Array(5)), process());
		});
		v.t.settle();
		expect(sleeping.map((s) => s.done)).toEqual([false, false]);
		close(file_of(writer.result));
		v.t.settle();
		expect(sleeping.map((s) => s.result)).toEqual([0, 0]);
	});
});
