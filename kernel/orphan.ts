/** Milliseconds. */
const interval = 1000

/**
 * Calls `end` when the process that started the kernel has ended: nothing else would stop the kernel. Jupyter names that process in
 * JPY_PARENT_PID; without it (a kernel started by hand) the kernel stays.
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
    // It is there, of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
