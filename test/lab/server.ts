import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/checkout'

/** Ignored by git; what a run leaves in `screenshots` stays until the next one. */
export const folder: string = join(root, '.cache/lab')
export const notebooks: string = join(folder, 'notebooks')
export const screenshots: string = join(folder, 'screenshots')
export const python: string = join(root, '.venv/bin/python')

const news = '@jupyterlab/apputils-extension/notification.jupyterlab-settings'

/** An empty work place in which cells find `qlora`, and settings under which JupyterLab asks the internet for nothing. */
function prepare(): void {
  rmSync(folder, { recursive: true, force: true })
  for (const path of [join(notebooks, 'node_modules'), screenshots, join(folder, 'settings', news, '..')]) {
    mkdirSync(path, { recursive: true })
  }
  symlinkSync(root, join(notebooks, 'node_modules/qlora'), 'dir')
  symlinkSync(join(root, 'notebooks/profile.ts'), join(folder, 'profile.ts'))
  writeFileSync(join(folder, 'settings', news), '{ "fetchNews": "false", "checkForUpdates": false }')
}

/** JupyterLab, its state (trust, settings, workspaces) in a folder of its own. */
export class LabServer {
  private constructor(
    private readonly child: ChildProcess,
    /** `http://127.0.0.1:port/`, without a token. */
    readonly url: string,
    readonly token: string,
  ) {}

  static async start(): Promise<LabServer> {
    prepare()
    const token = 'lab'
    const args = [
      '--no-browser',
      '--allow-root',
      '--ServerApp.ip=127.0.0.1',
      '--ServerApp.port=0',
      `--ServerApp.root_dir=${notebooks}`,
      `--IdentityProvider.token=${token}`,
    ]
    const state = Object.fromEntries(
      ['CONFIG', 'DATA', 'RUNTIME'].map((name) => [`JUPYTER_${name}_DIR`, join(folder, name.toLowerCase())]),
    )
    const env = {
      ...process.env,
      ...state,
      JUPYTERLAB_SETTINGS_DIR: join(folder, 'settings'),
      JUPYTERLAB_WORKSPACES_DIR: join(folder, 'workspaces'),
    }
    const child = spawn(python, ['-m', 'jupyterlab', ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const url = await new Promise<string>((resolve, reject) => {
      let said = ''
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said)
        if (found) resolve(found[0])
      })
      child.on('close', (code) => reject(new Error(`JupyterLab ended with ${code}:\n${said}`)))
    })
    return new LabServer(child, url, token)
  }

  /** Ends the kernels with it. */
  async stop(): Promise<void> {
    const ended = once(this.child, 'close')
    this.child.kill('SIGTERM')
    await ended
  }
}
