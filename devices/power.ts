/**
 * Power switch and reset button: the "sifive_test" finisher of QEMU's `virt` board. One 32-bit
 * register at offset 0; the low half says what to do, the high half is the exit code of a failure.
 * The rest of its page reads as zero and ignores stores.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";

export const FINISHER_FAIL = 0x3333;
export const FINISHER_PASS = 0x5555;
export const FINISHER_RESET = 0x7777;

export interface PowerRequest {
	readonly kind: "pass" | "fail" | "reset";
	/** 0 for pass and reset, 0..0xffff for fail. */
	readonly code: number;
}

export class Power implements MmioDevice {
	readonly #request: (request: PowerRequest) => void;

	/** => `request` is called inside the guest's store. */
	constructor(request: (request: PowerRequest) => void) {
		this.#request = request;
	}

	load(_offset: number, width: Width): number {
		return width >= 2 ? 0 : ACCESS_FAULT;
	}

	/** A half-word store works too: the code is then 0. Other values have no effect. */
	store(offset: number, width: Width, value: number): boolean {
		if (width < 2) return false;
		if (offset !== 0) return true;
		switch (value & 0xffff) {
			case FINISHER_PASS:
				this.#request({ kind: "pass", code: 0 });
				break;
			case FINISHER_RESET:
				this.#request({ kind: "reset", code: 0 });
				break;
			case FINISHER_FAIL:
				this.#request({ kind: "fail", code: (value >>> 16) & 0xffff });
				break;
		}
		return true;
	}
}
