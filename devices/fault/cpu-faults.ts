/** Faults of the hart. */
import type { WordHash } from "../../machine/hash.ts";
import {
	type Armed,
	change,
	drawMask,
	type Family,
	type FaultHost,
	firstOf,
	hex,
	range,
	WORD_MAX,
} from "./fault-host.ts";
import type { MachineRule } from "./machine-rule.ts";

export class CpuFaults implements Family {
	readonly #host: FaultHost;
	readonly waits = false;

	constructor(host: FaultHost) {
		this.#host = host;
	}

	check(rule: MachineRule): string {
		switch (rule.model) {
			case "cpu.register":
				return firstOf(
					range("register", rule.params.register, 1, 31),
					range("mask", rule.params.mask, 1, WORD_MAX),
				);
			case "cpu.pc": {
				const { mask = 2 } = rule.params;
				const works = range("", mask, 2, WORD_MAX) === "" && mask % 2 === 0;
				return works ? "" : `mask ${mask}: must be 2 to ${WORD_MAX - 1}, and even`;
			}
			default:
				return "";
		}
	}

	connect(): void {}

	strike(armed: Armed): boolean {
		const { hart } = this.#host.machine;
		const { rule, arming } = armed;
		const ordinal = arming.candidates;
		const choose = (field: string, n: number) => this.#host.draw(armed, ordinal, field, n);
		if (rule.model === "cpu.register") {
			const register = rule.params.register ?? 1 + choose("register", 31);
			const mask = rule.params.mask ?? drawMask(1, 32, choose);
			const before = hart.x[register]!;
			const target = `x${register} mask ${hex(mask)}`;
			if (this.#host.acts(armed, target, change(before, before ^ mask))) {
				hart.x[register] = before ^ mask;
			}
		} else if (rule.model === "cpu.pc") {
			const mask = rule.params.mask ?? 2 << choose("bit", 20);
			const before = hart.pc;
			if (this.#host.acts(armed, `pc mask ${hex(mask)}`, change(before, before ^ mask))) {
				hart.pc = (before ^ mask) >>> 0;
			}
		}
		return true;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	save(): undefined {}

	restore(): void {}

	hashInto(_hash: WordHash): void {}
}
