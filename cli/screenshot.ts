/** What the frame buffer shows, as a PNG file. */
import { encode } from "fast-png";
import type { System } from "../computer/system.ts";

/** => null if the system has no frame buffer. */
export function screenshot(system: System): Uint8Array | null {
	const { framebuffer } = system.board;
	if (framebuffer === null) return null;
	const { width, height } = framebuffer;
	return encode({ width, height, data: framebuffer.rgb(), channels: 3, depth: 8 });
}
