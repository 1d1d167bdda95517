import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasCommand, type Outcome, run, workloads } from "./support.ts";

const bin = join(workloads, "bin");

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: ${x} is the shell's
/** Commands, what they print, and the exit code if it is not 0. POSIX says what is right. */
const scripts: readonly [script: string, stdout: string, code?: number][] = [
	["echo hello   world # comment", "hello world\n"],
	[`echo 'a  $x' "b  \\"q\\" \\$x" c\\ d`, 'a  $x b  "q" $x c d\n'],
	["x=5 y='a  b'; echo $x $y \"$y\" ${x}1 ${z-none} ${#y}", "5 a b a  b 51 none 4\n"],
	["echo $((7 * (2 + 1) % 4)) $((1 << 4 | 1)) $((3 > 2 && 1 != 2))", "1 17 1\n"],
	["false; echo $?; true; echo $?; ! true; echo $?", "1\n0\n1\n"],
	["true && echo a || echo b; false && echo a || echo b", "a\nb\n"],
	["seq 5 | grep -v 3 | wc -l", "       4\n"],
	["false | true; echo $?; true | false; echo $?", "0\n1\n"],
	["echo one >f; echo two >>f; cat <f; wc -c <f", "one\ntwo\n       8\n"],
	["ls nofile >both 2>&1; wc -l <both", "       1\n"],
	["exec 5>g; echo to5 >&5; exec 5>&-; cat g", "to5\n"],
	["(cd /; pwd; exit 3); echo $?", "/\n3\n"],
	["{ echo a; echo b; } | wc -l", "       2\n"],
	["if [ 1 -gt 2 ]; then echo a; elif test -d .; then echo b; else echo c; fi", "b\n"],
	["i=0; while [ $i -lt 3 ]; do i=$((i + 1)); echo $i; done", "1\n2\n3\n"],
	["for w in a 'b c'; do echo \"<$w>\"; done", "<a>\n<b c>\n"],
	[
		"for a in 1 2 3; do for b in 1 2; do [ $a = 2 ] && continue 2; echo $a$b; done; done",
		"11\n12\n31\n32\n",
	],
	["until false; do break; done; echo $?", "0\n"],
	["set a 'b c'; echo $# $2; for w; do echo $w; done; shift; echo $*", "2 b c\na\nb c\nb c\n"],
	["echo $(echo a; echo b) \"$(echo 'x )')\"", "a b x )\n"],
	["export V=1; env | grep V=; W=2 env | grep W=; echo [$W]", "V=1\nW=2\n[]\n"],
	["sleep 0 & wait $!; echo $?", "0\n"],
	["sh -c 'exit 7' & sh -c 'exit 8'; echo $?; wait $!; echo $?", "8\n7\n"],
	["sh -c 'kill -9 $$'; echo $?", "137\n"],
	["nosuchcommand; echo $?", "127\n"],
	["echo text >t; ./t; echo $?", "126\n"],
	["touched=*.none; echo >a1; echo >a2; echo a* 'a*' $touched", "a1 a2 a* *.none\n"],
	["umask 027; umask; echo >m; ls -l m | wc -l", "0027\n       1\n"],
	["eval 'echo a; echo b'; echo 'echo from file' >d; . ./d", "a\nb\nfrom file\n"],
	["echo a b c | while read x y; do echo $y $x; done", "b c a\n"],
	["echo a \\\n  b", "a b\n"],
	["ulimit -n 20; ulimit -n", "20\n"],
	["set -e; false; echo not reached", "", 1],
	["exit 5", "", 5],
	["echo )", "", 2],
	["yes | head -2", "y\ny\n"],
	[
		"dd if=/dev/zero bs=16 count=2 2>err | hexdump",
		`00000000 ${" 00 00 00 00 00 00 00 00 ".repeat(2)} |${".".repeat(16)}|\n*\n00000020\n`,
	],
	[
		"mkdir -p p/q; echo x >p/q/r; cp p/q/r s; mv s p; ls p p/q; rm -r p; ls p 2>err; echo $?",
		"p:\nq\ns\n\np/q:\nr\n1\n",
	],
	[
		"seq 3 -1 1; seq 2; head -n 1 </dev/null; echo -n x; true; false || echo y",
		"3\n2\n1\n1\n2\nxy\n",
	],
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: ${x} is the shell's

function describeShell(prepare: (directory: string) => void): void {
	const directory = mkdtempSync(join(tmpdir(), "shell-"));
	const commands = mkdtempSync(join(tmpdir(), "commands-"));

	beforeAll(() => prepare(commands));
	afterAll(() => {
		for (const made of [directory, commands]) rmSync(made, { recursive: true });
	});

	function shell(args: readonly string[], input = ""): Outcome {
		const env = { PATH: `${commands}:/bin:/usr/bin`, HOME: "/" };
		const options = { encoding: "utf8", cwd: directory, env, input } as const;
		const { status, signal, stdout, stderr } = spawnSync(join(commands, "sh"), args, options);
		return { code: status, signal, stdout, stderr };
	}

	it.each(scripts)("-c %j", (script, stdout, code = 0) => {
		expect(shell(["-c", script])).toMatchObject({ code, stdout });
	});

	it("commands from standard input share it with the programs they start", () => {
		expect(shell([], "read x\nfirst\necho got $x\ncat\nrest\n").stdout).toBe("got first\nrest\n");
	});

	it("commands from a file get arguments", () => {
		writeFileSync(join(directory, "script"), 'echo $0 $# "$2"\nexit 9\n');
		expect(shell(["script", "a", "b c"])).toMatchObject({ code: 9, stdout: "script 2 b c\n" });
	});

	it("a missing file is answered with exit code 127", () => {
		expect(shell(["missing"])).toMatchObject({ code: 127, stdout: "" });
	});
}

/** A user-mode emulator does not run what the shell starts by itself, so each gets a script. */
describe.skipIf(!hasCommand("qemu-riscv32", "--version"))("sh and the utilities on QEMU", () => {
	describeShell((commands) => {
		for (const program of readdirSync(bin)) {
			const command = join(commands, program);
			writeFileSync(command, `#!/bin/sh\nexec qemu-riscv32 ${join(bin, program)} "$@"\n`);
			chmodSync(command, 0o755);
		}
	});
});

describe.skipIf(!hasCommand("cc", "--version"))("sh built for this host", () => {
	describeShell((commands) => {
		expect(run(join(workloads, "build.sh"), "--native", commands)).toMatchObject({ code: 0 });
		/* The utilities of the host print their columns differently. */
		if (!hasCommand("qemu-riscv32", "--version")) return;
		for (const program of readdirSync(bin)) {
			if (program === "sh") continue;
			const command = join(commands, program);
			writeFileSync(command, `#!/bin/sh\nexec qemu-riscv32 ${join(bin, program)} "$@"\n`);
			chmodSync(command, 0o755);
		}
	});
});
