/** Who may use the console, who waits for it, and the plain stream of bytes. */
import { describe, expect, it } from "vitest";
import { cnhangup, cnwaiting, cons_sessionend } from "../../../kernel/dev/cons.ts";
import {
	ECHO,
	FIONREAD,
	TCGETS,
	TCSETS,
	TIOCGPGRP,
	TIOCGWINSZ,
	TIOCSCTTY,
	TIOCSPGRP,
	TOSTOP,
} from "../../../kernel/dev/termios.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import {
	SIG_IGN,
	SIGHUP,
	SIGINT,
	SIGTTIN,
	SIGTTOU,
	sigemptyset,
	sigfillset,
	sigmask,
} from "../../../kernel/kern/core/signal.ts";
import { O_NONBLOCK, POLLHUP, POLLIN } from "../../../kernel/kern/proc/file.ts";
import { sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { EAGAIN, EINTR, EIO, ENOTTY } from "../../../sys/errno.ts";
import { TestKernel } from "../../support/kernel.ts";
import { BUFFER, Program, pending, terminal } from "../../support/terminal.ts";

describe("job control", () => {
	/** A shell in the foreground, and a job of it in the background. */
	function background(): { t: TestKernel; shell: Program; job: Program } {
		const { t, program: shell } = terminal();
		const job = new Program(t, shell.proc);
		job.proc.p_pgid = job.proc.p_pid;
		return { t, shell, job };
	}

	it("a background read raises SIGTTIN, and gives EIO where that is ignored", () => {
		const { t, job } = background();
		t.type("for the shell\n");
		expect(job.read()).toBe(-EINTR);
		expect(pending(job.proc, SIGTTIN)).toBe(true);
		sigclear(job.proc, sigfillset());
		job.proc.p_sigacts[SIGTTIN] = { sa_handler: SIG_IGN, sa_flags: 0, sa_mask: sigemptyset() };
		expect(job.read()).toBe(-EIO);
	});

	it("a group that nobody could continue is not stopped", () => {
		const { job, shell } = background();
		shell.proc.p_pgid = job.proc.p_pgid;
		expect(job.read()).toBe(-EIO);
	});

	it("a background write raises SIGTTOU only if TOSTOP asks for it", () => {
		const { shell, job } = background();
		expect(job.write("x")).toBe(1);
		shell.attributes(0, TOSTOP);
		expect(job.write("x")).toBe(-EINTR);
		expect(pending(job.proc, SIGTTOU)).toBe(true);
	});

	it("a background change of attributes raises SIGTTOU, unless that is blocked", () => {
		const { job } = background();
		expect(job.attributes(ECHO, 0)).toBe(-EINTR);
		expect(pending(job.proc, SIGTTOU)).toBe(true);
		sigclear(job.proc, sigfillset());
		job.proc.p_sigmask = sigmask(SIGTTOU);
		expect(job.attributes(ECHO, 0)).toBe(0);
	});

	it("keys that send signals reach the foreground only", () => {
		const { t, shell, job } = background();
		shell.putInt(TIOCSPGRP, job.proc.p_pgid);
		t.type("\x03");
		expect(pending(job.proc, SIGINT)).toBe(true);
		expect(pending(shell.proc, SIGINT)).toBe(false);
	});
});

describe("the end of a session", () => {
	it("comes with its leader: the foreground is told, and the terminal is free", () => {
		const { t, program: shell } = terminal();
		const job = new Program(t, shell.proc);
		job.proc.p_pgid = job.proc.p_pid;
		shell.putInt(TIOCSPGRP, job.proc.p_pgid);
		cons_sessionend(t.k, job.proc);
		expect(shell.int(TIOCGPGRP)).toBe(job.proc.p_pgid);
		cons_sessionend(t.k, shell.proc);
		expect(pending(job.proc, SIGHUP)).toBe(true);
		expect(shell.int(TIOCGPGRP)).toBe(-ENOTTY);
		expect(new Program(t).int(TIOCGPGRP)).toBeGreaterThan(0);
	});
});

describe("who waits", () => {
	it("a terminal always waits: any key may be ^C. It ends when the line hangs up", () => {
		const { t, program } = terminal();
		expect(cnwaiting(t.k)).toBe(true);
		const reader = program.reading();
		cnhangup(t.k);
		t.settle();
		// The end of input comes together with SIGHUP, and goes before it.
		expect(reader.result).toBe("");
		sigclear(program.proc, sigfillset());
		expect(program.read()).toBe("");
		expect(program.poll(POLLIN)).toBe(POLLIN | POLLHUP);
		expect(cnwaiting(t.k)).toBe(false);
	});

	it("a plain console waits for who reads, and for who polls", () => {
		const t = new TestKernel();
		const program = new Program(t);
		expect(cnwaiting(t.k)).toBe(false);
		const reader = program.reading(2);
		expect(cnwaiting(t.k)).toBe(true);
		t.type("abc");
		expect(reader.result).toBe("ab");
		expect(program.read()).toBe("c");
		function* poll(): Sleeps<number> {
			for (;;) {
				const ready = program.poll(POLLIN);
				if (ready !== 0) return ready;
				yield* ltsleep(t.k, t.k.selwait, "select", 0, null);
			}
		}
		const poller = t.spawn(poll(), program.proc);
		t.settle();
		expect(cnwaiting(t.k)).toBe(true);
		t.type("d");
		expect(poller.result).toBe(POLLIN);
		expect(cnwaiting(t.k)).toBe(false);
	});
});

describe("a plain console", () => {
	it("changes no byte, echoes nothing, and is no terminal", () => {
		const t = new TestKernel();
		const program = new Program(t);
		const all = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => i));
		t.type(all);
		expect(t.console.text).toBe("");
		expect(program.int(FIONREAD)).toBe(128);
		expect(program.read(200)).toBe(all);
		expect(program.write("a\nb\x03")).toBe(4);
		expect(t.console.text).toBe("a\nb\x03");
		for (const cmd of [TCGETS, TCSETS, TIOCGWINSZ, TIOCGPGRP, TIOCSCTTY]) {
			expect(program.ioctl(cmd, BUFFER)).toBe(-ENOTTY);
		}
		expect(program.read(10, O_NONBLOCK)).toBe(-EAGAIN);
	});

	it("ends when the line hangs up, after what was received before", () => {
		const t = new TestKernel();
		const program = new Program(t);
		t.type("last");
		cnhangup(t.k);
		expect(program.poll(POLLIN)).toBe(POLLIN);
		expect(program.read()).toBe("last");
		expect(program.read()).toBe("");
		expect(program.poll(POLLIN)).toBe(POLLIN | POLLHUP);
		expect(cnwaiting(t.k)).toBe(false);
	});
});
