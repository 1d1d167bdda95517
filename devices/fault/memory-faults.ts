/** Faults of memory. */
import type { WordHash } from "../../machine/hash.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import {
	type Armed,
	change,
	drawMask,
	type Family,
	type FaultHost,
	firstOf,
	hex,
	notBoth,
	range,
	WORD_MAX,
} from "./fault-host.ts";
import type { MachineRule, RuleOf } from "./machine-rule.ts";
import type { MemoryFlip } from "./memory-rule.ts";

/** Bytes that a mask for the byte at an address and those after it reaches. */
const bytesOfMask = (mask: number): number => Math.ceil((32 - Math.clz32(mask)) / 8);

export class MemoryFaults implements Family {
	readonly #host: FaultHost;
	readonly waits = false;

	constructor(host: FaultHost) {
		this.#host = host;
	}

	check(rule: MachineRule): string {
		return rule.model === "memory.flip" ? this.#checkFlip(rule.params) : "";
	}

	connect(): void {}

	strike(armed: Armed): boolean {
		const { rule } = armed;
		if (rule.model === "memory.flip") this.#flip(armed, rule);
		return true;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	save(): undefined {}

	restore(): void {}

	hashInto(_hash: WordHash): void {}

	#checkFlip({ pa, mask, bits }: MemoryFlip): string {
		const wrong = firstOf(
			range("mask", mask, 1, WORD_MAX),
			range("bits", bits, 1, 8),
			notBoth("mask", mask, "bits", bits),
		);
		if (wrong !== "" || pa === undefined) return wrong;
		const { dma } = this.#host.machine;
		const bytes = mask === undefined ? 1 : bytesOfMask(mask);
		return dma.contains(pa, bytes) ? "" : `pa 0x${pa.toString(16)}: not in RAM`;
	}

	#flip(armed: Armed, { params }: RuleOf<"memory.flip">): void {
		const { memory, dma } = this.#host.machine;
		const ordinal = armed.arming.candidates;
		const choose = (field: string, n: number) => this.#host.draw(armed, ordinal, field, n);
		const pa = params.pa ?? RAM_BASE + choose("pa", memory.ramSize);
		const mask = params.mask ?? drawMask(params.bits ?? 1, 8, choose);
		const bytes = new Uint8Array(bytesOfMask(mask));
		dma.read(pa, bytes);
		const before = bytes.reduceRight((value, byte) => value * 256 + byte, 0);
		bytes.forEach((_, i) => {
			bytes[i]! ^= mask >>> (8 * i);
		});
		const target = `ram ${hex(pa)} mask ${hex(mask)}`;
		if (this.#host.acts(armed, target, change(before, before ^ mask))) dma.write(pa, bytes);
	}
}
