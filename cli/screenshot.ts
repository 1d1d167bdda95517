/** The contents of the frame buffer as a PNG file. */
import type { System } from "../index.ts";

/** => null if the system has no frame buffer. */
export async function screenshot(system: System): Promise<Uint8Array | null> {
	const { framebuffer } = system.board;
	if (framebuffer === null) return null;
	// Imported only here: the command line starts sooner without it.
	const { encode } = await import("fast-png");
	const { width, height } = framebuffer;
	return encode({ width, height, data: framebuffer.rgb(), channels: 3, depth: 8 });
}
