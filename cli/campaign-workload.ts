/** What a campaign runs, with all files read, so that workers need none. */
import { isAbsolute, join } from "node:path";
import {
	type BootFile,
	type Campaign,
	DEFAULT_RAM,
	DEFAULT_SWAP,
	type DiskOptions,
	type Engine,
	type RunFile,
	type TimingName,
	type Workload,
	type WorkloadDisk,
	withEngine,
} from "../index.ts";
import { readInputFile } from "./input-file.ts";
import { TIMINGS } from "./options.ts";
import { readProgram } from "./program-file.ts";
import { binDisk, openDisks, WORKLOAD_NAMES } from "./root-disk.ts";
import { parseSize } from "./size.ts";
import { UsageError } from "./usage-error.ts";

export const sizeOf = (size: number | string | undefined): number | undefined =>
	typeof size === "string" ? parseSize(size)! : size;

const inputOf = ({ input }: { readonly input?: string | undefined }): Uint8Array | undefined =>
	input === undefined ? undefined : new TextEncoder().encode(input);

/** => `path` as it is seen from the campaign's folder. */
export const seenFrom = (folder: string, path: string): string =>
	isAbsolute(path) ? path : join(folder, path);

/** => UsageError for a file that cannot be read, or a disk that makes no sense. */
export async function readWorkload(
	{ workload }: Pick<Campaign, "workload">,
	folder: string,
	engine: Engine = "auto",
): Promise<Workload> {
	const isBoot = "boot" in workload;
	const read = isBoot ? await bootWorkload(workload, folder) : runWorkload(workload, folder);
	return withEngine(read, engine);
}

async function bootWorkload(file: BootFile, folder: string): Promise<Workload> {
	const { boot: program, args, policy, sysctl, tlb, ad, check, shadow, seed, after } = file;
	const { diskRetries, diskTimeout, swapChecksum, swapMirror } = file;
	const imageOf = (name: string): Uint8Array =>
		readProgram(WORKLOAD_NAMES.includes(name) ? name : seenFrom(folder, name));
	const { root, disks } = await openDisks((file.disk ?? []).map((path) => seenFrom(folder, path)));
	return {
		kind: "boot",
		options: {
			program,
			image: imageOf(program),
			...{ args, policy, sysctl, seed, check, shadow, adPolicy: ad },
			...{ diskRetries, diskTimeout, swapChecksum, swapMirror },
			...{ tlbEntries: tlb?.entries, tlbWays: tlb?.ways },
			ram: sizeOf(file.ram) ?? DEFAULT_RAM,
			// Nobody looks at it, and it takes time to hash.
			framebuffer: null,
		},
		swap: (file.swap ?? [String(DEFAULT_SWAP)]).map(swapDisk),
		root: root && contentsOf(root),
		bin: file.bin === true ? contentsOf(binDisk()) : undefined,
		disks: disks.map(contentsOf),
		input: inputOf(file),
		after: after && {
			options: {
				program: after.boot,
				image: imageOf(after.boot),
				args: after.args,
				ram: sizeOf(after.ram ?? file.ram) ?? DEFAULT_RAM,
				framebuffer: null,
			},
		},
	};
}

function runWorkload(file: RunFile, folder: string): Workload {
	const { sbi, semihosting, append, virtio, plic, tlb, ad } = file;
	const read = (what: string, path: string | undefined): Uint8Array | undefined =>
		path === undefined ? undefined : readInputFile(what, seenFrom(folder, path));
	return {
		kind: "run",
		options: {
			image: read("image", file.run)!,
			...{ ram: sizeOf(file.ram), sbi, semihosting, bootargs: append, virtio, plic, adPolicy: ad },
			...{ tlbEntries: tlb?.entries, tlbWays: tlb?.ways },
			...{ bios: read("bios", file.bios), initrd: read("initrd", file.initrd) },
		},
		disks: (file.disk ?? []).map((path) => {
			const image = readInputFile("disk", seenFrom(folder, path));
			return { bytes: image.length, image };
		}),
		input: inputOf(file),
	};
}

/** A disk in memory with the same contents. */
function contentsOf({ media, timing }: DiskOptions): WorkloadDisk {
	if (typeof media === "number") return { bytes: media, timing };
	const image = new Uint8Array(media.sectors * 512);
	media.read(0, image);
	return { bytes: image.length, image, readOnly: media.readOnly, timing };
}

export function swapDisk(text: string): WorkloadDisk {
	const [size = "", timing = "ssd", ...rest] = text.split(",");
	const bytes = parseSize(size);
	if (bytes === null || rest.length > 0 || !TIMINGS.includes(timing)) {
		throw new UsageError(
			`campaign: swap ${text}: expected a size with an optional timing, such as 32M,hdd`,
		);
	}
	return { bytes, timing: timing as TimingName };
}
