import { link, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'

/** What saving and resuming ask of the file system, in one object: a test replaces its functions to let the n-th call fail. */
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
