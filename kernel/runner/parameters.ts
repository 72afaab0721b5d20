/** What a cell's function gets, in this order. */
export const parameters = ['exports', 'require', 'module', '__filename', '__dirname', '__q'] as const
