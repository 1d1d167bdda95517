/** What a server needs: the protocol, and targets for it. */

export { BareTarget } from "./bare-target.ts";
export { MachineTarget } from "./machine-target.ts";
export { GdbStub } from "./protocol/stub.ts";
export { SystemTarget } from "./system-target.ts";
