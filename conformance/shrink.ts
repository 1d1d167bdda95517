/**
 * Finds the shortest stream that still shows a difference, by delta debugging (Zeller, Hildebrandt,
 * "Simplifying and isolating failure-inducing input") of its items, then of its registers, CSRs and
 * memory.
 */
import { CSR } from "../machine/csr-numbers.ts";
import type { Stream } from "./stream.ts";

/** => does the stream still show a difference? */
export type Fails = (stream: Stream) => Promise<boolean>;

/** Remove as many elements of `list` as possible while the rest still fails. */
async function minimise<T>(
	list: readonly T[],
	fails: (rest: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
	let rest = list;
	let size = Math.ceil(rest.length / 2);
	while (size >= 1 && rest.length > 0) {
		let removed = false;
		for (let at = 0; at < rest.length; ) {
			const without = [...rest.slice(0, at), ...rest.slice(at + size)];
			if (await fails(without)) {
				rest = without;
				removed = true;
			} else at += size;
		}
		if (size === 1 && !removed) break;
		size = size === 1 ? 1 : Math.ceil(size / 2);
	}
	return rest;
}

/** Set as many of `values`, in groups of `width`, to zero as possible. */
async function zero(
	values: readonly number[],
	width: number,
	fails: (values: readonly number[]) => Promise<boolean>,
): Promise<readonly number[]> {
	const places = Array.from({ length: values.length / width }, (_, i) => i).filter((i) =>
		values.slice(width * i, width * i + width).some((value) => value !== 0),
	);
	const only = (kept: readonly number[]): number[] =>
		values.map((value, i) => (kept.includes(Math.floor(i / width)) ? value : 0));
	return only(await minimise(places, (kept) => fails(only(kept))));
}

/** Without these, a stream that begins in S-mode or U-mode could not execute anything. */
const KEPT_CSRS: readonly number[] = [CSR.mtvec, CSR.pmpaddr0 + 15, CSR.pmpcfg0 + 3];

/** => `stream` must fail, and its difference show after `steps` steps. The result fails too. */
export async function shrink(stream: Stream, steps: number, fails: Fails): Promise<Stream> {
	let best = stream;
	const attempt = async (change: Partial<Stream>): Promise<boolean> => {
		const changed = { ...best, ...change };
		if (!(await fails(changed))) return false;
		best = changed;
		return true;
	};
	await attempt({ steps });
	const keep = async <T>(list: readonly T[], change: (rest: readonly T[]) => Partial<Stream>) => {
		await minimise(list, (rest) => attempt(change(rest)));
	};
	const parts = best.items.flatMap(({ words }) => words.map((word) => ({ words: [word] })));
	await keep(best.items, (items) => ({ items }));
	if (best.items.length < parts.length) {
		const words = best.items.flatMap((item) => item.words.map((word) => ({ words: [word] })));
		if (await attempt({ items: words })) await keep(words, (items) => ({ items }));
	}
	await zero(best.x, 1, (x) => attempt({ x }));
	await zero(best.f, 2, (f) => attempt({ f }));
	const all = best.csrs;
	const free = all.filter(([csr, value]) => value !== 0 && !KEPT_CSRS.includes(csr));
	await keep(free, (rest) => ({
		csrs: all.map((write) =>
			free.includes(write) && !rest.includes(write) ? [write[0], 0] : write,
		),
	}));
	await keep(best.memory, (memory) => ({ memory }));
	return best;
}
