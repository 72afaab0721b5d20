// What the machine must bring. All that is missing is told at once, one sentence each.
import { spawnSync } from 'node:child_process'

const minimumNode = [20, 19]
const minimumPython = [3, 10]
const minimumCmake = [3, 19]

const isAtLeast = ([major, minor], [wantedMajor, wantedMinor]) =>
  Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor)

const mac = process.platform === 'darwin'
const install = (apt, brew) =>
  mac ? `\`brew install ${brew}\`` : `\`apt install ${apt}\` or your system's equivalent`

function answers(command, args, input) {
  const result = spawnSync(command, args, { input, encoding: 'utf8' })
  return result.status === 0 ? result.stdout : undefined
}

function nodeFault() {
  if (isAtLeast(process.versions.node.split('.'), minimumNode)) return undefined
  return `Node.js ${minimumNode.join('.')} or newer is needed and this is ${process.versions.node}: get it from https://nodejs.org.`
}

/** The Python that makes the local environment: `$PYTHON`, else python3, else python. */
export function findPython() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ['python3', 'python']
  let fault = `Python ${minimumPython.join('.')} or newer was not found: ${install('python3 python3-venv', 'python')}, or set PYTHON to it.`
  for (const command of candidates) {
    // The base interpreter: `python3` may be that of an activated environment, even of the one to be replaced.
    const answer = answers(command, ['-c', 'import sys; print(*sys.version_info[:2], sys._base_executable)'])
    if (answer === undefined) continue
    const [major, minor, ...path] = answer.trim().split(' ')
    if (!isAtLeast([major, minor], minimumPython)) {
      fault = `Python ${minimumPython.join('.')} or newer is needed and \`${command}\` is ${major}.${minor}: ${install('python3', 'python')}, or set PYTHON to a newer one.`
    } else if (answers(command, ['-c', 'import venv, ensurepip']) === undefined) {
      fault = `Python's venv and pip modules are missing for \`${command}\`: ${install('python3-venv', 'python')}.`
    } else return { command: path.join(' ') }
  }
  return { fault }
}

/** std::optional shows a C++17 library as well as a C++17 compiler. */
function compilerFault() {
  const source = '#include <optional>\nint main() { return std::optional<int>(0).value(); }\n'
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const works = (command) =>
    answers(command, ['-std=c++17', '-x', 'c++', '-fsyntax-only', '-'], source) !== undefined
  if (compilers.some(works)) return undefined
  const how = mac ? '`xcode-select --install`' : install('g++', 'gcc')
  return `A C++17 compiler was not found (tried ${compilers.join(', ')}): ${how}, or set CXX to one.`
}

function cmakeFault() {
  const version = answers('cmake', ['--version'])?.match(/(\d+)\.(\d+)/)
  if (!version) return `CMake was not found: ${install('cmake', 'cmake')}.`
  if (isAtLeast(version.slice(1), minimumCmake)) return undefined
  return `CMake ${minimumCmake.join('.')} or newer is needed and this is ${version[0]}: \`pip install cmake\` brings one.`
}

/** One sentence for each thing that is missing. */
export function missingTools() {
  if (process.platform === 'win32')
    return ['Windows itself is not supported yet: use the Windows Subsystem for Linux.']
  const faults = [nodeFault(), findPython().fault, compilerFault()]
  if (!answers('git', ['--version'])) faults.push(`git was not found: ${install('git', 'git')}.`)
  faults.push(cmakeFault())
  if (!answers('make', ['--version']) && !answers('ninja', ['--version']))
    faults.push(`Neither make nor ninja was found: ${install('make', 'make')}.`)
  return faults.filter((fault) => fault !== undefined)
}
