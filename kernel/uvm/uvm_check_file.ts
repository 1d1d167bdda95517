/** Invariants 2, 4 and 11 for objects of files and devices. */
import { round_page } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { memq_length } from "./uvm_check_page.ts";
import { PQ_SWAPBACKED } from "./uvm_page.ts";

export function check_files(k: Kernel, quiet: boolean, wrong: string[]): void {
	for (const uvn of k.uvm.uvn_list) {
		const { pages, markers } = memq_length(uvn.memq_first);
		if (pages !== uvn.uo_npages) wrong.push("4: uo_npages is not the length of memq");
		if (quiet && markers > 0) wrong.push("2: a place holder is left in memq");
		if (quiet && uvn.uo_refs === 0) wrong.push("11: a file's object without references exists");
		for (let pg = uvn.memq_first; pg !== null; pg = pg.listq_next) {
			if (pg.offset >= round_page(uvn.u_size)) wrong.push("4: a page lies outside of its file");
			if ((pg.pqflags & PQ_SWAPBACKED) !== 0) wrong.push("4: a file's page is marked as swapped");
		}
	}
	for (const udv of k.uvm.udv_list) {
		if (udv.uo_npages !== 0) wrong.push("4: a device's object has pages");
		if (udv.uo_refs === 0) wrong.push("11: a device's object without references exists");
	}
}
