/**
 * Processes without programs: a test has them make system calls and touch their memory, as if a
 * program did. Everything below user mode is real.
 */

import { type lwp, lwp_create } from "../../kernel/kern/core/kern_lwp.ts";
import {
	LSSLEEP,
	type Sleeps,
	setrunnable,
	tsleep,
	wakeup,
} from "../../kernel/kern/core/kern_synch.ts";
import { copyin, copyout } from "../../kernel/kern/proc/copy.ts";
import { fdinit } from "../../kernel/kern/proc/kern_descrip.ts";
import { exit1, exited } from "../../kernel/kern/proc/kern_exit.ts";
import { type proc, proc_create } from "../../kernel/kern/proc/kern_proc.ts";
import { syscall_handler } from "../../kernel/kern/sys/syscall.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import { uvmspace_alloc } from "../../kernel/uvm/uvm_map.ts";
import type { vm_map } from "../../kernel/uvm/uvm_map_entry.ts";
import { VM_MAXUSER_ADDRESS, VM_MIN_ADDRESS } from "../../sys/vmparam.ts";
import type { TestKernel } from "./kernel.ts";

/** clone's flags for fork: SIGCHLD. */
const FORK = 17;

/** Thrown in a job of a process that has ended (Agent.stops). */
const ENDED = Symbol("ended");

/** The result of a job of an agent. */
export interface Job<T> {
	readonly done: boolean;
	/** => throws if the job is not done. */
	readonly result: T;
}

export class Agent {
	readonly t: TestKernel;
	readonly p: proc;
	readonly #pid: number;
	readonly l: lwp;
	/** Its children, also those that have ended. */
	readonly children: Agent[] = [];
	/** A job goes no further when the process ends for want of memory. */
	stops = false;
	#jobs: (() => Sleeps<void>)[] = [];

	private constructor(t: TestKernel, p: proc, l: lwp) {
		this.t = t;
		this.p = p;
		this.#pid = p.p_pid;
		this.l = l;
	}

	/** A process with an empty address space. */
	static create(t: TestKernel): Agent {
		const { k } = t;
		const p = proc_create(k, "agent", null);
		p.p_vmspace = uvmspace_alloc(k, VM_MIN_ADDRESS, VM_MAXUSER_ADDRESS);
		p.p_fd = fdinit(k);
		const l = lwp_create(k, "agent", p, null);
		p.p_lwp = l;
		const agent = new Agent(t, p, l);
		l.l_kernel = agent.#loop();
		setrunnable(k, l);
		t.settle();
		return agent;
	}

	get map(): vm_map {
		return this.p.p_vmspace!.vm_map;
	}

	get alive(): boolean {
		// The record may be another one's by now.
		return this.p.p_pid === this.#pid && this.p.p_exit === null;
	}

	*#loop(): Sleeps<void> {
		const { k } = this.t;
		while (this.alive) {
			const job = this.#jobs.shift();
			try {
				if (job !== undefined) yield* job();
				else yield* tsleep(k, this, "agent", 0);
			} catch (e) {
				if (e !== ENDED) throw e;
			}
		}
	}

	/** Have the process do something; it happens in the next `settle`. */
	start<T>(body: () => Sleeps<T>): Job<T> {
		let done = false;
		let result: T;
		this.#jobs.push(function* () {
			result = yield* body();
			done = true;
		});
		wakeup(this.t.k, this);
		return {
			get done() {
				return done;
			},
			get result() {
				if (!done) throw new Error("the process still sleeps, or has ended");
				return result;
			},
		};
	}

	/** Have the process do something, to its end. */
	run<T>(body: () => Sleeps<T>): T {
		const job = this.start(body);
		this.t.settle();
		return job.result;
	}

	/** A system call by number. Sleeps. */
	*call(number: number, ...args: number[]): Sleeps<number> {
		const a = new Uint32Array(6);
		a.set(args);
		const result = syscall_handler(number)!(this.t.k, this.p, a);
		// `-errno` of success is minus zero.
		return (typeof result === "number" ? result : yield* result) + 0;
	}

	/** A system call, to its end. => its result, or -errno (NetBSD's). */
	syscall(number: number, ...args: number[]): number {
		return this.run(() => this.call(number, ...args));
	}

	/** Store a word. => 0, or an errno. Out of memory, the process ends. Sleeps. */
	*store(va: number, value: number): Sleeps<number> {
		const error = yield* copyout(
			this.t.k,
			this.map,
			new Uint8Array(new Int32Array([value]).buffer),
			va,
		);
		return yield* this.#touched(error);
	}

	/** Load a word. => it, or null if that is not allowed. Sleeps. */
	*load(va: number): Sleeps<number | null> {
		const word = new Int32Array(1);
		const error = yield* copyin(this.t.k, this.map, va, new Uint8Array(word.buffer));
		return (yield* this.#touched(error)) === 0 ? word[0]! : null;
	}

	/** Store a string and a zero behind it. => as store, of the last word. Sleeps. */
	*string(va: number, text: string): Sleeps<number> {
		let error = 0;
		for (let i = 0; i <= text.length && error === 0; i += 4) {
			let word = 0;
			for (let b = 3; b >= 0; b--) word = (word << 8) | (text.charCodeAt(i + b) || 0);
			error = yield* this.store(va + i, word);
		}
		return error;
	}

	*#touched(error: number): Sleeps<number> {
		if (this.l.l_nomem < 0) return error;
		yield* exit1(this.t.k, this.p, exited(137));
		if (this.stops) throw ENDED;
		return error;
	}

	/** Make a child. => it, or an errno. Sleeps. */
	*fork(): Sleeps<Agent | number> {
		const { k } = this.t;
		const pid = yield* this.call(SYS.clone, FORK);
		if (pid < 0) return -pid;
		const p = k.procs.find((q) => q.p_pid === pid)!;
		const l = p.p_lwp!;
		// Instead of going on in user mode, where there is no program, it waits for jobs.
		const queue = k.runuser;
		if (queue.head !== l || queue.tail !== l) throw new Error("agents have company");
		queue.head = queue.tail = null;
		l.l_stat = LSSLEEP;
		const child = new Agent(this.t, p, l);
		l.l_kernel = child.#loop();
		setrunnable(k, l);
		this.children.push(child);
		return child;
	}

	/** End this process and all of its children, and theirs. */
	end(): void {
		for (const child of this.children) child.end();
		if (!this.alive) return;
		this.start(() => this.exit(0));
		this.t.settle();
	}

	/** End the process. Sleeps. */
	*exit(code: number): Sleeps<void> {
		yield* exit1(this.t.k, this.p, exited(code));
	}
}
