/** Waiting for children of agents, for tests that are not about them. */
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import type { Agent } from "./agents.ts";

const WNOHANG = 1;

/** Reap every child that has ended. */
export function wait_discard(agent: Agent): void {
	if (!agent.p.p_children.some((child) => child.p_exit !== null)) return;
	while (agent.syscall(SYS.wait4, -1, 0, WNOHANG, 0) > 0);
}
