/** A worker of a campaign: a thread that does one run at a time. */
import { parentPort, workerData } from "node:worker_threads";
import { warmUpHost } from "../computer/warm-up.ts";
import { Runner, type RunnerOptions, type RunPlan } from "./run/runner.ts";

const options = workerData as RunnerOptions;
warmUpHost(options.workload.options.engine);
const runner = new Runner(options);

parentPort?.on("message", (plan: RunPlan) => parentPort?.postMessage(runner.run(plan)));
