/** A worker of an experiment: a thread that measures one point at a time. */
import { parentPort } from "node:worker_threads";
import { measurePoint, type Task } from "./conduct.ts";

parentPort?.on("message", async (task: Task) => parentPort?.postMessage(await measurePoint(task)));
