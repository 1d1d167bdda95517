/** What the host's compiler is to see before a guest runs. */
import { canCompile, type Engine } from "../machine/engine.ts";
import { Machine } from "../machine/machine.ts";

const RAM = 1 << 16;

/**
 * To be called once in a process or worker that runs guests with `engine`: they are faster then.
 * Only where all of the guest is interpreted is there anything to do.
 */
export function warmUpHost(engine: Engine = "auto"): void {
	if (engine !== "interp" && canCompile()) return;
	new Machine({ ramSize: RAM }).hart.interpreter.warmUp();
}
