/** The compiling engine on streams, against our own steps, with which QEMU agrees. */
import { expect, it } from "vitest";
import { CompiledSide } from "../../conformance/compiled.ts";
import { generate, MODES } from "../../conformance/generator.ts";
import { OurSide } from "../../conformance/ours.ts";

/** Streams of each mode. */
const STREAMS = 12;

it.each(Object.keys(MODES))("%s: compiled code can be left after each instruction", (mode) => {
	const ours = new OurSide();
	const compiled = new CompiledSide();
	for (let seed = 0; seed < STREAMS; seed++) {
		const stream = generate(mode, seed);
		const steps = ours.run(stream);
		const lines = compiled.check(stream, steps, ours.state(), ours.ram);
		expect(lines, `seed ${seed}`).toEqual([]);
	}
	expect(compiled.counts.functions).toBeGreaterThan(0);
	expect(compiled.counts.instructions).toBeGreaterThan(100);
});
