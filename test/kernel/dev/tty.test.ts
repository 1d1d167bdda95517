/** Terminals: line editing, echo, signals, raw reads, attributes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CDEV_CONS } from "../../../kernel/dev/conf.ts";
import {
	ECHO,
	FIONREAD,
	ICANON,
	ISIG,
	NOFLSH,
	TCGETS,
	TCSETS,
	TCSETSF,
	TIOCGPGRP,
	TIOCGSID,
	TIOCGWINSZ,
	TIOCNOTTY,
	TIOCSCTTY,
	TIOCSPGRP,
	TIOCSWINSZ,
	VMIN,
	VTIME,
} from "../../../kernel/dev/termios.ts";
import { ttyresize } from "../../../kernel/dev/tty.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import {
	SIGINT,
	SIGQUIT,
	SIGTSTP,
	SIGWINCH,
	sigemptyset,
	sigfillset,
	sigisempty,
} from "../../../kernel/kern/core/signal.ts";
import { O_NONBLOCK, POLLIN, POLLOUT } from "../../../kernel/kern/proc/file.ts";
import { proc_create } from "../../../kernel/kern/proc/kern_proc.ts";
import { sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { EAGAIN, EINTR, EINVAL, ENOTTY, EPERM } from "../../../sys/errno.ts";
import type { TestKernel } from "../../support/kernel.ts";

import { Program, pending, terminal } from "../../support/terminal.ts";

const DECISECOND = 100_000_000;

/** What a screen of one line shows after `output`, up to the last newline and behind it. */
function screen(output: string): { lines: string[]; current: string } {
	const lines: string[] = [];
	let line: string[] = [];
	let column = 0;
	for (const c of output) {
		if (c === "\n") lines.push(line.join("").trimEnd());
		if (c === "\n") line = [];
		if (c === "\r" || c === "\n") column = 0;
		else if (c === "\b") column--;
		else if (c === "\t") column = (column | 7) + 1;
		else line[column++] = c;
		for (let i = 0; i < column; i++) line[i] ??= " ";
	}
	return { lines, current: line.join("").trimEnd() };
}

describe("lines", () => {
	it("a line is read when it is complete, and echoed", () => {
		const { t, program } = terminal();
		const reader = program.reading();
		t.type("hel");
		expect(reader.done).toBe(false);
		t.type("lo\r");
		expect(reader.result).toBe("hello\n");
		expect(t.console.text).toBe("hello\r\n");
	});

	it("a read takes one line at most, and what it has no room for stays", () => {
		const { t, program } = terminal();
		t.type("one\ntwo\nthree\n");
		expect(program.read()).toBe("one\n");
		expect(program.read(2)).toBe("tw");
		expect(program.int(FIONREAD)).toBe(2 + 6);
		expect(program.read()).toBe("o\n");
		expect(program.read()).toBe("three\n");
		expect(program.read(10, O_NONBLOCK)).toBe(-EAGAIN);
	});

	it("^D gives a partial line, and alone the end of the file, once", () => {
		const { t, program } = terminal();
		t.type("ab\x04\x04next\n");
		expect(program.read(2)).toBe("ab");
		expect(program.read()).toBe("");
		expect(program.read()).toBe("next\n");
	});

	it.each([
		["DEL", "abc\x7f\x7fd\n", "ad\n", "ad"],
		["^H", "abc\b\bd\n", "ad\n", "ad"],
		["DEL in an empty line", "\x7f\x7fa\n", "a\n", "a"],
		["^U", "abc def\x15x\n", "x\n", "x"],
		["^W", "abc def  \x17x\n", "abc x\n", "abc x"],
		["^W in an empty line", "\x17x\n", "x\n", "x"],
		["^V before DEL", "a\x16\x7fb\x7f\x7fc\n", "ac\n", "ac"],
		["erasing a tab", "ab\tc\x7f\x7fd\n", "abd\n", "abd"],
		["erasing a control character", "a\x01\x7fb\n", "ab\n", "ab"],
		["erasing a character of two bytes", "aü\x7fb\n", "ab\n", "ab"],
		["control characters are shown", "a\x01\n", "a\x01\n", "a^A"],
		["cursor keys are shown, and do nothing", "a\x1b[Ab\n", "a\x1b[Ab\n", "a^[[Ab"],
		["erasing a cursor key", "a\x1b[A\x1bOB\x7f\x7f\x7f\x7f\x7f\x7fb\n", "ab\n", "ab"],
		["erasing a word with a cursor key", "a ü\x1b[D\t\x17b\n", "a b\n", "a b"],
	])("%s", (_, keys, line, shown) => {
		const { t, program } = terminal();
		t.type(keys);
		expect(program.read()).toBe(line);
		expect(screen(t.console.text).lines).toEqual([shown]);
	});

	it("^R shows the line again", () => {
		const { t } = terminal();
		t.type("abc\x12");
		expect(screen(t.console.text)).toEqual({ lines: ["abc^R"], current: "abc" });
	});

	it("^V takes away the meaning of ^C and of newline", () => {
		const { t, program } = terminal();
		t.type("a\x16\x03\x16\nb\n");
		expect(program.read()).toBe("a\x03\nb\n");
		expect(pending(program.proc, SIGINT)).toBe(false);
	});

	it("output gets a carriage return before each newline", () => {
		const { t, program } = terminal();
		expect(program.write("a\nb\n")).toBe(4);
		expect(t.console.text).toBe("a\r\nb\r\n");
	});

	it("erasing knows where a prompt has left the cursor", () => {
		const { t, program } = terminal();
		program.write("12345$ ");
		t.type("\tx\x7f\x7fy\n");
		expect(program.read()).toBe("y\n");
		expect(screen(t.console.text).lines).toEqual(["12345$ y"]);
	});

	it("a line that is too long keeps its beginning", () => {
		const { t, program } = terminal();
		t.type(`${"a".repeat(5000)}\n`);
		expect(program.read(10_000)).toBe(`${"a".repeat(4095)}\n`);
	});

	it("nothing is lost when nobody reads: the line has to wait", () => {
		const { t, program } = terminal();
		const lines = Array.from({ length: 400 }, (_, i) => `line number ${i}\n`).join("");
		let rest: Uint8Array = new TextEncoder().encode(lines);
		let read = "";
		let stalled = 0;
		while (rest.length > 0 || program.poll(POLLIN) !== 0) {
			const room = Math.min(rest.length, t.board.uart.room);
			t.board.uart.receive(rest.subarray(0, room));
			rest = rest.subarray(room);
			t.settle();
			if (room > 0) continue;
			if (rest.length > 0) stalled++;
			read += String(program.read());
		}
		expect(read).toBe(lines);
		expect(stalled).toBeGreaterThan(0);
	});
});

describe("line editing against a model", () => {
	const key = fc.oneof(
		{ weight: 6, arbitrary: fc.constantFrom(..."abcxyz0") },
		{ weight: 2, arbitrary: fc.constantFrom(" ", "\t") },
		{ weight: 3, arbitrary: fc.constantFrom("\x7f", "\b") },
		fc.constantFrom("\x15", "\x17", "\x04", "\n", "\r", "é", "\x01", "\x1b"),
	);

	/** Keys => what reads give, and the line that is not complete. */
	function model(keys: string[]): { reads: string[]; line: string } {
		const reads: string[] = [];
		let line: string[] = [];
		for (const c of keys) {
			if (c === "\x7f" || c === "\b") line.pop();
			else if (c === "\x15") line = [];
			else if (c === "\x17") line = [...line.join("").replace(/[^ \t]*[ \t]*$/, "")];
			else if (c === "\n" || c === "\r" || c === "\x04") {
				reads.push(line.join("") + (c === "\x04" ? "" : "\n"));
				line = [];
			} else line.push(c);
		}
		return { reads, line: line.join("") };
	}

	/** A line as the screen shows it. */
	const shown = (line: string): string =>
		screen(line.replaceAll("\x01", "^A").replaceAll("\x1b", "^[").replaceAll("\n", "")).current;

	it("reads and screen are what the keys say", () => {
		fc.assert(
			fc.property(fc.array(key, { maxLength: 60 }), (keys) => {
				const { t, program } = terminal();
				t.type(keys.join(""));
				const { reads, line } = model(keys);
				for (const expected of reads) expect(program.read()).toBe(expected);
				expect(program.read(10, O_NONBLOCK)).toBe(-EAGAIN);
				// ^D leaves the cursor where it is, so the screen is compared without it.
				if (keys.includes("\x04")) return;
				const { lines, current } = screen(t.console.text);
				expect(lines).toEqual(reads.map(shown));
				expect(current).toBe(shown(line));
			}),
			{ numRuns: 60 },
		);
	});
});

describe("signals", () => {
	/** A program in the foreground, which a shell has started. */
	function job(): { t: TestKernel; program: Program } {
		const { t, program: shell } = terminal();
		const program = new Program(t, shell.proc);
		program.proc.p_pgid = program.proc.p_pid;
		t.k.cons!.tty!.t_pgrp = program.proc.p_pgid;
		return { t, program };
	}

	it("^Z does not stop a group that nobody could continue", () => {
		const { t, program } = terminal();
		t.type("\x1a");
		expect(sigisempty(program.proc.p_siglist)).toBe(true);
	});

	it.each([
		["^C", "\x03", SIGINT, "^C"],
		["^\\", "\x1c", SIGQUIT, "^\\"],
		["^Z", "\x1a", SIGTSTP, "^Z"],
	])("%s interrupts a read and throws away what was typed", (_, c, sig, echo) => {
		const { t, program } = job();
		t.type("first\n");
		const other = new Program(t);
		const reader = program.reading(3);
		expect(reader.result).toBe("fir");
		t.type("half");
		t.type(c);
		expect(pending(program.proc, sig)).toBe(true);
		expect(pending(other.proc, sig)).toBe(false);
		expect(t.console.text.endsWith(`half${echo}`)).toBe(true);
		sigclear(program.proc, sigfillset());
		expect(program.read(10, O_NONBLOCK)).toBe(-EAGAIN);
	});

	it("a read that waits is interrupted", () => {
		const { t, program } = terminal();
		const reader = program.reading();
		t.type("\x03");
		expect(reader.result).toBe(-EINTR);
	});

	it("NOFLSH keeps what was typed, and without ISIG ^C is a character", () => {
		const { t, program } = terminal();
		program.attributes(0, NOFLSH);
		t.type("ab\x03");
		sigclear(program.proc, sigfillset());
		t.type("c\n");
		expect(program.read()).toBe("abc\n");
		program.attributes(ISIG, 0);
		t.type("\x03\n");
		expect(program.read()).toBe("\x03\n");
		expect(sigisempty(program.proc.p_siglist)).toBe(true);
	});

	it("a new size of the window is told to the foreground", () => {
		const { t, program } = terminal();
		const caught = { sa_handler: 0x1000, sa_flags: 0, sa_mask: sigemptyset() };
		program.proc.p_sigacts[SIGWINCH] = caught;
		expect(program.get(TIOCGWINSZ, 8)).toEqual(Uint8Array.of(24, 0, 80, 0, 0, 0, 0, 0));
		ttyresize(t.k, t.k.cons!.tty!, { ws_row: 50, ws_col: 300, ws_xpixel: 0, ws_ypixel: 0 });
		expect(program.get(TIOCGWINSZ, 8)).toEqual(Uint8Array.of(50, 0, 44, 1, 0, 0, 0, 0));
		expect(pending(program.proc, SIGWINCH)).toBe(true);
		sigclear(program.proc, sigfillset());
		program.put(TIOCSWINSZ, Uint8Array.of(50, 0, 44, 1, 0, 0, 0, 0));
		expect(pending(program.proc, SIGWINCH)).toBe(false);
		program.put(TIOCSWINSZ, Uint8Array.of(51, 0, 44, 1, 0, 0, 0, 0));
		expect(pending(program.proc, SIGWINCH)).toBe(true);
	});
});

describe("raw", () => {
	function raw(min: number, time: number): { t: TestKernel; program: Program } {
		const made = terminal();
		expect(made.program.attributes(ICANON | ECHO, 0, { [VMIN]: min, [VTIME]: time })).toBe(0);
		return made;
	}

	it("MIN 1: a key is read at once, and not echoed", () => {
		const { t, program } = raw(1, 0);
		const reader = program.reading();
		t.type("x");
		expect(reader.result).toBe("x");
		expect(t.console.text).toBe("");
	});

	it.each([
		["a key", (): { t: TestKernel; program: Program } => raw(1, 0), "x"],
		["a line", terminal, "x\n"],
	])("who polls is woken by %s", (_, make, typed) => {
		const { t, program } = make();
		function* poll(): Sleeps<number> {
			for (;;) {
				const ready = program.poll(POLLIN);
				if (ready !== 0) return ready;
				yield* ltsleep(t.k, t.k.selwait, "select", 0, null);
			}
		}
		const poller = t.spawn(poll(), program.proc);
		t.settle();
		expect(poller.done).toBe(false);
		t.type(typed);
		expect(poller.result).toBe(POLLIN);
	});

	it("MIN 3: a read waits for three keys, or for as many as it asks for", () => {
		const { t, program } = raw(3, 0);
		const reader = program.reading();
		t.type("ab");
		expect(reader.done).toBe(false);
		expect(program.poll(POLLIN | POLLOUT)).toBe(POLLOUT);
		t.type("c");
		expect(reader.result).toBe("abc");
		t.type("de");
		expect(program.read(2)).toBe("de");
	});

	it("MIN 0, TIME 0: a read never waits", () => {
		const { t, program } = raw(0, 0);
		expect(program.read()).toBe("");
		t.type("x");
		expect(program.read()).toBe("x");
	});

	it("MIN 0, TIME 5: a read waits for half a second", () => {
		const { t, program } = raw(0, 5);
		const start = t.k.port.cycles;
		expect(program.read()).toBe("");
		const took = t.k.port.cycles - start;
		expect(took).toBeGreaterThanOrEqual(5 * DECISECOND);
		expect(took).toBeLessThan(5.1 * DECISECOND);
	});

	it("MIN 10, TIME 2: the clock runs from key to key", () => {
		const { t, program } = raw(10, 2);
		const { k } = t;
		const bytes = new Uint8Array(100);
		const dev = k.cdevsw[CDEV_CONS]!;
		const reader = t.spawn(dev.d_read(k, program.proc, 0, bytes, 0), program.proc);
		let end = 0;
		t.spawn(
			(function* (): Sleeps<void> {
				for (const c of "abc") {
					yield* ltsleep(k, {}, "key", 1.5 * DECISECOND, null);
					t.board.uart.receive([c.charCodeAt(0)]);
				}
				end = k.port.cycles;
			})(),
		);
		t.settle();
		expect(reader.result).toBe(3);
		expect(k.port.cycles - end).toBeGreaterThanOrEqual(2 * DECISECOND);
	});

	it("what was typed before stays, across both changes", () => {
		const { t, program } = terminal();
		t.type("line\nhalf");
		program.attributes(ICANON, 0);
		expect(program.read(7)).toBe("line\nha");
		program.attributes(0, 0);
		expect(program.read()).toBe("lf");
		t.type("gone\n");
		program.attributes(0, 0, {}, TCSETSF);
		expect(program.read(10, O_NONBLOCK)).toBe(-EAGAIN);
	});
});

describe("ioctl", () => {
	it("TCGETS gives what TCSETS has set, in Linux's layout", () => {
		const { program } = terminal();
		const bytes = program.get(TCGETS, 36) as Uint8Array;
		const words = [...new Uint32Array(bytes.buffer.slice(0, 16))];
		expect(words).toEqual([0o60400, 0o5, 0o277, 0o105073]);
		expect([...bytes.subarray(17, 28)]).toEqual([3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0, 0, 0x1a]);
		const other = Uint8Array.from({ length: 36 }, (_, i) => i);
		expect(program.put(TCSETS, other)).toBe(0);
		expect(program.get(TCGETS, 36)).toEqual(other);
	});

	it("the first process leads the session; others take the terminal when it is free", () => {
		const { t, program } = terminal();
		const { p_pid } = program.proc;
		expect(program.int(TIOCGPGRP)).toBe(p_pid);
		expect(program.int(TIOCGSID)).toBe(p_pid);
		const other = new Program(t);
		expect(other.int(TIOCGPGRP)).toBe(-ENOTTY);
		expect(other.ioctl(TIOCSCTTY, 0)).toBe(-EPERM);
		expect(program.ioctl(TIOCNOTTY, 0)).toBe(0);
		expect(other.ioctl(TIOCSCTTY, 0)).toBe(0);
		expect(other.int(TIOCGPGRP)).toBe(other.proc.p_pid);
	});

	it("TIOCSPGRP wants a group of the session", () => {
		const { t, program } = terminal();
		const child = proc_create(t.k, "child", program.proc);
		child.p_pgid = child.p_pid;
		const stranger = proc_create(t.k, "stranger", null);
		expect(program.putInt(TIOCSPGRP, stranger.p_pid)).toBe(-EPERM);
		expect(program.putInt(TIOCSPGRP, 0)).toBe(-EINVAL);
		expect(program.putInt(TIOCSPGRP, child.p_pid)).toBe(0);
		expect(t.k.cons!.tty!.t_pgrp).toBe(child.p_pid);
	});

	it("an unknown one is refused", () => {
		expect(terminal().program.ioctl(0x1234, 0)).toBe(-ENOTTY);
	});
});
