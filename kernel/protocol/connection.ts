import { readFileSync } from 'node:fs'

/** Jupyter's connection file. */
export interface Connection {
  transport: string
  ip: string
  key: string
  signature_scheme: string
  shell_port: number
  iopub_port: number
  stdin_port: number
  control_port: number
  hb_port: number
}

const ports = ['shell_port', 'iopub_port', 'stdin_port', 'control_port', 'hb_port'] as const

export function readConnection(path: string): Connection {
  const connection = JSON.parse(readFileSync(path, 'utf8')) as Connection
  for (const port of ports) {
    if (!Number.isInteger(connection[port])) throw new Error(`${path}: ${port} is missing`)
  }
  if (connection.key !== '' && connection.signature_scheme !== 'hmac-sha256') {
    throw new Error(`${path}: signature_scheme '${connection.signature_scheme}', expected 'hmac-sha256'`)
  }
  return connection
}

/** The address to bind; `ipc` names files `<ip>-<port>`. */
export function address(connection: Connection, port: number): string {
  const separator = connection.transport === 'ipc' ? '-' : ':'
  return `${connection.transport}://${connection.ip}${separator}${port}`
}
