// What every set-up step shares: the project's root, content stamps, one printed line, a log of what its commands said.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** A fault the user can act on: printed without a stack. */
export class SetupError extends Error {}

/** Every file under the given files and folders (relative to the root, absent ones left out), sorted. */
export function filesUnder(paths) {
  const found = []
  const walk = (path) => {
    if (!existsSync(path)) return
    if (!statSync(path).isDirectory()) found.push(path)
    else for (const name of readdirSync(path)) walk(join(path, name))
  }
  for (const path of paths) walk(resolve(root, path))
  return found.sort()
}

/**
 * Hash of the files' names and contents, of `facts`, and of what every product depends on: the checkout's place
 * (paths are baked into a virtual environment, a kernelspec and CMake's cache) and the platform.
 */
export function fingerprint(paths, facts = []) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([root, process.platform, process.arch, ...facts]))
  for (const file of filesUnder(paths)) {
    hash.update(`\0${relative(root, file)}\0`)
    hash.update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** A stamp lies inside the product it speaks of, so deleting the product deletes the stamp. */
export function isStamped(product, print) {
  const stamp = join(root, product, '.setup-stamp')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === print
}

export function stamp(product, print) {
  writeFileSync(join(root, product, '.setup-stamp'), print)
}

/** Runs a command, its output going to `.cache/setup/<log>.log`; fails with the end of that output. */
export function run(log, command, args, options = {}) {
  const file = join(root, '.cache/setup', `${log}.log`)
  mkdirSync(dirname(file), { recursive: true })
  const stream = createWriteStream(file)
  let tail = ''
  const keep = (chunk) => {
    stream.write(chunk)
    tail = (tail + chunk).slice(-3000)
  }
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.on('error', (error) => fail(new SetupError(`${command} could not be started: ${error.message}`)))
    child.on('close', (code, signal) => {
      stream.end()
      if (code === 0) return done()
      const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`
      fail(new SetupError(`${tail.trim()}\n\n${log}: ${command} ${how}; the whole output is in ${file}`))
    })
  })
}
