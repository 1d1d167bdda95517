/**
 * Driver for the platform-level interrupt controller (RISC-V PLIC specification 1.0.0). Context 1
 * is S-mode of hart 0.
 */
import type { Kernel } from "../kernel.ts";

const PLIC_PRIORITY = 0;
const PLIC_ENABLE_S = 0x2080;
const PLIC_THRESHOLD_S = 0x20_1000;
const PLIC_CLAIM_S = 0x20_1004;

/** The handler of an interrupt source: a driver, by its tag, and a unit. */
export interface intrhand {
	readonly ih_driver: "com" | "ld";
	readonly ih_unit: number;
}

export interface plic {
	readonly base: number;
	/** By interrupt source. */
	readonly handlers: (intrhand | null)[];
}

export function plic_attach(k: Kernel, base: number): void {
	k.port.store(base + PLIC_THRESHOLD_S, 4, 0);
	k.plic = { base, handlers: [] };
}

/** Enable source `irq`, handled by `ih`. */
export function intr_establish(k: Kernel, irq: number, ih: intrhand): void {
	const { base, handlers } = k.plic!;
	while (handlers.length <= irq) handlers.push(null);
	handlers[irq] = ih;
	k.port.store(base + PLIC_PRIORITY + irq * 4, 4, 1);
	const word = base + PLIC_ENABLE_S + (irq >>> 5) * 4;
	k.port.store(word, 4, (k.port.load(word, 4) | (1 << (irq & 31))) >>> 0);
}

/** The pending source of the highest priority, now claimed, or 0. */
export const plic_claim = (k: Kernel): number => k.port.load(k.plic!.base + PLIC_CLAIM_S, 4);

export const plic_complete = (k: Kernel, irq: number): void =>
	k.port.store(k.plic!.base + PLIC_CLAIM_S, 4, irq);
