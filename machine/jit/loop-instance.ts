/** The interpreter's loop that is emitted, for a memory. */
import type { Memory } from "../memory.ts";
import { loopBytes } from "./loop-bytes.ts";

/** => `memory` is one of WebAssembly. => STOP_* of each run */
export function loopOf({ wasm: m }: Memory): () => number {
	const module = new WebAssembly.Module(loopBytes());
	return new WebAssembly.Instance(module, { e: { m } }).exports["0"] as () => number;
}
