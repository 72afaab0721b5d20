import { link, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'

/**
 * The file system functions that saving and resuming use, in one object: a test replaces them to make the n-th
 * call fail.
 */
export interface Disk {
  link: typeof link
  mkdir: typeof mkdir
  open: typeof open
  readdir: typeof readdir
  readFile: typeof readFile
  rename: typeof rename
  rm: typeof rm
  stat: typeof stat
  statfs: typeof statfs
}

export const disk: Disk = { link, mkdir, open, readdir, readFile, rename, rm, stat, statfs }
