import { createRequire } from 'node:module'
import { protocolVersion, type Content } from '../protocol/message'

const load = createRequire(__filename)
const version = (name: string): string => (load(name) as { version: string }).version

export function kernelInfo(): Content {
  const typescript = version('typescript/package.json')
  return {
    status: 'ok',
    protocol_version: protocolVersion,
    implementation: 'qlora',
    implementation_version: version('../../package.json'),
    language_info: {
      name: 'typescript',
      version: typescript,
      mimetype: 'text/typescript',
      file_extension: '.ts',
      pygments_lexer: 'typescript',
      codemirror_mode: { name: 'javascript', mode: 'typescript', typescript: true },
      nbconvert_exporter: 'script',
    },
    banner: `TypeScript ${typescript} on Node ${process.version}`,
    help_links: [],
    debugger: true,
    supported_features: ['debugger', 'kernel subshells'],
  }
}
