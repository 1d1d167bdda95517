/**
 * The compiling engine on streams that were compared with QEMU step by step. First everything
 * that can be compiled is, from each instruction on. Then the stream is run from its start to each
 * of its steps: compiled code is left after every instruction, and must have that step's registers.
 */
import type { JitCounts } from "../machine/jit/counts.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { loadInto, newMachine, type Step, stateOf } from "./ours.ts";
import { type ArchState, differences, memoryDifferences } from "./state.ts";
import type { Stream } from "./stream.ts";

/** Runs of the whole stream before anything else, so that all of it was executed. */
const WARM_RUNS = 2;

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

export class CompiledSide {
	readonly machine = newMachine("jit");

	/** What was compiled, and executed so, in all streams. */
	get counts(): JitCounts {
		return this.machine.hart.jit!.counts;
	}

	/** => the differences from `steps`, and after the last one from `end` and `ram` */
	check(stream: Stream, steps: readonly Step[], end: ArchState, ram: Uint8Array): string[] {
		const { machine } = this;
		const { hart, memory } = machine;
		loadInto(machine, stream);
		const start = machine.checkpoint();
		try {
			for (let i = 0; i < WARM_RUNS; i++) {
				machine.runBare(steps.length);
				machine.rollback(start);
			}
			for (let i = 0; i < steps.length; i++) {
				if (i > 0) machine.runBare(i);
				hart.jit!.compileHere();
				machine.rollback(start);
			}
			for (let i = 1; i <= steps.length; i++) {
				machine.runBare(i);
				const lines = this.#differs(steps[i - 1]!);
				if (lines.length > 0) return [`compiled, after step ${i - 1}:`, ...lines];
				if (i < steps.length) machine.rollback(start);
			}
			const lines = [
				...differences(end, stateOf(machine)),
				...memoryDifferences(ram, memory.ram8, RAM_BASE),
			];
			return lines.length === 0 ? [] : ["compiled, at the end:", ...lines.map(named)];
		} finally {
			machine.release(start);
		}
	}

	#differs({ after }: Step): string[] {
		const { x, pc } = this.machine.hart;
		const lines: string[] = [];
		for (let i = 0; i < 33; i++) {
			const value = i === 32 ? pc | 0 : x[i]!;
			if (value === after[i]) continue;
			const name = i === 32 ? "pc" : `x${i}`;
			lines.push(`${name}: stepped ${hex(after[i]!)}, compiled ${hex(value)}`);
		}
		return lines;
	}
}

const named = (line: string): string =>
	line.replace("ours", "stepped").replace("QEMU's", "compiled");
