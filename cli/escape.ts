/** Keys that are meant for uvmachine and not for the guest: Ctrl-A and one more, as in QEMU. */

const CTRL_A = 0x01;

export const ESCAPE_HELP = [
	"Ctrl-A H       this help",
	"Ctrl-A S       save a snapshot (with --save)",
	"Ctrl-A X       leave uvmachine",
	"Ctrl-A Ctrl-A  send Ctrl-A to the guest",
];

/** What keys have come to. */
export interface Keys {
	/** For the guest. */
	readonly bytes: Uint8Array;
	readonly leave: boolean;
	readonly help: boolean;
	readonly save: boolean;
}

export class EscapeKeys {
	/** Ctrl-A was the last key. */
	#escaped = false;

	/** => a key that means nothing after Ctrl-A is dropped; so is what comes after the last one. */
	take(input: Uint8Array): Keys {
		const bytes: number[] = [];
		let help = false;
		let save = false;
		for (const key of input) {
			if (!this.#escaped) {
				if (key === CTRL_A) this.#escaped = true;
				else bytes.push(key);
				continue;
			}
			this.#escaped = false;
			const name = String.fromCharCode(key).toLowerCase();
			if (key === CTRL_A) bytes.push(key);
			else if (name === "h" || name === "?") help = true;
			else if (name === "s") save = true;
			else if (name === "x") return { bytes: Uint8Array.from(bytes), leave: true, help, save };
		}
		return { bytes: Uint8Array.from(bytes), leave: false, help, save };
	}
}
