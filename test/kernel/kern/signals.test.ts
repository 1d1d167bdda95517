/** Signals, waiting for children, and the end of processes, below user mode. */
import { beforeEach, describe, expect, it } from "vitest";
import { ltsleep, type Sleeps, wakeup } from "../../../kernel/kern/core/kern_synch.ts";
import { RLIMIT_SIGPENDING } from "../../../kernel/kern/core/rlimit.ts";
import {
	CLD_CONTINUED,
	CLD_STOPPED,
	SA_NOCLDSTOP,
	SIGCHLD,
	SIGCONT,
	SIGKILL,
	SIGSTOP,
	SIGTSTP,
	SIGUSR1,
	sigemptyset,
	sigfillset,
	sigisempty,
	sigmask,
} from "../../../kernel/kern/core/signal.ts";
import { file_new } from "../../../kernel/kern/proc/kern_descrip.ts";
import { psignal, sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { postsigs } from "../../../kernel/kern/proc/postsig.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EAGAIN, ECHILD, EINTR, EINVAL, EPERM, ESRCH } from "../../../sys/errno.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const HANDLER = 0x1234;

/** What a file sleeps on that takes its time to close. */
const SLOW_CLOSE = {};

let t: TestKernel;
let first: Agent;
let parent: Agent;
let child: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20 });
	first = Agent.create(t);
	parent = Agent.create(t);
	parent.syscall(SYS.mmap2, BASE, 4096, 3, 0x32, -1, 0);
	child = parent.run(() => parent.fork()) as Agent;
});

/** A call of the parent; the signals that it got meanwhile are forgotten, as nobody takes them. */
function* calm(call: Sleeps<number>): Sleeps<number> {
	const result = yield* call;
	sigclear(parent.p, sigfillset());
	return result;
}

const action = (sa_handler: number, sa_flags = 0): void => {
	parent.p.p_sigacts[SIGCHLD] = { sa_handler, sa_flags, sa_mask: sigemptyset() };
};

describe("wait", () => {
	it("finds the child that has ended, though SIGCHLD has come with it", () => {
		action(HANDLER);
		const wait = parent.start(() => calm(parent.call(SYS.wait4, -1, 0, 0, 0)));
		t.settle();
		child.end();
		expect(wait.result).toBe(child.p.p_pid);
		expect(parent.syscall(SYS.wait4, -1, 0, 0, 0)).toBe(-ECHILD);
	});

	it("is interrupted by a signal that has come alone", () => {
		action(HANDLER);
		const wait = parent.start(() => calm(parent.call(SYS.wait4, -1, 0, 0, 0)));
		t.settle();
		psignal(t.k, parent.p, SIGCHLD);
		t.settle();
		expect(wait.result).toBe(-EINTR);
	});
});

describe("a signal whose action is to ignore it", () => {
	it("stays if it is blocked", () => {
		parent.p.p_sigmask = sigmask(SIGCHLD);
		child.end();
		expect(parent.p.p_siglist).toEqual(sigmask(SIGCHLD));
	});

	it("wakes who waits for it in sigtimedwait", () => {
		parent.p.p_sigmask = sigmask(SIGCHLD);
		parent.run(() => parent.store(BASE, sigmask(SIGCHLD).lo));
		const wait = parent.start(() => parent.call(SYS.rt_sigtimedwait64, BASE, 0, 0, 8));
		t.settle();
		expect(wait.done).toBe(false);
		child.end();
		expect(wait.result).toBe(SIGCHLD);
		expect([parent.p.p_siglist, parent.p.p_sigwait]).toEqual([sigemptyset(), sigemptyset()]);
	});
});

describe("SIGCHLD of a child that stops and goes on", () => {
	const stop = (): void => {
		child.start(function* () {
			psignal(t.k, child.p, SIGSTOP);
			yield* postsigs(t.k, child.l);
		});
		t.settle();
	};
	const told = (): number | null => {
		const { p } = parent;
		const info = p.p_siginfo.find(({ ksi_signo }) => ksi_signo === SIGCHLD);
		sigclear(p, sigfillset());
		return info?.ksi_code ?? null;
	};

	beforeEach(() => {
		parent.p.p_sigmask = sigmask(SIGCHLD);
	});

	it("tells which of the two it was", () => {
		action(HANDLER);
		stop();
		expect(told()).toBe(CLD_STOPPED);
		psignal(t.k, child.p, SIGCONT);
		t.settle();
		expect(told()).toBe(CLD_CONTINUED);
	});

	it("does not come with SA_NOCLDSTOP; wait finds out nevertheless", () => {
		action(HANDLER, SA_NOCLDSTOP);
		stop();
		const [WNOHANG, WUNTRACED] = [1, 2];
		expect(parent.syscall(SYS.wait4, -1, 0, WNOHANG | WUNTRACED, 0)).toBe(child.p.p_pid);
		psignal(t.k, child.p, SIGCONT);
		t.settle();
		expect(told()).toBe(null);
		child.end();
		expect(told()).not.toBe(null);
	});
});

it("an orphaned group is stopped by SIGSTOP alone; any other by SIGTSTP, too", () => {
	const stop = (who: Agent, sig: number): number => {
		psignal(t.k, who.p, sig);
		who.start(() => postsigs(t.k, who.l) as Sleeps<void>);
		t.settle();
		const { p_stopsig } = who.p;
		psignal(t.k, who.p, SIGCONT);
		t.settle();
		return p_stopsig;
	};
	// The first process's parent is nobody; the child's is in its own group.
	expect([stop(child, SIGTSTP), stop(child, SIGSTOP)]).toEqual([0, SIGSTOP]);
	child.p.p_pgid = child.p.p_pid;
	expect(stop(child, SIGTSTP)).toBe(SIGTSTP);
});

it("who is killed while it forks leaves no child", () => {
	const before = t.k.procs.length;
	// fork sleeps for memory once.
	let refused = false;
	t.k.failinject = (what) => {
		if (what !== "page" || refused) return false;
		refused = true;
		psignal(t.k, parent.p, SIGKILL);
		return true;
	};
	const pid = parent.run(() => calm(parent.call(SYS.clone, SIGCHLD)));
	t.k.failinject = null;
	expect([pid, t.k.procs.length]).toEqual([-EAGAIN, before]);
	t.check();
});

it("tgkill wants both ids, and the right ones", () => {
	const { p_pid } = child.p;
	const tgkill = (tgid: number, tid: number): number => parent.syscall(SYS.tgkill, tgid, tid, 0);
	expect(tgkill(p_pid, p_pid)).toBe(0);
	expect([tgkill(0, p_pid), tgkill(p_pid, -1)]).toEqual([-EINVAL, -EINVAL]);
	expect([tgkill(parent.p.p_pid, p_pid), tgkill(99, 99)]).toEqual([-ESRCH, -ESRCH]);
});

it("a child may have any number as its signal: the parent gets none that there is not", () => {
	child.p.p_exitsig = 200;
	parent.p.p_sigmask = sigfillset();
	child.end();
	expect(child.p.p_lwp).toBe(null);
	expect(sigisempty(parent.p.p_siglist)).toBe(true);
});

it("the system halts when the last process has let go of everything, and not before", () => {
	const { k } = t;
	const SLOW = 7;
	k.fileops[SLOW] = {
		...k.fileops[0]!,
		*fo_close() {
			yield* ltsleep(k, SLOW_CLOSE, "close", 0, null);
		},
	};
	child.p.p_fd!.fd_ofiles[3] = { ...file_new(t.k, 0, null), f_type: SLOW };
	child.start(() => child.exit(0));
	t.settle();
	// All others end meanwhile.
	parent.start(() => parent.exit(0));
	first.start(() => first.exit(0));
	t.settle();
	expect(k.halted).toBe(false);
	wakeup(k, SLOW_CLOSE);
	expect(() => t.settle()).toThrow();
	expect(k.halted).toBe(true);
	expect(k.procs.filter((p) => p.p_vmspace !== null)).toEqual([]);
});

describe("real-time signals", () => {
	const RT = 40;
	const SI_QUEUE = -1;

	/** A siginfo_t for sigqueue: code, sender and value. */
	function* info(value: number, code = SI_QUEUE): Sleeps<void> {
		for (const [i, word] of [0, 0, code, 77, 0, value].entries()) {
			yield* parent.store(BASE + i * 4, word);
		}
	}
	const queue = (sig: number, value: number, pid = parent.p.p_pid, code = SI_QUEUE): number =>
		parent.run(function* () {
			yield* info(value, code);
			return yield* parent.call(SYS.rt_sigqueueinfo, pid, sig, BASE);
		});
	/** Take a signal of 33 to 64. => its number, and the value that came with it. */
	const take = (): [number, number | null] =>
		parent.run(function* () {
			for (const [i, word] of [0, -1, 0, 0, 0, 0].entries()) {
				yield* parent.store(BASE + 256 + i * 4, word);
			}
			const sig = yield* parent.call(SYS.rt_sigtimedwait64, BASE + 256, BASE, BASE + 264, 8);
			return [sig, yield* parent.load(BASE + 20)];
		});

	beforeEach(() => {
		parent.p.p_sigmask = sigmask(RT, RT + 1, 64, SIGUSR1);
		child.p.p_sigmask = parent.p.p_sigmask;
	});

	it("are queued each, and taken by number, those of a number in their order", () => {
		for (const [sig, value] of [
			[RT + 1, 1],
			[RT, 2],
			[64, 3],
			[RT, 4],
			[RT, 5],
		] as const) {
			expect(queue(sig, value)).toBe(0);
		}
		expect([take(), take(), take(), take(), take()]).toEqual([
			[RT, 2],
			[RT, 4],
			[RT, 5],
			[RT + 1, 1],
			[64, 3],
		]);
		expect(take()[0]).toBe(-EAGAIN);
		expect(sigisempty(parent.p.p_siglist)).toBe(true);
	});

	it("of the others, one is pending at a time: the first", () => {
		expect([queue(SIGUSR1, 6), queue(SIGUSR1, 7)]).toEqual([0, 0]);
		expect(parent.p.p_siginfo.map((i) => [i.ksi_signo, i.ksi_value])).toEqual([[SIGUSR1, 6]]);
	});

	it("are refused past RLIMIT_SIGPENDING, though kill still sends them", () => {
		parent.p.p_rlimit[RLIMIT_SIGPENDING] = { rlim_cur: 2, rlim_max: 2 };
		expect([queue(RT, 1), queue(RT, 2), queue(RT, 3)]).toEqual([0, 0, -EAGAIN]);
		expect(parent.syscall(SYS.kill, parent.p.p_pid, RT)).toBe(0);
	});

	it("another process gets none that claim to be of the kernel or of kill", () => {
		const { p_pid } = child.p;
		expect([queue(RT, 0, p_pid, 0), queue(RT, 0, p_pid, -6)]).toEqual([-EPERM, -EPERM]);
		expect(queue(RT, 0, p_pid)).toBe(0);
		expect(queue(65, 0)).toBe(-EINVAL);
		expect(queue(RT, 0, 999)).toBe(-ESRCH);
	});

	it("are forgotten, all of a number, when its action becomes to ignore them", () => {
		queue(RT, 1);
		queue(RT + 1, 2);
		queue(RT, 3);
		parent.run(() => parent.store(BASE, 1));
		expect(parent.syscall(SYS.rt_sigaction, RT, BASE, 0, 8)).toBe(0);
		expect(parent.p.p_siginfo.map((i) => i.ksi_value)).toEqual([2]);
		expect(parent.p.p_siglist).toEqual(sigmask(RT + 1));
	});
});

it("a child that asked for it gets a signal when its parent ends (PR_SET_PDEATHSIG)", () => {
	const PR_SET_PDEATHSIG = 1;
	child.p.p_sigmask = sigmask(SIGUSR1);
	expect(child.syscall(SYS.prctl, PR_SET_PDEATHSIG, 65)).toBe(-EINVAL);
	expect(child.syscall(SYS.prctl, PR_SET_PDEATHSIG, SIGUSR1)).toBe(0);
	parent.start(() => parent.exit(0));
	t.settle();
	expect(child.p.p_siglist).toEqual(sigmask(SIGUSR1));
});

it("wait for process INT_MIN is ESRCH: it has no negative", () => {
	expect(parent.syscall(SYS.wait4, -0x8000_0000, 0, 0, 0)).toBe(-ESRCH);
	expect(parent.syscall(SYS.kill, -0x8000_0000, 0)).toBe(-ESRCH);
	const [P_PID, P_PGID, WEXITED] = [1, 2, 4];
	expect(parent.syscall(SYS.waitid, P_PGID, -0x8000_0000, 0, WEXITED, 0)).toBe(-EINVAL);
	expect(parent.syscall(SYS.waitid, P_PID, 0, 0, WEXITED, 0)).toBe(-EINVAL);
});
