import { RunnerProcess } from './process'

/** Started before anything else is loaded: it takes longest until it is ready, with the compiler. */
export const runner = new RunnerProcess()
