/**
 * UVMHIST (uvm_stat.h): a ring of the latest events inside UVM, kept only when asked for.
 * When it is off a call site costs one comparison.
 */
import type { Kernel } from "../../kernel.ts";

export interface uvm_history_ent {
	readonly cycle: number;
	readonly lid: number;
	readonly fn: string;
	readonly message: string;
	readonly args: readonly number[];
}

export interface uvm_history {
	readonly size: number;
	/** Next place to write; `count` events were logged so far. */
	next: number;
	count: number;
	readonly entries: uvm_history_ent[];
}

/** The functions that log events. */
export const UVMHIST_FUNCTIONS: readonly string[] = [
	"swapcluster_put",
	"uao_get",
	"uao_set_swslot",
	"uvm_fault",
	"uvm_swap_io",
	"uvm_swap_markbad",
	"uvn_io",
];

export const uvmhist_init = (size: number): uvm_history => ({
	size,
	next: 0,
	count: 0,
	entries: [],
});

/** Log one event of function `fn`. => callers test `k.uvmhist !== null` first. */
export function UVMHIST_LOG(k: Kernel, fn: string, message: string, ...args: number[]): void {
	const h = k.uvmhist;
	if (h === null) return;
	h.entries[h.next] = { cycle: k.port.cycles, lid: k.curlwp.l_lid, fn, message, args };
	h.next = (h.next + 1) % h.size;
	h.count++;
	k.watch.event?.(fn, message);
}

/** The events still in the ring as lines, oldest first. */
export function uvmhist_dump(h: uvm_history): string[] {
	const lines: string[] = [];
	const n = h.entries.length;
	const first = n < h.size ? 0 : h.next;
	for (let i = 0; i < n; i++) {
		const e = h.entries[(first + i) % n]!;
		const args = e.args.map((a) => `0x${(a >>> 0).toString(16)}`).join(" ");
		lines.push(`${e.cycle} lwp${e.lid} ${e.fn}: ${e.message} ${args}`.trimEnd());
	}
	return lines;
}
