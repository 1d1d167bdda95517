/**
 * The file format of snapshots: a header in plain JSON, which is checked before anything else is
 * used, and a compressed body.
 *
 *   offset  bytes  what
 *    0       8     89 "UVMSNAP"
 *    8       4     version of this format
 *   12       4     length of the header, which is JSON
 *   16       4     length of the compressed body
 *   20      32     SHA-256 of everything else
 *   52       -     header, body (raw deflate)
 *
 * Numbers are little-endian.
 */
import type { Hash } from "node:crypto";
import { UserError } from "../../machine/user-error.ts";
import { DamagedError } from "./bytes.ts";

const MAGIC = [0x89, ...Buffer.from("UVMSNAP", "latin1")];
const FORMAT = 17;
const CHECKSUM = 20;
const CHECKSUM_LENGTH = 32;
const FRONT = CHECKSUM + CHECKSUM_LENGTH;
const HEADER_MAX = 1 << 20;
/** A machine has less than 1 GiB of RAM; its disks are the rest. */
const BODY_MAX = 0xffff_ffff;

/** A file that is no snapshot, or one that does not fit: the message is one line. */
export class SnapshotError extends UserError {
	override readonly name = "SnapshotError";
}

/** What a snapshot is of. */
export interface SnapshotHeader {
	/** Version of uvmachine. */
	readonly version: string;
	/** What kind of system it is of: "boot" or "run". */
	readonly kind: string;
	/** The resolved configuration, as plain JSON. */
	readonly config: Readonly<Record<string, unknown>>;
}

export function packSnapshot(header: SnapshotHeader, body: Uint8Array): Uint8Array {
	const text = Buffer.from(JSON.stringify({ ...header, bodyBytes: body.length }));
	const { deflateRawSync } = process.getBuiltinModule("node:zlib");
	const packed = deflateRawSync(body, { level: 4 });
	const front = Buffer.alloc(FRONT);
	front.set(MAGIC);
	front.writeUInt32LE(FORMAT, 8);
	front.writeUInt32LE(text.length, 12);
	front.writeUInt32LE(packed.length, 16);
	const file = Buffer.concat([front, text, packed]);
	file.set(checksum(file), CHECKSUM);
	return new Uint8Array(file.buffer, file.byteOffset, file.length);
}

/**
 * => SnapshotError for anything but a whole, intact snapshot of `kind` made by this `version`.
 * => what is allocated is bounded by the size of the file.
 */
export function unpackSnapshot(
	file: Uint8Array,
	kind: string,
	version: string,
): { header: SnapshotHeader; body: Uint8Array } {
	const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
	if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new SnapshotError("not a snapshot");
	if (bytes.length < FRONT) throw new SnapshotError("it is cut off");
	const format = bytes.readUInt32LE(8);
	if (format !== FORMAT) {
		throw new SnapshotError(`its format is version ${format}; this uvmachine reads ${FORMAT}`);
	}
	const headerLength = bytes.readUInt32LE(12);
	const bodyLength = bytes.readUInt32LE(16);
	const length = FRONT + headerLength + bodyLength;
	if (bytes.length < length) throw new SnapshotError("it is cut off");
	if (bytes.length > length || headerLength > HEADER_MAX) throw new SnapshotError("it is damaged");
	if (!checksum(bytes).equals(bytes.subarray(CHECKSUM, FRONT))) {
		throw new SnapshotError("it is damaged");
	}
	const header = parseHeader(bytes.toString("utf8", FRONT, FRONT + headerLength));
	if (header.version !== version) {
		throw new SnapshotError(`it was made by uvmachine ${header.version}; this is ${version}`);
	}
	if (header.kind !== kind) {
		throw new SnapshotError(`this snapshot was made by \`uvmachine ${header.kind}\``);
	}
	return { header, body: inflate(bytes.subarray(FRONT + headerLength), header.bodyBytes) };
}

/**
 * Run `action`, which trusts a snapshot's contents.
 * => SnapshotError if they turn out to be wrong; UserError as it comes.
 */
export function rejectDamaged<T>(action: () => T): T {
	try {
		return action();
	} catch (error) {
		const wrong = error instanceof DamagedError || error instanceof TypeError;
		throw wrong ? new SnapshotError("it is damaged") : error;
	}
}

/** Node takes long to load this module, as that for compression; most runs need neither. */
export const sha256 = (): Hash => process.getBuiltinModule("node:crypto").createHash("sha256");

/** Of everything but the checksum itself. */
function checksum(file: Buffer): Buffer {
	const hash = sha256();
	return hash.update(file.subarray(0, CHECKSUM)).update(file.subarray(FRONT)).digest();
}

function parseHeader(text: string): SnapshotHeader & { bodyBytes: number } {
	try {
		const { version, kind, config, bodyBytes } = JSON.parse(text) as Record<string, unknown>;
		const isConfig = typeof config === "object" && config !== null && !Array.isArray(config);
		const isSize = Number.isInteger(bodyBytes) && Number(bodyBytes) <= BODY_MAX;
		if (typeof version === "string" && typeof kind === "string" && isConfig && isSize) {
			const known = config as Record<string, unknown>;
			return { version, kind, config: known, bodyBytes: Number(bodyBytes) };
		}
	} catch {
		// Below.
	}
	throw new SnapshotError("it is damaged");
}

function inflate(packed: Uint8Array, length: number): Uint8Array {
	const { inflateRawSync } = process.getBuiltinModule("node:zlib");
	try {
		const body = inflateRawSync(packed, { maxOutputLength: Math.max(1, length) });
		if (body.length === length) return body;
	} catch {
		// Below.
	}
	throw new SnapshotError("it is damaged");
}
