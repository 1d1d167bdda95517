/**
 * Headers of tar archives: POSIX ustar (IEEE 1003.1, pax), with GNU's long names. Names are strings
 * with a character for each byte.
 */
export const TAR_BLOCK = 512;

/** One member, with the extended headers before it applied. */
export interface tar_member {
	/** As in the archive. */
	readonly path: string;
	readonly linkpath: string;
	/** "0": file, "1": link, "2": symbolic link, "3" and "4": devices, "5": directory, ... */
	readonly type: string;
	readonly mode: number;
	readonly uid: number;
	readonly gid: number;
	readonly size: number;
	readonly mtime: number;
	readonly devmajor: number;
	readonly devminor: number;
}

/** What extended headers say about the member that follows them. */
export interface tar_extended {
	path?: string;
	linkpath?: string;
	size?: number;
}

/** A header, an error, or the end of the archive. */
export type tar_header = tar_member | { readonly error: string } | "end";

/** Bytes up to the first zero. */
export function tar_string(bytes: Uint8Array): string {
	let text = "";
	for (const byte of bytes) {
		if (byte === 0) break;
		text += String.fromCharCode(byte);
	}
	return text;
}

/** A number: octal digits between blanks, or (GNU) binary with the top bit set. => -1: neither. */
function tar_number(bytes: Uint8Array): number {
	if ((bytes[0]! & 0x80) !== 0) {
		let value = bytes[0]! & 0x7f;
		// A negative one, or one that no disk could hold.
		if (value !== 0) return -1;
		for (const byte of bytes.subarray(1)) {
			value = value * 256 + byte;
			if (value > Number.MAX_SAFE_INTEGER) return -1;
		}
		return value;
	}
	const text = tar_string(bytes).trim();
	if (text === "") return 0;
	return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
}

/** The sum of a header's bytes, its own field taken as blanks; some tars sum signed bytes. */
function tar_checksum_ok(block: Uint8Array): boolean {
	let unsigned = 0;
	let signed = 0;
	for (let i = 0; i < TAR_BLOCK; i++) {
		const byte = i >= 148 && i < 156 ? 0x20 : block[i]!;
		unsigned += byte;
		signed += (byte << 24) >> 24;
	}
	const sum = tar_number(block.subarray(148, 156));
	return sum === unsigned || sum === signed;
}

/** Read a header block. => never throws. */
export function tar_parse(block: Uint8Array, extended: tar_extended): tar_header {
	if (block.every((byte) => byte === 0)) return "end";
	if (!tar_checksum_ok(block)) return { error: "bad checksum" };
	const text = (at: number, n: number): string => tar_string(block.subarray(at, at + n));
	const number = (at: number, n: number): number => tar_number(block.subarray(at, at + n));
	const ustar = text(257, 5) === "ustar";
	// GNU's own format has other fields in place of the prefix.
	const prefix = ustar && block[262] === 0 ? text(345, 155) : "";
	const name = text(0, 100);
	const member: tar_member = {
		path: extended.path ?? (prefix === "" ? name : `${prefix}/${name}`),
		linkpath: extended.linkpath ?? text(157, 100),
		type: block[156] === 0 ? "0" : String.fromCharCode(block[156]!),
		mode: number(100, 8) & 0o7777,
		uid: number(108, 8),
		gid: number(116, 8),
		size: extended.size ?? number(124, 12),
		mtime: number(136, 12),
		devmajor: ustar ? number(329, 8) : 0,
		devminor: ustar ? number(337, 8) : 0,
	};
	if (member.size < 0) return { error: "bad size" };
	if (number(100, 8) < 0) return { error: "bad mode" };
	if (member.devmajor < 0 || member.devminor < 0) return { error: "bad device number" };
	return member;
}

/** The records of a pax header: "<length> <key>=<value>\n". => an error message, or "". */
export function pax_parse(data: Uint8Array, extended: tar_extended): string {
	for (let at = 0; at < data.length && data[at] !== 0; ) {
		const space = data.indexOf(0x20, at);
		const length = space < 0 ? 0 : Number(tar_string(data.subarray(at, space)));
		const end = at + length;
		const bad = !Number.isInteger(length) || length < space - at + 4 || end > data.length;
		if (bad || data[end - 1] !== 0x0a) return "bad extended header";
		const record = tar_string(data.subarray(space + 1, end - 1));
		const equals = record.indexOf("=");
		if (equals < 1) return "bad extended header";
		const value = record.slice(equals + 1);
		switch (record.slice(0, equals)) {
			case "path":
				extended.path = value;
				break;
			case "linkpath":
				extended.linkpath = value;
				break;
			case "size":
				if (!/^\d{1,15}$/.test(value)) return "bad extended header";
				extended.size = Number(value);
				break;
		}
		at = end;
	}
	return "";
}
