/** The files that have generated parts. */
import { cases } from "./cases.ts";
import { results } from "./results.ts";

export const FILES: readonly { readonly path: string; lines(): readonly string[] }[] = [
	{ path: "machine/interpreter.ts", lines: cases },
	{ path: "machine/results.ts", lines: results },
];
