/** Experiments that take long count what bench/results/ says, as in results.test.ts. */
import { experimentsCount, LONG } from "../support/experiment-results.ts";

experimentsCount(LONG);
