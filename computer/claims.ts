/** Interrupts that were claimed at the PLIC, by device. */
import { MEMORY_MAP } from "../devices/memory-map.ts";

const SOURCES: readonly (readonly [name: string, source: number])[] = [
	["uart", MEMORY_MAP.uart.irq],
	["rtc", MEMORY_MAP.rtc.irq],
	...MEMORY_MAP.virtio.map(({ irq }, slot) => [`virtio${slot}`, irq] as const),
];

/** `counts` and `before` are Plic.claims. => every source's, whether or not the device is there. */
export const claimsReport = (
	counts: Float64Array,
	before?: Float64Array,
): Readonly<Record<string, number>> =>
	Object.fromEntries(
		SOURCES.map(([name, source]) => [name, counts[source]! - (before?.[source] ?? 0)]),
	);
