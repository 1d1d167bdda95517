/** A small writer of tar archives, and the host's own tar where there is one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TarEntry {
	readonly path: string;
	readonly type?: string;
	readonly data?: Uint8Array | string;
	readonly link?: string;
	readonly mode?: number;
	readonly prefix?: string;
	/** Overrides of header fields: offset and text. */
	readonly raw?: readonly (readonly [number, string])[];
	/** Leave the checksum wrong. */
	readonly badsum?: boolean;
}

const BLOCK = 512;

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

function header(entry: TarEntry, size: number): Uint8Array {
	const block = new Uint8Array(BLOCK);
	const put = (at: number, text: string): void => block.set(latin1(text), at);
	const octal = (value: number, width: number): string =>
		value.toString(8).padStart(width - 1, "0") + "\0";
	put(0, entry.path);
	put(100, octal(entry.mode ?? 0o644, 8));
	put(108, octal(0, 8));
	put(116, octal(0, 8));
	put(124, octal(size, 12));
	put(136, octal(1_000_000_000, 12));
	put(156, entry.type ?? "0");
	put(157, entry.link ?? "");
	put(257, "ustar\0" + "00");
	put(345, entry.prefix ?? "");
	for (const [at, text] of entry.raw ?? []) put(at, text);
	block.fill(0x20, 148, 156);
	const sum = block.reduce((total, byte) => total + byte, 0) + (entry.badsum === true ? 1 : 0);
	put(148, sum.toString(8).padStart(6, "0") + "\0 ");
	return block;
}

/** An archive; `blocks` zero blocks end it. */
export function tar(entries: readonly TarEntry[], blocks = 2): Uint8Array {
	const parts: Uint8Array[] = [];
	for (const entry of entries) {
		const data = typeof entry.data === "string" ? latin1(entry.data) : entry.data;
		parts.push(header(entry, data?.length ?? 0));
		if (data !== undefined) {
			const padded = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK);
			padded.set(data);
			parts.push(padded);
		}
	}
	parts.push(new Uint8Array(blocks * BLOCK));
	return concat(parts);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
	const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}

/** Is there a tar on the host? */
export function hostTar(): boolean {
	try {
		execFileSync("tar", ["--version"], { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
}

/** Run `use` with a temporary directory. */
export function withDirectory<T>(use: (dir: string) => T): T {
	const dir = mkdtempSync(join(tmpdir(), "uvmachine-"));
	try {
		return use(dir);
	} finally {
		rmSync(dir, { recursive: true });
	}
}

/** An archive of what `fill` puts into a directory, made by the host's tar. */
export function packed(fill: (dir: string) => void, ...options: string[]): Uint8Array {
	return withDirectory((dir) => {
		fill(dir);
		return withDirectory((out) => {
			const file = join(out, "archive.tar");
			execFileSync("tar", ["-C", dir, "-cf", file, ...options, "."]);
			return new Uint8Array(readFileSync(file));
		});
	});
}
