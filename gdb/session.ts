/** What a server needs: the protocol, and targets for it. */

export { BareHost } from "./bare-host.ts";
export { BareTarget } from "./bare-target.ts";
export { MachineTarget } from "./machine-target.ts";
export { GdbStub } from "./protocol/stub.ts";
export { SystemHost } from "./system-host.ts";
export { SystemTarget } from "./system-target.ts";
