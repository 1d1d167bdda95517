/** Pipes (sys/kern/sys_pipe.c). */

/** One end of a pipe. */
export interface pipe {
	readonly pipe_peer: pipe | null;
}
