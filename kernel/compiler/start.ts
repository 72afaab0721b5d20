import { CompilerThread } from './client'

/** Started before anything else is loaded, since it takes the longest to become ready. */
export const compiler = new CompilerThread()
