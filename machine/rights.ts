/** Under which rights a hart accesses memory, and what makes one context different from another. */
import { PRIV_M, PRIV_S, PRIV_U, type Privilege } from "./hart-state.ts";
import { ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE, type Access } from "./port.ts";
import { PTE_R, PTE_U, PTE_W, PTE_X } from "./pte.ts";

/** Privilege and mstatus bits that decide whether an access is permitted. */
export interface Rights {
	priv: Privilege;
	sum: boolean;
	mxr: boolean;
}

/** The rights of a kernel that copies from or to user memory. */
export const SUPERVISOR_USER_RIGHTS: Readonly<Rights> = { priv: PRIV_S, sum: true, mxr: false };

/** Parts of a key: two bits for each privilege, and these. */
const KEY_SUM = 1 << 4;
const KEY_MXR = 1 << 5;
const KEY_TRANSLATES = 1 << 6;
const KEY_ASID_SHIFT = 7;

/**
 * The key of a context, for Mirror.use. What the rights of a privilege do not depend on makes no
 * other context. => `asid`: NOT_TRANSLATED where no access is translated.
 */
export function contextKey(fetch: Privilege, { priv, sum, mxr }: Rights, asid: number): number {
	let key: number = fetch | (priv << 2);
	if (priv === PRIV_S && sum) key |= KEY_SUM;
	if (priv !== PRIV_M && mxr) key |= KEY_MXR;
	return asid < 0 ? key : key | KEY_TRANSLATES | (asid << KEY_ASID_SHIFT);
}

/** Does the leaf `pte` allow `access`? Section 4.3.1. */
export function permits(pte: number, access: Access, rights: Rights): boolean {
	if (rights.priv === PRIV_U) {
		if ((pte & PTE_U) === 0) return false;
	} else if ((pte & PTE_U) !== 0 && (access === ACCESS_FETCH || !rights.sum)) return false;
	if (access === ACCESS_LOAD) {
		return (pte & PTE_R) !== 0 || (rights.mxr && (pte & PTE_X) !== 0);
	}
	return (pte & (access === ACCESS_STORE ? PTE_W : PTE_X)) !== 0;
}
