import { CompilerThread } from './client'

/** Begun before anything else is loaded: it takes longest until it is ready. */
export const compiler = new CompilerThread()
