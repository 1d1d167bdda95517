/** The options of `--gdb`. What serves a debugger is loaded when one is wanted. */
const DEFAULT_GDB_PORT = 1234;

export interface GdbFlags {
	/** The port; true for the default, 0 for any that is free. */
	readonly gdb?: number | true;
	/** Does the machine stand still until a debugger lets it run? */
	readonly gdbWait: boolean;
	readonly maxCycles?: number;
}

/** => the port, or null if no debugger is wanted. */
export const gdbPort = ({ gdb }: GdbFlags): number | null =>
	gdb === undefined ? null : gdb === true ? DEFAULT_GDB_PORT : gdb;
