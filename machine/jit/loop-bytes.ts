/** The bytes of the interpreter's loop. Bundled programs have them as they were at build time. */
import { loopModule } from "./loop.ts";

export const loopBytes = (): Uint8Array => loopModule();
