/**
 * How the software side reports its own bugs. Guest mistakes and device errors never come here:
 * they are errno values, signals and statuses.
 */

/** A broken assumption of the kernel. Only the runner catches it. */
export class Panic extends Error {
	override readonly name = "Panic";
}

export function panic(message: string): never {
	throw new Panic(message);
}

/** => `message` is a literal: it is built even when the condition holds. */
export function KASSERT(condition: boolean, message: string): asserts condition {
	if (!condition) throw new Panic(message);
}
