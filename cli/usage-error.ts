import { UserError } from "../machine/user-error.ts";

/** A command line that makes no sense, or a file that cannot be read or written. */
export class UsageError extends UserError {
	override readonly name = "UsageError";
}
