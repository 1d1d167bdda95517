/**
 * A process of its own, for the benchmark of the start-up: it prints the milliseconds from its
 * start until a guest instruction had retired. Its argument is the engine.
 */
import { createSystem, type Engine } from "../index.ts";
import { workload } from "./guests.ts";

const engine = process.argv[2] as Engine;
const system = createSystem({ program: "hello", image: workload("hello"), engine });
while (system.machine.hart.counters.instret === 0) {
	system.run(system.machine.clock.cycles + 1);
}
// The host's clock counts from the start of the process.
process.stdout.write(String(performance.now()));
