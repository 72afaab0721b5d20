/** Milliseconds. */
const interval = 1000

/**
 * Calls `end` when the process that started the kernel has ended, since nothing else would stop the kernel.
 * Jupyter gives that process's id in JPY_PARENT_PID; without it (a kernel started by hand) the kernel keeps
 * running.
 */
export function watchParent(end: () => void): void {
  if (!process.env.JPY_PARENT_PID) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent && exists(parent)) return
    clearInterval(timer)
    end()
  }, interval)
  timer.unref()
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // The process exists, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
