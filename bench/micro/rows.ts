/** All micro-benchmarks, in the order of the table. */
import { FAULT_ROWS } from "./fault-rows.ts";
import { MACHINE_ROWS } from "./machine-rows.ts";
import { MAP_ROWS } from "./map-rows.ts";
import { MEMORY_ROWS } from "./memory-rows.ts";
import type { MicroRow } from "./micro.ts";
import { PMAP_ROWS } from "./pmap-rows.ts";

export const MICRO_ROWS: readonly MicroRow[] = [
	...PMAP_ROWS,
	...MEMORY_ROWS,
	...FAULT_ROWS,
	...MAP_ROWS,
	...MACHINE_ROWS,
];
