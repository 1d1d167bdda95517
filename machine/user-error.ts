/**
 * A mistake of whoever uses uvmachine: a wrong option, argument or file. The message is one line
 * that names what is wrong; the command line prints it and exits with 2. Everything else that is
 * thrown is a bug.
 */
export class UserError extends Error {
	override readonly name: string = "UserError";
}
