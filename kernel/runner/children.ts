import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'

interface Row {
  pid: number
  parent: number
  /** Seconds since the process started. */
  age: number
}

/**
 * Signals the processes that this one started in the last `age` seconds, and their children: `execSync` blocks
 * its thread in native code until the child ends. Older processes, such as a server from an earlier cell, keep
 * running.
 */
export async function signalChildren(signal: NodeJS.Signals, age: number): Promise<void> {
  const rows = await (process.platform === 'linux' ? fromProc() : fromPs()).catch(() => [])
  const found = new Set([process.pid])
  // A parent can come after its child in the list.
  for (let before = 0; before < found.size;) {
    before = found.size
    for (const row of rows) if (found.has(row.parent) && row.age <= age) found.add(row.pid)
  }
  found.delete(process.pid)
  for (const pid of found) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has just ended.
    }
  }
}

/** Clock ticks of /proc/<pid>/stat per second, on every Linux that Node supports. */
const ticks = 100

async function fromProc(): Promise<Row[]> {
  const uptime = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0])
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = async (pid: string): Promise<Row[]> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (stat === undefined) return []
    // The name in parentheses can contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [{ pid: Number(pid), parent: Number(fields[1]), age: uptime - Number(fields[19]) / ticks }]
  }
  return (await Promise.all(pids.map(read))).flat()
}

async function fromPs(): Promise<Row[]> {
  const text = await new Promise<string>((resolve, reject) => {
    execFile('ps', ['-A', '-o', 'pid=,ppid=,etime='], (error, out) => (error ? reject(error) : resolve(out)))
  })
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, elapsed = ''] = line.trim().split(/\s+/)
      // [[days-]hours:]minutes:seconds
      const age = elapsed.split(/[-:]/).reverse()
      const units = [1, 60, 3600, 86_400]
      return {
        pid: Number(pid),
        parent: Number(parent),
        age: age.reduce((sum, part, i) => sum + Number(part) * units[i]!, 0),
      }
    })
}
