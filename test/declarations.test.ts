import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

// The .d.ts files as tsc writes them: what is marked @internal is not in them, and they are whole without it.

const root = resolve(__dirname, '..')
const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
  config: { compilerOptions: object }
}
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const declarations = new Map(
  fileNames.map((file) => {
    const { outputText } = ts.transpileDeclaration(readFileSync(file, 'utf8'), {
      fileName: file,
      compilerOptions: options,
    })
    // A file alone gives a method like [Symbol.dispose]() a property of this name too, which tsc does not.
    return [file.replace(/\.ts$/, '.d.ts'), outputText.replace(/^ +\[Symbol\.\w+\]: .*$/gm, '')]
  }),
)
const declared = (file: string): string => declarations.get(join(root, file))!

it.each([
  ['src/models/causal-lm.d.ts', ['parts', 'memory_plans', 'adapter', 'openOriginal'], 'linearSlots'],
  ['src/tensor/tensor.d.ts', ['handle'], 'shape'],
  ['src/tensor/device.d.ts', ['handle', 'rowMultiple', 'dequantizesWhole'], 'emptyPinned'],
  ['src/peft/model.d.ts', ['checkTrainable', 'update'], 'merge_adapter'],
  ['src/trainer/trainer.d.ts', ['changeRows'], 'train_dataset'],
  ['src/generation/dynamic-cache.d.ts', ['open', 'close'], 'crop'],
])('%s hides %s', (file, hidden, shown) => {
  const member = (name: string): RegExp =>
    new RegExp(`^    (readonly |get )?${name}(\\(|\\??: (?!.*\\);$).*;$)`, 'm')
  for (const name of hidden) expect(declared(file)).not.toMatch(member(name))
  expect(declared(file)).toMatch(member(shown))
})

it('no declaration needs what was left out', () => {
  const settings = { ...options, noEmit: true, skipLibCheck: false, rootDir: root }
  const host = ts.createCompilerHost(settings)
  const { fileExists, readFile } = host
  host.fileExists = (file) => declarations.has(resolve(file)) || (!isSource(file) && fileExists(file))
  host.readFile = (file) => declarations.get(resolve(file)) ?? readFile(file)
  host.getSourceFile = (file, target) => {
    const text = host.readFile(file)
    return text === undefined ? undefined : ts.createSourceFile(file, text, target)
  }
  const program = ts.createProgram(
    [join(root, 'src/index.d.ts'), join(root, 'src/experimental.d.ts')],
    settings,
    host,
  )
  const ours = program.getSourceFiles().filter(({ fileName }) => declarations.has(resolve(fileName)))
  expect(ours.length).toBeGreaterThan(100)
  const faults = ours.flatMap((file) => program.getSemanticDiagnostics(file))
  expect(
    faults.map((f) => `${f.file?.fileName}: ${ts.flattenDiagnosticMessageText(f.messageText, ' ')}`),
  ).toEqual([])
}, 180_000)

/** A source file of the library, whose declarations stand in its place. */
function isSource(file: string): boolean {
  return resolve(file).startsWith(join(root, 'src/')) && !file.endsWith('.d.ts')
}
