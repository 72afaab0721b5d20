// Packs everything the GPU tests and benches need into one folder, for a machine with a GPU but neither Node nor npm:
//   OUT/node.xz        this machine's Node binary      OUT/qlora.tar.xz   addon, dist, packages, tests, goldens, scripts
//   OUT/run.sh         unpacks both and runs a command in the unpacked tree (without one: the GPU tests)
// usage: node scripts/gpu/bundle.mjs [--out .cache/gpu] [--build build] [--dist dist] [--kernel] [--package NAME]... [--add PATH[=AS]]...
//   --build    the folder with Release/qlora.node and Release/qlora-cuda.so
//   --kernel   the notebook kernel and the notebooks as well, for scripts/gpu/notebook.mjs
//   --package  a package of node_modules, with what it depends on, besides those that dist imports
//   --add      a file or folder, at its own place in the tree or at AS
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const modules = join(root, 'node_modules')
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, '.cache/gpu') },
    build: { type: 'string', default: join(root, 'build') },
    dist: { type: 'string', default: join(root, 'dist') },
    kernel: { type: 'boolean', default: false },
    package: { type: 'string', multiple: true, default: [] },
    add: { type: 'string', multiple: true, default: [] },
  },
})
const out = resolve(values.out)
const tree = ['package.json', 'scripts', 'test/gpu', 'test/parity/golden']
/** Left out of packages: they pay for types, sources and other systems' binaries. sharp only draws PNG files. */
const unneeded = /\.(map|md|markdown|ts|mts|cts)$|^zod\/src$/
const optional = new Set(['sharp', 'tslab', 'zeromq'])
/** What the kernel is made of, besides packages: cells are checked against declarations, and those of its TypeScript and of Node. */
const kernelTree = [
  ...['dist-kernel', 'notebooks/en/01-llama3-chatqa-qlora.ipynb', 'notebooks/data'],
  ...['notebooks/profile.ts'],
]
const kernelFiles = [
  ...['tslab/package.json', 'tslab/dist', 'tslab/node_modules'],
  ...['package.json', 'lib'].map((name) => `typescript/${name}`),
]
const otherCompilers = /\/(tsserver\w*|tsc|typingsInstaller)\.(js|d\.ts)$|\.map$/

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.js'))
}

/** The packages that the library imports. */
function imported(folder) {
  const names = new Set()
  for (const file of filesBelow(folder))
    for (const [, name] of readFileSync(join(folder, file), 'utf8').matchAll(
      /(?:require|import)\(['"]((?:@[^/'"]+\/)?[^./'"][^/'"]*)/g,
    ))
      if (!name.startsWith('node:') && !optional.has(name)) names.add(name)
  return names
}

/** Those and everything they depend on, as folders below node_modules. */
function closure(names) {
  const found = new Set()
  const visit = (name, from) => {
    const places = [join(from, 'node_modules', name), join(modules, name)]
    const folder = places.find((place) => existsSync(join(place, 'package.json')))
    if (folder === undefined || found.has(folder)) return folder !== undefined
    found.add(folder)
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    )
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (!visit(dependency, folder) && !(dependency in optionalDependencies))
        throw new Error(`${name} needs ${dependency}, which is not installed`)
    return true
  }
  for (const name of names) if (!visit(name, root)) throw new Error(`the package ${name} is not installed`)
  return found
}

/** Native files of other systems than this one (`x.win32-x64.node`, `prebuilds/darwin-arm64`). */
function foreign(path) {
  const built = /\/build\/(linux|darwin|win32)(?:\/(\w+))?/.exec(path)
  if (built !== null)
    return (
      built[1] !== process.platform || (built[2] ?? process.arch) !== process.arch || path.includes('musl')
    )
  const named = /(linux|darwin|win32|android|freebsd)-(x64|ia32|arm64|arm|universal)/.exec(basename(path))
  return (
    named !== null &&
    (named[1] !== process.platform || named[2] !== process.arch || basename(path).includes('musl'))
  )
}

function copyPackage(folder, stage) {
  const name = relative(modules, folder)
  cpSync(folder, join(stage, 'node_modules', name), {
    recursive: true,
    dereference: true,
    filter: (path) => {
      const inside = join(name, relative(folder, path))
      return path === folder || !(unneeded.test(inside) || foreign(path) || basename(path) === 'node_modules')
    },
  })
}

function copyKernel(stage) {
  for (const path of kernelTree)
    cpSync(join(root, path), join(stage, path), {
      recursive: true,
      filter: (name) => !name.endsWith('.map'),
    })
  for (const path of kernelFiles)
    cpSync(join(modules, path), join(stage, 'node_modules', path), {
      recursive: true,
      dereference: true,
      filter: (name) => !otherCompilers.test(name),
    })
  // Where cells find the library: run.sh unpacks with tar, which keeps the link.
  mkdirSync(join(stage, 'notebooks/node_modules'), { recursive: true })
  symlinkSync('../..', join(stage, 'notebooks/node_modules/qlora'))
}

function copyAddon(stage) {
  const release = join(resolve(values.build), 'Release')
  if (!existsSync(join(release, 'qlora.node')))
    throw new Error(
      `there is no ${join(release, 'qlora.node')}; build it or name another folder with --build`,
    )
  if (!existsSync(join(release, 'qlora-cuda.so')))
    console.warn(`no qlora-cuda.so in ${release}: the bundle will run on the CPU only`)
  mkdirSync(join(stage, 'build/Release'), { recursive: true })
  for (const name of ['qlora.node', 'qlora-cuda.so'])
    if (existsSync(join(release, name))) cpSync(join(release, name), join(stage, 'build/Release', name))
}

function add(argument, stage) {
  const [path, as] = argument.split('=')
  const within = relative(root, resolve(path))
  const inTree = !within.startsWith('..') && !isAbsolute(within)
  const target = join(stage, as ?? (inTree ? within : basename(path)))
  mkdirSync(dirname(target), { recursive: true })
  cpSync(resolve(path), target, { recursive: true, dereference: true })
}

/** The Node binary, packed once for each version: it is most of the bundle, and half a minute's work. */
function packNode() {
  const packed = join(out, 'node.xz')
  const stamp = join(out, `node-${process.version}`)
  if (existsSync(packed) && existsSync(stamp)) return
  const copy = `${packed}.node`
  cpSync(process.execPath, copy, { dereference: true })
  try {
    execFileSync('strip', [copy])
  } catch {
    console.warn('node could not be stripped: it travels as it is')
  }
  const filters = process.arch === 'x64' ? ['--x86'] : []
  const bytes = execFileSync('xz', ['--stdout', ...filters, '--lzma2=preset=9,dict=128MiB', copy], {
    maxBuffer: 2 ** 30,
  })
  rmSync(copy)
  writeFileSync(packed, bytes)
  writeFileSync(stamp, '')
}

const stage = mkdtempSync(join(tmpdir(), 'qlora-bundle-'))
try {
  mkdirSync(out, { recursive: true })
  packNode()
  for (const path of tree) cpSync(join(root, path), join(stage, path), { recursive: true })
  cpSync(resolve(values.dist), join(stage, 'dist'), {
    recursive: true,
    filter: (path) => !(values.kernel ? /\.map$/ : /\.(map|d\.ts)$/).test(path),
  })
  copyAddon(stage)
  const packages = [
    ...values.package,
    ...(values.kernel ? ['zeromq', 'sharp', 'plotly.js-basic-dist-min'] : []),
  ]
  for (const folder of closure([...imported(resolve(values.dist)), ...packages])) copyPackage(folder, stage)
  if (values.kernel) copyKernel(stage)
  for (const argument of values.add) add(argument, stage)
  const tar = join(out, 'qlora.tar.xz')
  execFileSync('sh', [
    '-c',
    'tar -C "$1" --sort=name --owner=0 --group=0 -cf - . | xz -6 -T1 > "$2"',
    'sh',
    stage,
    tar,
  ])
  cpSync(join(import.meta.dirname, 'run-bundle.sh'), join(out, 'run.sh'))
  const sizes = ['node.xz', 'qlora.tar.xz', 'run.sh'].map((name) => [name, statSync(join(out, name)).size])
  for (const [name, size] of sizes)
    console.log(`${(size / 2 ** 20).toFixed(1).padStart(6)} MiB  ${join(out, name)}`)
  console.log(
    `${(sizes.reduce((sum, [, size]) => sum + size, 0) / 2 ** 20).toFixed(1).padStart(6)} MiB  together`,
  )
} finally {
  rmSync(stage, { recursive: true, force: true })
}
