/** Advisory locks against a model of bytes, and threads that wait for them. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { vnode } from "../../../kernel/fs/vnode.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import {
	fd_alloc,
	fd_close,
	fdcopy,
	fdfree,
	file_new,
} from "../../../kernel/kern/proc/kern_descrip.ts";
import { type proc, proc_create, proc_free } from "../../../kernel/kern/proc/kern_proc.ts";
import { psignal } from "../../../kernel/kern/proc/kern_sig.ts";
import {
	F_RDLCK,
	F_UNLCK,
	F_WRLCK,
	LF_EOF,
	lf_flock,
	lf_getlock,
	lf_setlock,
	type lockf,
} from "../../../kernel/kern/sys/vfs_lockf.ts";
import { EAGAIN, EDEADLK, EINTR, ENOLCK } from "../../../sys/errno.ts";
import { Vfs } from "../../support/vfs.ts";

const SIGKILL = 9;

let v: Vfs;
let vp: vnode;
beforeEach(() => {
	v = new Vfs();
	vp = v.vnode("/tmp/locked", O_CREAT | O_RDWR);
});

/** Another process, with a table of descriptors. */
function process(): proc {
	const p = proc_create(v.t.k, "other", null);
	p.p_fd = fdcopy(v.t.k, v.p.p_fd!)!;
	return p;
}

const lock = (p: proc, type: number, start: number, end: number): lockf => ({
	lf_type: type,
	lf_start: start,
	lf_end: end,
	lf_id: p.p_fd!,
	lf_pid: p.p_pid,
});

const set = (p: proc, type: number, start: number, end: number): number =>
	v.t.run(lf_setlock(v.t.k, vp, lock(p, type, start, end), false), p);
const wait = (p: proc, type: number, start: number, end: number) =>
	v.t.spawn(lf_setlock(v.t.k, vp, lock(p, type, start, end), true), p);

describe("record locks", () => {
	it("are what a table of bytes says, whatever is set and cleared", () => {
		const SIZE = 12;
		const op = fc.record({
			who: fc.nat(2),
			type: fc.constantFrom(F_RDLCK, F_WRLCK, F_UNLCK, F_UNLCK),
			start: fc.nat(SIZE - 1),
			length: fc.integer({ min: 1, max: SIZE }),
		});
		fc.assert(
			fc.property(fc.array(op, { maxLength: 30 }), (ops) => {
				const procs = [process(), process(), process()];
				const bytes = procs.map(() => new Array<number>(SIZE).fill(F_UNLCK));
				for (const { who, type, start, length } of ops) {
					const end = Math.min(start + length, SIZE) - 1;
					const taken = bytes.some(
						(own, i) =>
							i !== who &&
							own
								.slice(start, end + 1)
								.some((b) => b === F_WRLCK || (b === F_RDLCK && type === F_WRLCK)),
					);
					const refused = taken && type !== F_UNLCK;
					expect(set(procs[who]!, type, start, end)).toBe(refused ? EAGAIN : 0);
					if (!refused) bytes[who]!.fill(type, start, end + 1);
				}
				for (const [i, p] of procs.entries()) {
					for (let at = 0; at < SIZE; at++) {
						const others = bytes.filter((_, j) => j !== i).map((own) => own[at]!);
						const found = lf_getlock(vp, lock(p, F_WRLCK, at, at));
						expect(found !== null).toBe(others.some((b) => b !== F_UNLCK));
					}
					// Neighbours of one type are one lock.
					const own = (vp.v_lockf?.lf_records ?? []).filter((l) => l.lf_id === p.p_fd);
					const runs = bytes[i]!.filter((b, at) => b !== F_UNLCK && b !== bytes[i]![at - 1]).length;
					expect(own.length).toBe(runs);
				}
				for (const p of procs) set(p, F_UNLCK, 0, LF_EOF);
				expect(vp.v_lockf).toBe(null);
				for (const p of procs) {
					v.t.run(fdfree(v.t.k, p.p_fd!));
					proc_free(v.t.k, p);
				}
			}),
			{ numRuns: 200 },
		);
	});

	it("of a file are no more than 1,024", () => {
		for (let i = 0; i < 1024; i++) expect(set(v.p, F_WRLCK, 2 * i, 2 * i)).toBe(0);
		expect(set(v.p, F_WRLCK, 5000, 5000)).toBe(ENOLCK);
		expect(set(v.p, F_UNLCK, 0, LF_EOF)).toBe(0);
		expect(vp.v_lockf).toBe(null);
	});

	it("a circle of three is a deadlock, whoever closes it", () => {
		const [a, b, c] = [process(), process(), process()];
		for (const [i, p] of [a, b, c].entries()) expect(set(p, F_WRLCK, i, i)).toBe(0);
		const first = wait(a, F_WRLCK, 1, 1);
		const second = wait(b, F_WRLCK, 2, 2);
		v.t.settle();
		const last = wait(c, F_RDLCK, 0, 5);
		v.t.settle();
		expect(last.result).toBe(EDEADLK);
		expect([first.done, second.done]).toEqual([false, false]);
		set(c, F_UNLCK, 0, LF_EOF);
		v.t.settle();
		expect(second.result).toBe(0);
		v.run(fdfree(v.t.k, b.p_fd!));
		v.t.settle();
		// A process loses its locks only on files that it has open.
		expect(first.done).toBe(false);
	});

	it("two waiters: one is killed, the other still gets the lock when the owner closes", () => {
		const [a, b] = [process(), process()];
		const fp = file_new(v.t.k, O_RDWR, vp);
		vp.v_usecount++;
		const fd = fd_alloc(v.t.k, v.p, fp, 0, false);
		expect(set(v.p, F_WRLCK, 0, 9)).toBe(0);
		const first = wait(a, F_WRLCK, 0, 0);
		const second = wait(b, F_WRLCK, 9, LF_EOF);
		v.t.settle();
		psignal(v.t.k, a, SIGKILL);
		v.t.settle();
		expect([first.result, second.done]).toEqual([EINTR, false]);
		expect(v.t.k.vfs.lockwaits.length).toBe(1);
		v.p.p_fd!.fd_ofiles[fd] = null;
		v.run(fd_close(v.t.k, v.p.p_fd!, fp));
		v.t.settle();
		expect(second.result).toBe(0);
		expect(v.t.k.vfs.lockwaits).toEqual([]);
		expect(vp.v_lockf!.lf_records).toMatchObject([{ lf_start: 9, lf_pid: b.p_pid }]);
	});
});

describe("locks of whole files", () => {
	const flock = (fp: object, type: number): lockf => ({
		lf_type: type,
		lf_start: 0,
		lf_end: LF_EOF,
		lf_id: fp,
		lf_pid: -1,
	});

	it("readers that wait get in together, and a writer after the last", () => {
		const files = [0, 1, 2, 3].map(() => file_new(v.t.k, O_RDWR, vp));
		const { k } = v.t;
		const start = (i: number, type: number) =>
			v.t.spawn(lf_flock(k, vp, flock(files[i]!, type), true), process());
		const clear = (i: number) => v.run(lf_flock(k, vp, flock(files[i]!, F_UNLCK), false));
		const owner = start(0, F_WRLCK);
		v.t.settle();
		const readers = [start(1, F_RDLCK), start(2, F_RDLCK)];
		v.t.settle();
		expect([owner.done, ...readers.map((r) => r.done)]).toEqual([true, false, false]);
		clear(0);
		v.t.settle();
		expect(readers.map((r) => r.done)).toEqual([true, true]);
		const writer = start(3, F_WRLCK);
		v.t.settle();
		clear(1);
		v.t.settle();
		expect(writer.done).toBe(false);
		clear(2);
		v.t.settle();
		expect(writer.result).toBe(0);
	});
});
