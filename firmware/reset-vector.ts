/**
 * The boot ROM, as on QEMU's `virt` board: instructions that jump to the software in RAM with
 * a0 = hart number, a1 = device tree, a2 = fw_dynamic info for OpenSBI.
 */
import { PRIV_S } from "../machine/hart-state.ts";

/** OpenSBI's fw_dynamic.h: "OSBI", and the version without boot_hart. */
const FW_DYNAMIC_INFO_MAGIC = 0x4942_534f;
const FW_DYNAMIC_INFO_VERSION = 2;

const CODE = [
	0x0000_0297, // auipc t0, 0
	0x0282_8613, // addi  a2, t0, 40: the fw_dynamic info
	0xf140_2573, // csrr  a0, mhartid
	0x0202_a583, // lw    a1, 32(t0)
	0x0182_a283, // lw    t0, 24(t0)
	0x0002_8067, // jr    t0
];

/** => physical addresses: where to jump, the device tree, and the firmware's next stage or 0. */
export function resetVector(start: number, deviceTree: number, next: number): Uint8Array {
	const words = [
		...CODE,
		start,
		0,
		deviceTree,
		0,
		FW_DYNAMIC_INFO_MAGIC,
		FW_DYNAMIC_INFO_VERSION,
		next,
		PRIV_S,
		0, // options
		0,
	];
	return new Uint8Array(Uint32Array.from(words).buffer);
}
