/** Pages have the same hash with WebAssembly and without it. */
import { expect, it } from "vitest";
import { Memory, RAM_OFFSET } from "../../machine/memory.ts";
import { PageHash } from "../../machine/page-hash.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import { Prng } from "../../machine/prng.ts";

const PAGES = 64;

it("vector instructions hash pages as JavaScript does", () => {
	const memory = new Memory(PAGES * PAGE_SIZE);
	const scripted = Object.create(memory, { wasm: { value: null } }) as Memory;
	const [compiled, script] = [new PageHash(memory), new PageHash(scripted)];
	const prng = new Prng(3);
	const seen = new Set<number>();
	for (let page = 0; page < PAGES; page++) {
		const first = (RAM_OFFSET + page * PAGE_SIZE) >> 2;
		// None, one, or about 3^n words: the first ones and the last ones of a page among them.
		for (let n = page % 9 === 0 ? 0 : 3 ** (page % 9); n > 0; n--) {
			memory.i32[first + prng.below(PAGE_SIZE / 4)] = prng.uint32();
		}
		if (page === 1) memory.i32[first] = 1;
		if (page === 2) memory.i32[first + PAGE_SIZE / 4 - 1] = 1;
		expect(compiled.of(page)).toBe(page % 9 !== 0);
		expect(script.of(page)).toBe(page % 9 !== 0);
		if (page % 9 === 0) continue;
		expect([compiled.first, compiled.second]).toEqual([script.first, script.second]);
		seen.add(compiled.first);
	}
	expect(seen.size).toBe(PAGES - Math.ceil(PAGES / 9));
});
