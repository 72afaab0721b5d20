/** The parameters of a cell's function, in this order. */
export const parameters = ['exports', 'require', 'module', '__filename', '__dirname', '__q'] as const

/** Names that every cell finds declared, as if an earlier cell had done so (`compiler/globals.ts` has their types). */
export const kernelGlobals = ['prompt', 'clear_output', 'interact', 'kernel', 'npm'] as const

/** The property of the cells' exports that holds the value of a cell's last expression; no variable can have this name. */
export const lastExpression = 'last expression'
