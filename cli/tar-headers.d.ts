/** The part of tar-stream that writes headers; its types are not in the package's. */
declare module "tar-stream/headers.js" {
	/** => a block; null if the name or the target of a link takes more than one. */
	export function encode(header: import("tar-stream").Headers): Uint8Array | null;
}
