/** The value of `--faults`. What reads a plan is loaded when there is one. */

/** Whether it is a rule or a plan itself, and not the name of a file. */
export const isPlanText = (argument: string): boolean => /^\s*\{/.test(argument);

/** The file that it names, if it does. */
export const planFile = (argument: string | undefined): string | undefined =>
	argument === undefined || isPlanText(argument) ? undefined : argument;
