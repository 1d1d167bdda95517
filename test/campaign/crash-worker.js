/** A worker that fails in some runs, as the engine of a host may. */
import { parentPort, workerData } from "node:worker_threads";
import { Runner } from "../../dist/campaign/run/runner.js";

const runner = new Runner(workerData);

parentPort.on("message", (plan) => {
	switch (plan.rules[0].when.hit) {
		case 2:
			throw new Error("planted");
		case 3:
			for (;;);
		case 5:
			process.exit(9);
	}
	parentPort.postMessage(runner.run(plan));
});
