/** A worker of the benchmark matrix: runs one machine at a time. */
import { parentPort } from "node:worker_threads";
import { warmUpHost } from "../index.ts";
import { type GuestRun, runGuest } from "./guests.ts";

warmUpHost();
parentPort?.on("message", (run: GuestRun) => parentPort?.postMessage(runGuest(run)));
