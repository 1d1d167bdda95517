/** A mistake of the user's: one line on stderr, exit code 2. */
export class UsageError extends Error {
	override readonly name = "UsageError";
}
