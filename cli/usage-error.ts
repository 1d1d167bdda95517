/** Errors that end uvmachine with one line. */
import { UserError } from "../index.ts";

/** A wrong command line, or a file that cannot be read or written. */
export class UsageError extends UserError {
	override readonly name = "UsageError";
}

/** The reader is gone, or the disk is full. */
export const writeFailure = (error: Error): UsageError =>
	new UsageError(`output: cannot be written (${(error as NodeJS.ErrnoException).code})`);
