/** The TLB by itself; translation.test.ts compares it with a model. */
import { expect, it } from "vitest";
import { Memory } from "../../machine/memory.ts";
import { Mirror } from "../../machine/mirror.ts";
import { FENCE_ALL } from "../../machine/port.ts";
import { Tlb } from "../../machine/tlb.ts";

function newTlb(): Tlb {
	const memory = new Memory(0x1_0000);
	return new Tlb(memory, new Mirror(memory, { storing() {} }), { entries: 16, ways: 4 });
}

it("that was restored is fenced by address space", () => {
	const before = newTlb();
	for (const asid of [3, 5]) {
		for (let vpn = 0; vpn < 4; vpn++) before.fill(vpn, false, false, asid, 1);
		before.fill(8, false, true, asid, 1);
	}
	const tlb = newTlb();
	tlb.fill(7, false, false, 9, 1);
	tlb.restore(before.words());
	tlb.fence(FENCE_ALL, 5);
	expect(tlb.list().filter(({ asid }) => asid === 3)).toHaveLength(5);
	const left = tlb.list().filter(({ asid }) => asid !== 3);
	expect(left).toEqual([expect.objectContaining({ vpn: 8, global: true, asid: 5 })]);
});
