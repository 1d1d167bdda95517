/** What is said about the engine that a user has asked for. */
import { canCompile, type Engine } from "../index.ts";

/** Where code cannot be compiled, "auto" interprets, and says so once. */
export function noteEngine({
	engine,
	quiet,
}: {
	readonly engine: Engine;
	readonly quiet: boolean;
}): void {
	if (engine !== "auto" || quiet || canCompile()) return;
	process.stderr.write("uvmachine: no WebAssembly here: guest code is interpreted\n");
}
