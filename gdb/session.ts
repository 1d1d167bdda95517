/** The part of gdb/ that a server uses: the protocol's stub and the targets. */

export { BareTarget } from "./bare-target.ts";
export { MachineTarget } from "./machine-target.ts";
export { GdbStub } from "./protocol/stub.ts";
export { SystemTarget } from "./system-target.ts";
