import { RunnerProcess } from './process'

/** Started before anything else is loaded: with the compiler, it takes the longest to become ready. */
export const runner = new RunnerProcess()
