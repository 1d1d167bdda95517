/**
 * docs/performance.md: how fast the engines are. `npm run bench:performance` measures and writes
 * the page; with a file as its argument it takes what `uvmachine bench engines --json FILE` has
 * written.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { GROWTH_MIB, SLOWEST } from "./churn-run.ts";
import {
	briefLine,
	briefTable,
	compileTable,
	curveTable,
	markdown,
	meanLine,
	shortTable,
	speedTable,
} from "./engine-tables.ts";
import { type EnginesReport, runEngines } from "./engines.ts";

const PAGE = join(import.meta.dirname, "../../docs/performance.md");

interface Measured {
	readonly host: { readonly cpu: string; readonly node: string };
	readonly engines: EnginesReport;
}

function measured(file: string | undefined): Measured {
	if (file !== undefined) return JSON.parse(readFileSync(file, "utf8")) as Measured;
	const say = (name: string): boolean => process.stderr.write(`${name}\n`);
	return {
		host: { cpu: cpus()[0]?.model ?? "unknown", node: process.version },
		engines: runEngines({ smoke: false, engine: "auto" }, say),
	};
}

function page({ host, engines }: Measured): string {
	const { qemu, rounds, engine } = engines;
	const beside = qemu === null ? "" : `, and QEMU ${qemu} (\`qemu-system-riscv32\`)`;
	return `# How fast the engines are

\`npm run bench:performance\` measures and makes this page; \`uvmachine bench engines\` prints the
same tables. Measured on one ${host.cpu} with Node ${host.node}${beside}.

The guests are those of \`workloads/compute\`, in user mode with all memory mapped by pages of
4 KiB, and two of \`workloads/bare\`: \`traps\` calls M-mode a million times, \`generate\` makes
a hundred thousand functions and calls them.

Each runs in ${rounds} rounds, in each of them once on each engine, in a process of its own
(\`uvmachine run\`), and does what takes QEMU about a second; the interpreter does a fifth of it.
What counts is the time of all threads of the process, less that of one whose guest does nothing;
so what is compiled in other threads counts, too. Figures are medians; those in brackets are the
lowest and the highest ratio of a round. They are worth more than the speeds: other work on the host
changes both sides.

## Speed

Million guest instructions a second:

${markdown(speedTable(engines))}
${meanLine(engines)}

## What is compiled

In one run on \`${engine}\`: the share of instructions that was executed in compiled code, and what
was made for that. The time is that of the thread that runs the guest; the host's compiler goes
on in others.

${markdown(compileTable(engines))}
## Warm-up

Runs of so few instructions that all of what is compiled is compiled for them; times of all threads,
less those of a run without work:

${markdown(briefTable(engines))}
${briefLine(engines)}

Million guest instructions a second of a new process, when its threads have taken 10, 100 and
1000 ms since the first instruction: from half of that to one and a half times that.

${markdown(curveTable(engines))}
## Short programs

Milliseconds by the clock, from the first instruction to the last:

${markdown(shortTable(engines))}
## Memory

At most 2,000 compiled functions are kept. \`npm run churn\` runs for an hour a shell that makes
processes of different programs without end, and for another one \`generate\`: after the first
fifth, the memory of each process may grow by ${GROWTH_MIB} MiB, since the host collects garbage
when it likes, and its speed may not fall below ${SLOWEST} of before.
`;
}

writeFileSync(PAGE, page(measured(process.argv[2])));
