/** What executes guest code. Guests cannot tell the difference but by the host's clock. */

/**
 * - "auto": the interpreter; code that is hot is compiled, where the host has WebAssembly
 * - "interp": the interpreter alone
 * - "jit": all code is compiled as soon as it was executed once
 */
export type Engine = "auto" | "interp" | "jit";

/** Can code be compiled here? */
export const canCompile = (): boolean => typeof WebAssembly !== "undefined";
