/** What the interpreter's loop does before the first guest. */
import { expect, it } from "vitest";
import { CODE, H_PC, Memory, RAM_OFFSET } from "../../machine/memory.ts";
import { OP } from "../../machine/op.ts";
import { warmUp } from "../../machine/warm-up.ts";

it("executes every operation of the loop, and leaves memory as it was", () => {
	const memory = new Memory(1 << 16);
	const { i32, u8 } = memory;
	for (const at of [5, 40, CODE + 2, (RAM_OFFSET >> 2) + 3]) i32[at] = at;
	const before = Buffer.from(u8);
	const seen = new Set<number>();
	warmUp(memory, () => {
		seen.add(i32[CODE]! & 0xff);
		i32[7] = i32[H_PC] = -1;
		u8[RAM_OFFSET + 0x100] = 1;
	});
	const own = Array.from({ length: OP.AMO }, (_, i) => i + 1);
	expect([...seen].sort((a, b) => a - b)).toEqual([...own, OP.CSR]);
	expect(before.equals(u8)).toBe(true);
});
