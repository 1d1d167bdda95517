/** What the host's compiler is to see before a guest runs. */
import { Machine } from "../machine/machine.ts";

const RAM = 1 << 16;

/** To be called once in a process or worker that runs guests: they are faster then. */
export function warmUpHost(): void {
	new Machine({ ramSize: RAM }).hart.interpreter.warmUp();
}
