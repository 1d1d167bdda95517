/** A worker of the benchmark matrix: runs one machine at a time. */
import { parentPort } from "node:worker_threads";
import { warmUpHost } from "../index.ts";
import { type GuestRun, runGuest } from "./guests.ts";

let isFirst = true;

parentPort?.on("message", (run: GuestRun) => {
	// All runs of a worker are on the same engine.
	if (isFirst) warmUpHost(run.engine);
	isFirst = false;
	parentPort?.postMessage(runGuest(run));
});
