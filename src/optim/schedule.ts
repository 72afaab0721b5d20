/**
 * The learning rate as a multiple of its peak, by optimizer step (0 is the first). Schedules that follow a
 * metric have `observe`, which is called with the value of each evaluation.
 */
export interface Schedule {
  (step: number): number
  observe?: (metric: number) => void
}
