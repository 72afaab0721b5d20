import { escapeHtml } from './format'
import type { MimeBundle } from './output'

/** A turn as it is shown. */
export interface ShownTurn {
  role: string
  content: string
  /** Still being made. */
  growing?: boolean
}

const names: Readonly<Record<string, string>> = { user: 'You', assistant: 'Model', system: 'System' }
const nameOf = (role: string): string => names[role] ?? role

/** What was said, for a notebook and as text; it shows the same where the notebook is only read. */
export function transcriptBundle(turns: readonly ShownTurn[], fault?: string): MimeBundle {
  const html = turns.map(
    ({ role, content, growing }) =>
      `<div style="margin:0.4em 0;padding:0.4em 0.8em;border-radius:0.5em;white-space:pre-wrap;max-width:48em;` +
      `background:${role === 'user' ? 'rgba(127,127,127,0.16)' : 'rgba(66,133,244,0.12)'}">` +
      `<div style="opacity:0.65;font-size:85%">${escapeHtml(nameOf(role))}</div>` +
      `${escapeHtml(content)}${growing ? '<span style="opacity:0.5">▍</span>' : ''}</div>`,
  )
  const failed =
    fault === undefined ? '' : `<div style="color:#c62828;white-space:pre-wrap">${escapeHtml(fault)}</div>`
  const text = turns.map(({ role, content }) => `${nameOf(role)}: ${content}`)
  return {
    'text/html': html.join('') + failed || '<div></div>',
    'text/plain': [...text, ...(fault === undefined ? [] : [fault])].join('\n') || '(nothing said yet)',
  }
}

/** The comm target that a panel in a browser opens. */
export const chatTarget = 'qlora.chat'

/**
 * The field and buttons below a transcript. It stays hidden until its script has reached the kernel: where the notebook is only read,
 * in a frontend without Jupyter's page configuration, and after the kernel has ended.
 */
export function inputBundle(panel: string, kernel: string): MimeBundle {
  const button = (name: string, text: string): string =>
    `<button data-act="${name}" style="margin-right:0.4em">${text}</button>`
  return {
    'text/html':
      `<div id="qlora-chat-${panel}" class="qlora-chat" hidden><textarea rows="2" placeholder="Say something; Enter sends it"` +
      ` style="width:100%;max-width:48em;box-sizing:border-box;font:inherit"></textarea><div>` +
      `${button('say', 'Send')}${button('stop', 'Stop')}${button('reset', 'New conversation')}</div></div>` +
      `<script>(${script.toString()})(${[panel, kernel, chatTarget].map((text) => JSON.stringify(text)).join(',')})</script>`,
    'text/plain': '(a notebook in JupyterLab has a field for the next message here)',
  }
}

/* The types of a browser, as far as the script uses them. */
interface Field {
  value: string
  onkeydown: (event: {
    key: string
    shiftKey: boolean
    stopPropagation(): void
    preventDefault(): void
  }) => void
  focus(): void
}
interface Button {
  dataset: { act: string }
  disabled: boolean
  onclick: () => void
}
interface Panel {
  hidden: boolean
  querySelector(name: 'textarea'): Field
  querySelectorAll(name: 'button'): Iterable<Button>
}
interface Page {
  getElementById(id: string): (Panel & { textContent: string }) | null
}
interface Socket {
  onopen: () => void
  onmessage: (event: { data: unknown }) => void
  onclose: () => void
  send(text: string): void
}
interface Wire {
  channel: string
  header: { msg_type: string }
  content: { comm_id?: string; data?: { state?: string } }
}

/** Runs in the browser, from its own text: it may use nothing of this file. */
function script(panel: string, kernel: string, target: string): void {
  const { document, location, crypto, WebSocket } = globalThis as unknown as {
    document: Page
    location: { href: string }
    crypto: { getRandomValues(bytes: Uint8Array): Uint8Array }
    WebSocket: new (url: URL) => Socket
  }
  const root = document.getElementById(`qlora-chat-${panel}`)
  const page = document.getElementById('jupyter-config-data')
  if (!root || !page) return
  const config = JSON.parse(page.textContent) as { baseUrl?: string; token?: string }
  const id = (): string =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    )
  const [session, comm] = [id(), id()]
  const url = new URL(`${config.baseUrl ?? '/'}api/kernels/${kernel}/channels`, location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.searchParams.set('session_id', session)
  if (config.token) url.searchParams.set('token', config.token)
  const socket = new WebSocket(url)
  const send = (msg_type: string, content: object): void => {
    const date = new Date().toISOString()
    const header = { msg_id: id(), username: '', session, msg_type, version: '5.3', date }
    const message = { channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] }
    socket.send(JSON.stringify(message))
  }
  const tell = (data: object): void => send('comm_msg', { comm_id: comm, data })
  const field = root.querySelector('textarea')
  const say = (): void => {
    const text = field.value.trim()
    if (text) tell({ say: text })
    field.value = ''
    field.focus()
  }
  field.onkeydown = (event) => {
    // The notebook's own keys are not meant.
    event.stopPropagation()
    if (event.key !== 'Enter' || event.shiftKey) return
    event.preventDefault()
    say()
  }
  const buttons = Array.from(root.querySelectorAll('button'))
  for (const button of buttons) {
    const { act } = button.dataset
    button.onclick = act === 'say' ? say : () => tell({ [act]: true })
  }
  socket.onopen = () => send('comm_open', { comm_id: comm, target_name: target, data: { panel } })
  socket.onmessage = ({ data }) => {
    if (typeof data !== 'string') return
    const { header, content } = JSON.parse(data) as Wire
    if (content.comm_id !== comm) return
    if (header.msg_type === 'comm_close') root.hidden = true
    if (header.msg_type !== 'comm_msg') return
    root.hidden = false
    for (const button of buttons)
      button.disabled = (button.dataset.act === 'stop') !== (content.data?.state === 'busy')
  }
  socket.onclose = () => {
    root.hidden = true
  }
}
