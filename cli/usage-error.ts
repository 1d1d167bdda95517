import { UserError } from "../index.ts";

/** A wrong command line, or a file that cannot be read or written. */
export class UsageError extends UserError {
	override readonly name = "UsageError";
}
