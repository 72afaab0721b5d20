/**
 * MB of JavaScript heap for the cells where nobody sets `--max-old-space-size`. V8 collects a full heap several times before it
 * gives up, which takes 18 s of CPU time a GB: at Node's own 4 GB more than a minute, in which the cell does not answer.
 */
const usualHeap = 2048

/** The limit of the cells' heap in MB: `nodes` is what Node gives this process, `options` how it was started. */
export function heapLimitFor(nodes: number, options: string): number {
  return options.includes('--max-old-space-size') || options.includes('--max_old_space_size')
    ? nodes
    : Math.min(nodes, usualHeap)
}
