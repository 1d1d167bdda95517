/**
 * What runs, as files of campaigns and experiments say it: a program on the kernel, or software for
 * the bare board. And what is said of such a file that is wrong.
 */
import * as v from "valibot";
import { complaint } from "../computer/check-options.ts";
import { type Field, may, needs, object, whole } from "../computer/fault/fields.ts";
import type { PlanPath } from "../computer/fault/plan.ts";
import { PAGING_POLICY, type PagingPolicy } from "../computer/paging-policy.ts";

export type DiskText = string;

export interface BootFile {
	readonly boot: string;
	readonly args?: readonly string[] | undefined;
	readonly ram?: number | string | undefined;
	readonly swap?: readonly DiskText[] | undefined;
	readonly disk?: readonly string[] | undefined;
	readonly bin?: boolean | undefined;
	readonly seed?: number | undefined;
	readonly policy?: PagingPolicy | undefined;
	readonly sysctl?: Readonly<Record<string, number>> | undefined;
	readonly tlb?: { readonly entries: number; readonly ways?: number | undefined } | undefined;
	readonly ad?: "hardware" | "trap" | undefined;
	readonly check?: boolean | undefined;
	readonly shadow?: boolean | undefined;
	readonly diskRetries?: number | undefined;
	readonly diskTimeout?: number | undefined;
	readonly swapChecksum?: boolean | undefined;
	readonly swapMirror?: boolean | undefined;
	readonly input?: string | undefined;
	readonly after?: AfterFile | undefined;
}

/** What is booted after a loss of power. */
export interface AfterFile {
	readonly boot: string;
	readonly args?: readonly string[] | undefined;
	readonly ram?: number | string | undefined;
}

export interface RunFile {
	readonly run: string;
	readonly ram?: number | string | undefined;
	readonly disk?: readonly string[] | undefined;
	readonly sbi?: boolean | undefined;
	readonly semihosting?: boolean | undefined;
	readonly bios?: string | undefined;
	readonly initrd?: string | undefined;
	readonly append?: string | undefined;
	readonly virtio?: "legacy" | "modern" | undefined;
	readonly plic?: "raise" | "level" | undefined;
	readonly tlb?: { readonly entries: number; readonly ways?: number | undefined } | undefined;
	readonly ad?: "hardware" | "trap" | undefined;
	readonly input?: string | undefined;
}

export const size = v.union(
	[whole(0), v.pipe(v.string(), v.regex(/^\d+[KMGkmg]?$/))],
	"expected a size, such as 8M",
);
const text = v.string();
const flag = v.boolean();

const shared = {
	ram: may(size, "RAM, such as 8M."),
	disk: may(v.array(text), "Disk images, as --disk; they are read once, and never written."),
	tlb: may(
		object({
			entries: needs(whole(1), "Entries of the TLB."),
			ways: may(whole(1), "Entries in a set. Default: 4."),
		}),
		"The shape of the TLB.",
	),
	ad: may(v.picklist(["hardware", "trap"]), "Who sets A and D bits. Default: hardware."),
	input: may(text, "What is typed on the console; then the input ends. Default: nothing."),
};

/** BootFile */
export const boot = object({
	boot: needs(text, "A program on the kernel: a workload by name, or the path of an ELF file."),
	args: may(v.array(text), "Its arguments."),
	...shared,
	swap: may(v.array(text), "Swap disks, as --swap: a size with an optional timing, as 32M,hdd."),
	bin: may(flag, "With the disk of programs that boot has, for a shell. Default: false."),
	seed: may(whole(0), "Of the random bytes that programs get. Default: 1."),
	policy: may(PAGING_POLICY, "What paging does otherwise than NetBSD's."),
	sysctl: may(v.record(v.string(), whole(0)), "Tunables of the kernel."),
	check: may(flag, "Verify the VM system's invariants while it runs. Default: false."),
	shadow: may(flag, "Watch that pages hold what was stored in them. Default: false."),
	diskRetries: may(whole(0), "How often a failed disk request is repeated. Default: 5."),
	diskTimeout: may(whole(0), "Seconds after which a disk is reset; 0: never. Default: 10."),
	swapChecksum: may(flag, "Keep a checksum of each page in swap. Default: false."),
	swapMirror: may(flag, "Write what is in swap to a second disk, too. Default: false."),
	after: may(
		object({
			boot: needs(text, "A program, as above. To exit with 0 says that all is well."),
			args: may(v.array(text), "Its arguments."),
			ram: may(size, "Default: as above."),
		}),
		"What a second computer runs after a loss of power, on the disks as they are then, with new " +
			"swap. What the first one has printed is typed on its console.",
	),
});

/** RunFile */
export const run = object({
	run: needs(text, "Software for the bare board: an ELF file or a raw image."),
	...shared,
	sbi: may(flag, "Start in S-mode above the built-in SBI."),
	semihosting: may(flag, "Answer semihosting calls."),
	bios: may(text, "Firmware for M-mode: a file."),
	initrd: may(text, "An initial RAM disk: a file."),
	append: may(text, "The kernel's command line."),
	virtio: may(v.picklist(["legacy", "modern"]), "Registers of the disks. Default: legacy."),
	plic: may(v.picklist(["raise", "level"]), "What makes a request. Default: raise."),
});

/**
 * The value of a file of the kind `kind`.
 * => `fail` does not return; it gets a message of one line such as "campaign: rules: 1: params: x",
 *    and the path of the field that it is about. `above`: where in the file the value is
 */
export function checkFile(
	kind: string,
	schema: Field,
	value: unknown,
	above: PlanPath,
	fail: (message: string, path: PlanPath) => never,
): unknown {
	const parsed = v.safeParse(schema, value);
	if (parsed.success) return parsed.output;
	const issue = deepest(parsed.issues[0]);
	const path = [...above, ...(issue.path ?? []).map(({ key }) => key as string | number)];
	return fail(`${[kind, ...path.map(String)].join(": ")}: ${complaint(issue, "field")}`, path);
}

/** Of a union, what is wrong with the form that fits best. */
function deepest(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
	const inner = issue.issues?.filter(({ path }) => path !== undefined) ?? [];
	if (issue.type !== "union" || typeof issue.input !== "object" || issue.input === null) {
		return issue;
	}
	// The field that is wrong in a form that has it.
	const fitting = inner.find(
		({ expected, received, path }) =>
			expected !== "never" &&
			received !== "undefined" &&
			Reflect.has(issue.input as object, path![0]!.key as string),
	);
	if (fitting === undefined) return issue;
	return { ...fitting, path: [...(issue.path ?? []), ...fitting.path!] as typeof fitting.path };
}
