/** What the protocol needs of whatever is debugged. */

/** Signal numbers as the protocol has them; those up to SIGSEGV are everybody's. */
export const GDB_SIGINT = 2;
export const GDB_SIGTRAP = 5;

export interface GdbThread {
	/** Positive. */
	readonly id: number;
	readonly name: string;
	/** A few words on what it does. */
	readonly info: string;
}

/** Kinds of Z and z packets. */
export type BreakKind = "software" | "hardware" | "write" | "read" | "access";

/** Why the target stands still. */
export type GdbStop =
	/** A step is done, or the debugger has asked for it (SIGINT), or a signal is about to strike. */
	| { readonly kind: "signal"; readonly thread: number; readonly signal: number }
	| { readonly kind: "breakpoint"; readonly thread: number; readonly hardware: boolean }
	| {
			readonly kind: "watchpoint";
			readonly thread: number;
			readonly type: "watch" | "rwatch" | "awatch";
			readonly address: number;
	  }
	/** Nothing is known of the time before. */
	| { readonly kind: "begin"; readonly thread: number }
	| { readonly kind: "exited"; readonly code: number }
	| { readonly kind: "killed"; readonly signal: number };

export interface GdbResume {
	readonly step: boolean;
	readonly reverse: boolean;
	/** Who is to make the step. */
	readonly thread: number;
	/** The signal to go on with; 0 takes back one that was about to strike. null: as it comes. */
	readonly signal: number | null;
}

export interface GdbTarget {
	/** The target description. */
	readonly xml: string;
	/** Registers that the packets g and G carry: 0 to this number. */
	readonly registerCount: number;
	/** Can it run backwards? */
	readonly reverse: boolean;
	/** Living threads; at least one as long as the target has not ended. */
	threads(): readonly GdbThread[];
	/** The thread that runs, or that ran last. */
	currentThread(): number;
	/** => null: no such register, or thread. */
	readRegister(thread: number, register: number): Uint8Array | null;
	/** => false: no such register, or it cannot be written, or the size is wrong. */
	writeRegister(thread: number, register: number, bytes: Uint8Array): boolean;
	/** => the bytes that can be read, up to the first that cannot. Changes nothing. */
	readMemory(thread: number, address: number, length: number): Uint8Array;
	/** => false, and perhaps a part is written. */
	writeMemory(thread: number, address: number, bytes: Uint8Array): boolean;
	/** => false: not possible. What is there already is no mistake, nor is what is gone. */
	insert(kind: BreakKind, address: number, length: number): boolean;
	remove(kind: BreakKind, address: number, length: number): boolean;
	/** From now on `run` goes on. */
	resume(how: GdbResume): void;
	/** Go on for some milliseconds. => null: it has not stopped. */
	run(): GdbStop | null;
	/** Stop at the next instruction. */
	interrupt(): void;
	/** A command that is not the protocol's. => what it says, lines ended by \n. */
	monitor(command: string): string;
	/** Something the user should read about the latest stop, or "". */
	notice(): string;
	/** The debugger has gone: no breakpoint is left. */
	detach(): void;
}
