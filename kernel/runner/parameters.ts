/** The parameters of a cell's function, in this order. */
export const parameters = ['exports', 'require', 'module', '__filename', '__dirname', '__q'] as const

/** Names that are declared in every cell, as if by an earlier cell (their types are in `compiler/globals.ts`). */
export const kernelGlobals = ['prompt', 'clear_output', 'interact', 'kernel', 'npm'] as const

/** The property of the cells' exports that holds the value of a cell's last expression; no variable can have this name. */
export const lastExpression = 'last expression'
