/**
 * A mistake of the user: a wrong option, argument or file. The message is one line that names it;
 * the command line prints it and exits with 2. Any other exception is a bug.
 */
export class UserError extends Error {
	override readonly name: string = "UserError";
}
