/** The interface between the protocol and the machine that is debugged. */

/** Signal numbers of the protocol. */
export const GDB_SIGINT = 2;
export const GDB_SIGTRAP = 5;

export interface GdbThread {
	/** Positive. */
	readonly id: number;
	readonly name: string;
	/** A few words on its state. */
	readonly info: string;
}

/** Kinds of Z and z packets. */
export type BreakKind = "software" | "hardware" | "write" | "read" | "access";

/** Why the target has stopped. */
export type GdbStop =
	/** A step is done, the debugger has interrupted (SIGINT), or a signal will be delivered. */
	| { readonly kind: "signal"; readonly thread: number; readonly signal: number }
	| { readonly kind: "breakpoint"; readonly thread: number; readonly hardware: boolean }
	| {
			readonly kind: "watchpoint";
			readonly thread: number;
			readonly type: "watch" | "rwatch" | "awatch";
			readonly address: number;
	  }
	/** The beginning of the recorded history was reached. */
	| { readonly kind: "begin"; readonly thread: number }
	| { readonly kind: "exited"; readonly code: number }
	| { readonly kind: "killed"; readonly signal: number };

export interface GdbResume {
	readonly step: boolean;
	readonly reverse: boolean;
	/** The thread that steps. */
	readonly thread: number;
	/** The signal to deliver; 0 discards the one that was reported. null: deliver that one. */
	readonly signal: number | null;
}

export interface GdbTarget {
	/** The target description. */
	readonly xml: string;
	/** Registers that the packets g and G carry: 0 to this number. */
	readonly registerCount: number;
	/** Is reverse execution possible? */
	readonly reverse: boolean;
	/** Threads that have not ended; at least one until the target has ended. */
	threads(): readonly GdbThread[];
	/** The thread that is running, or that ran last. */
	currentThread(): number;
	/** => null if there is no such register or thread. */
	readRegister(thread: number, register: number): Uint8Array | null;
	/** => false if there is no such register, it is read-only, or the size is wrong. */
	writeRegister(thread: number, register: number, bytes: Uint8Array): boolean;
	/** => the bytes up to the first that cannot be read. Has no side effects. */
	readMemory(thread: number, address: number, length: number): Uint8Array;
	/** => false on failure; part of the bytes may have been written. */
	writeMemory(thread: number, address: number, bytes: Uint8Array): boolean;
	/** => false if it is not possible. Setting a point twice is not an error. */
	insert(kind: BreakKind, address: number, length: number): boolean;
	/** Removing a point that is not set is not an error. */
	remove(kind: BreakKind, address: number, length: number): boolean;
	/** Prepare to run; `run` does it. */
	resume(how: GdbResume): void;
	/** Run for some milliseconds. => null if the target has not stopped. */
	run(): GdbStop | null;
	/** Stop at the next instruction. */
	interrupt(): void;
	/** A command of the user to the target itself. => its output; each line ends in \n. */
	monitor(command: string): string;
	/** A message for the user about the latest stop, or "". Reading it clears it. */
	notice(): string;
	/** The debugger has gone: remove all breakpoints and watchpoints. */
	detach(): void;
}
