/** Runs a stream on both machines, step by step, and compares them. */

import { CSR } from "../machine/csr-numbers.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { CompiledSide } from "./compiled.ts";
import { newMachine, type OurSide, runWhole, type Step, stateOf } from "./ours.ts";
import { Qemu } from "./qemu.ts";
import { differences, memoryDifferences } from "./state.ts";
import type { Stream } from "./stream.ts";

/** Where the two machines disagree. */
export interface Difference {
	/** The step after which they differ; -1 for the initial state. */
	readonly step: number;
	readonly steps: readonly Step[];
	/** One line for each value that differs. */
	readonly lines: readonly string[];
}

export interface Outcome {
	readonly steps: number;
	readonly difference: Difference | null;
}

/** The L bits of pmpcfg: QEMU must be restarted to clear them. */
const LOCKS = 0x8080_8080;

export class Lockstep {
	readonly #ours: OurSide;
	readonly #whole = newMachine();
	/** null: the compiling engine is not compared. */
	readonly compiled: CompiledSide | null;
	#qemu: Qemu;
	#locked = false;

	private constructor(ours: OurSide, qemu: Qemu, compiled: boolean) {
		this.compiled = compiled ? new CompiledSide() : null;
		this.#ours = ours;
		this.#qemu = qemu;
	}

	/** => `compiled`: the compiling engine is compared as well, after every step. */
	static async start(ours: OurSide, compiled = false): Promise<Lockstep> {
		return new Lockstep(ours, await Qemu.start(), compiled);
	}

	stop(): void {
		this.#qemu.stop();
	}

	/** => `thorough`: compare all state after each step, not only the x registers and pc. */
	async run(stream: Stream, thorough = false): Promise<Outcome> {
		const ours = this.#ours;
		if (this.#locked) {
			this.#qemu.stop();
			this.#qemu = await Qemu.start();
			this.#locked = false;
		}
		const steps = ours.run(stream);
		this.#locked = hasLocks(ours) || hasInitialLocks(stream);
		const found = thorough ? await this.#thorough(stream, steps) : await this.#quick(stream, steps);
		return { steps: steps.length, difference: found };
	}

	async #quick(stream: Stream, steps: readonly Step[]): Promise<Difference | null> {
		await this.#qemu.load(stream);
		for (const [i, step] of steps.entries()) {
			const lines = await this.#step(step);
			if (lines.length > 0) return { step: i, steps, lines };
		}
		const ours = this.#ours;
		const lines = [
			...(await this.#compare()),
			...this.#compareWhole(stream, steps.length),
			...(this.compiled?.check(stream, steps, ours.state(), ours.ram) ?? []),
		];
		return lines.length === 0 ? null : { step: steps.length - 1, steps, lines };
	}

	async #thorough(stream: Stream, steps: readonly Step[]): Promise<Difference | null> {
		const ours = this.#ours;
		ours.load(stream);
		await this.#qemu.load(stream);
		for (let i = -1; i < steps.length; i++) {
			if (i >= 0) ours.step();
			const stepped = i < 0 ? [] : await this.#step(steps[i]!);
			const lines = [...stepped, ...(await this.#compare())];
			if (lines.length > 0) return { step: i, steps, lines };
		}
		return null;
	}

	/** Step QEMU and apply the fixup. => the differences. */
	async #step(step: Step): Promise<string[]> {
		const qemu = this.#qemu;
		if (step.irq >= 0) await qemu.step();
		const after = await qemu.step();
		const lines: string[] = [];
		const { fixup } = step;
		if (fixup !== null) {
			if (fixup.x >= 0) {
				after[fixup.x] = step.after[fixup.x]!;
				await qemu.setX(fixup.x, after[fixup.x]!);
			}
			const values = await qemu.csrs(fixup.csrs.map(({ csr }) => csr));
			for (const [i, { csr, mask, value, always }] of fixup.csrs.entries()) {
				const theirs = values[i]!;
				if (theirs === value && !always) continue;
				if (((theirs ^ value) & mask) !== 0) {
					lines.push(`csr ${csr.toString(16)}: ours ${hex(value)}, QEMU's ${hex(theirs)}`);
				}
				await qemu.setCsr(csr, value);
			}
			if (fixup.flush) await qemu.flush();
		}
		for (let i = 0; i < 33; i++) {
			if (after[i] === step.after[i]) continue;
			const name = i === 32 ? "pc" : `x${i}`;
			lines.push(`${name}: ours ${hex(step.after[i]!)}, QEMU's ${hex(after[i]!)}`);
		}
		return lines;
	}

	/** Our machine must reach the same state if it runs the whole stream at once. */
	#compareWhole(stream: Stream, steps: number): string[] {
		const machine = this.#whole;
		runWhole(machine, stream, steps);
		return [
			...differences(this.#ours.state(), stateOf(machine)),
			...memoryDifferences(this.#ours.ram, machine.memory.ram8, RAM_BASE),
		].map(
			(line) =>
				`our own runs differ: ${line.replace("ours", "stepped").replace("QEMU's", "at once")}`,
		);
	}

	async #compare(): Promise<string[]> {
		const theirs = await this.#qemu.state();
		return [
			...differences(this.#ours.state(), theirs),
			...memoryDifferences(this.#ours.ram, this.#qemu.readRam(), RAM_BASE),
		];
	}
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

function hasLocks(ours: OurSide): boolean {
	const { csrs } = ours.machine.hart;
	return [0, 1, 2, 3].some((i) => (csrs.read(CSR.pmpcfg0 + i) & LOCKS) !== 0);
}

function hasInitialLocks(stream: Stream): boolean {
	return stream.csrs.some(
		([csr, value]) => csr >= CSR.pmpcfg0 && csr < CSR.pmpcfg0 + 4 && (value & LOCKS) !== 0,
	);
}
