/**
 * Learning rate as a multiple of its peak, by optimizer step (0 is the first). `observe` exists on the schedules that
 * follow a metric: they are told the value of each evaluation.
 */
export interface Schedule {
  (step: number): number
  observe?: (metric: number) => void
}
