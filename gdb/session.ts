/** What a server needs: the protocol, and targets for it. */
export { BareTarget } from "../machine/gdb/bare-target.ts";
export { MachineTarget } from "../machine/gdb/machine-target.ts";
export { GdbStub } from "../machine/gdb/stub.ts";
export { BareHost } from "./bare-host.ts";
export { SystemHost } from "./system-host.ts";
export { SystemTarget } from "./system-target.ts";
