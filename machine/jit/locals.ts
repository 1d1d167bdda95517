/** Parameters and locals of the function of a region. */
export const ENTRY = 0;
export const PC = 1;
export const LEFT = 2;
/** Host offset of the running context's tables. */
export const TABLES = 3;
export const VA = 4;
export const HOST = 5;
export const FIRST_REGISTER = 6;
