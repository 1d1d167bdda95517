/** What a machine keeps about its RAM, found by looking at all of it. */
import { Machine } from "../../machine/machine.ts";
import type { SparsePages } from "../../machine/sparse-pages.ts";

/** The pages that are not zero. */
export function scanPages({ memory }: Machine): SparsePages {
	const zeros = new Uint8Array(4096);
	const numbers: number[] = [];
	for (let page = 0; page * 4096 < memory.ramSize; page++) {
		const contents = memory.ram8.subarray(page * 4096, (page + 1) * 4096);
		if (Buffer.compare(contents, zeros) !== 0) numbers.push(page);
	}
	const words = new Int32Array(numbers.length * 1024);
	for (const [i, page] of numbers.entries()) {
		words.set(memory.ram32.subarray(page * 1024, (page + 1) * 1024), i * 1024);
	}
	return { numbers: Int32Array.from(numbers), words };
}

/** The state hash of a new machine with the same contents: nothing is known about its pages. */
export function scratchHash(machine: Machine): string {
	const fresh = new Machine(machine.config);
	fresh.restore({ ...machine.save(), ram: scanPages(machine) });
	return fresh.stateHash();
}
