/** Memory that belongs to a device (bus_space(9)). */
import type { Kernel } from "../../kernel.ts";

const WORD = 4;

/**
 * Fill `bytes` from device memory at physical address `pa`, or copy them there (`out`): by words
 * where they are aligned, otherwise by bytes.
 * => charges a cycle for each access. The device accepts accesses of one and of four bytes.
 */
export function bus_space_copy(k: Kernel, pa: number, bytes: Uint8Array, out: boolean): void {
	const { port } = k;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	let accesses = 0;
	for (let at = 0; at < bytes.length; accesses++) {
		const wide = (pa + at) % WORD === 0 && at + WORD <= bytes.length;
		if (wide && out) port.store(pa + at, 4, view.getUint32(at, true));
		else if (wide) view.setUint32(at, port.load(pa + at, 4), true);
		else if (out) port.store(pa + at, 1, bytes[at]!);
		else bytes[at] = port.load(pa + at, 1);
		at += wide ? WORD : 1;
	}
	port.charge(accesses);
}
