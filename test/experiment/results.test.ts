/**
 * The experiments that come with uvmachine count what bench/results/ says: exactly, and on either
 * engine. A new number is committed with the reason for it (vitest -u writes the files).
 */
import { readyExperiments } from "../../cli/experiment-file.ts";
import { experimentsCount, LONG } from "../support/experiment-results.ts";

experimentsCount(readyExperiments().filter((name) => !LONG.includes(name)));
