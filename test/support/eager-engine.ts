/** For tests that run on the compiling engine: every machine compiles what it executes. */
import { Hart } from "../../machine/hart.ts";

const { get, set } = Object.getOwnPropertyDescriptor(Hart.prototype, "engine")!;

Object.defineProperty(Hart.prototype, "engine", {
	configurable: true,
	get: get!,
	set(this: Hart, engine: string) {
		set!.call(this, engine === "auto" ? "jit" : engine);
	},
});
