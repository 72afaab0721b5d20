import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { once } from 'node:events'
import ts from 'typescript'
import { temporaryFolder } from './temporary'

const root = resolve(__dirname, '../../..')

/** Compiles `src/files` and what it uses, `src/options`, to a folder that plain node can run. */
export async function compileFiles(): Promise<string> {
  const out = await temporaryFolder()
  const names = ['logging.ts']
  for (const folder of ['files', 'options']) {
    await mkdir(join(out, folder))
    const found = (await readdir(join(root, 'src', folder))).filter((name) => name.endsWith('.ts'))
    names.push(...found.map((name) => `${folder}/${name}`))
  }
  for (const name of names) {
    const source = await readFile(join(root, 'src', name), 'utf8')
    const compilerOptions = {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
    }
    const { outputText } = ts.transpileModule(source, { compilerOptions })
    await writeFile(join(out, name.replace(/ts$/, 'js')), outputText)
  }
  return out
}

/** Another process that downloads `owner/name`'s big.bin, printing `progress` once bytes come and then the path. */
export function downloadInChild(compiled: string): {
  child: ChildProcess
  output: Promise<string>
  started: Promise<unknown>
} {
  const script = `
    const { hf_hub_download } = require(${JSON.stringify(join(compiled, 'files/hub.js'))})
    let told = false
    const progress = () => { if (!told) { told = true; process.send('progress') } }
    hf_hub_download({ repo_id: 'owner/name', filename: 'big.bin', progress }).then(
      (path) => console.log(path), (error) => { console.error(error); process.exitCode = 1 })
      .finally(() => process.disconnect())`
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, NODE_PATH: join(root, 'node_modules') },
  })
  let text = ''
  child.stdout?.on('data', (chunk) => (text += String(chunk)))
  return { child, output: once(child, 'close').then(() => text.trim()), started: once(child, 'message') }
}
