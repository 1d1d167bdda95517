/** Compiled code that crosses pages, against the interpreter at every cycle. */
import { expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import { Machine } from "../../../machine/machine.ts";
import { CODE_MAP, RAM_BASE } from "../../../machine/memory.ts";
import { REGION } from "../../../machine/op.ts";
import { encode } from "../../isa/assembler.ts";

/** A loop over the end of a page; its head is in the first one. */
function build(engine: Engine): Machine {
	const machine = new Machine({ ramSize: 0x1_0000, engine });
	const head = RAM_BASE + 4096 - 8;
	const words = [
		encode("addi", { rd: 8, rs1: 8, imm: 1 }),
		encode("addi", { rd: 9, rs1: 9, imm: 2 }),
		encode("addi", { rd: 10, rs1: 10, imm: 3 }),
		encode("jal", { rd: 0, imm: -12 }),
	];
	words.forEach((word, i) => {
		machine.dma.store32(head + 4 * i, word);
	});
	machine.hart.reset(head);
	return machine;
}

it("the page being executed is the interpreter's wherever the cycles end", () => {
	for (let cycles = 1; cycles < 200; cycles += 5) {
		const [compiled, interpreted] = [build("jit"), build("interp")];
		compiled.runBare(cycles);
		interpreted.runBare(cycles);
		expect(compiled.stateHash(), `after ${cycles} cycles`).toBe(interpreted.stateHash());
	}
	const { hart, memory } = build("jit");
	hart.slice(200);
	const slot = memory.i32[CODE_MAP]! + 0xff8;
	expect(memory.i32[slot]! & 0xff).toBe(REGION);
});

it("a place that could not be compiled is compiled when its page holds other code", () => {
	const machine = new Machine({ ramSize: 0x1_0000, engine: "jit" });
	const run = (...words: readonly number[]): void => {
		words.forEach((word, i) => {
			machine.dma.store32(RAM_BASE + 4 * i, word);
		});
		machine.reset(RAM_BASE);
		machine.runBare(1000);
	};
	const back = encode("jal", { rd: 0, imm: -4 });
	run(encode("csrrs", { rd: 8, imm: 0x301 }), back);
	expect(machine.hart.jit!.counts.functions).toBe(0);
	run(encode("addi", { rd: 8, rs1: 8, imm: 1 }), back);
	expect(machine.hart.jit!.counts.instructions).toBeGreaterThan(500);
});
