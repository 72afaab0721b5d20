/** The parts of the Debug Adapter Protocol and of V8's inspector protocol that the debugger uses. */
export interface DapRequest {
  seq: number
  command: string
  arguments?: Record<string, unknown>
}

export interface DapResponse {
  type: 'response'
  seq: number
  request_seq: number
  command: string
  success: boolean
  message?: string
  body: object
}

export interface DapEvent {
  type: 'event'
  seq: number
  event: string
  body: object
}

export interface DapVariable {
  name: string
  value: string
  type?: string
  variablesReference: number
  evaluateName?: string
}

export interface RemoteObject {
  type: string
  subtype?: string
  className?: string
  value?: unknown
  unserializableValue?: string
  description?: string
  objectId?: string
  preview?: ObjectPreview
}

export interface ObjectPreview {
  subtype?: string
  description?: string
  overflow: boolean
  properties: { name: string; type: string; value?: string }[]
  entries?: { key?: ObjectPreview; value: ObjectPreview }[]
}

export interface PropertyDescriptor {
  name: string
  value?: RemoteObject
  get?: RemoteObject
  isOwn?: boolean
}

/** Lines and columns count from 0. */
export interface Location {
  scriptId: string
  lineNumber: number
  columnNumber?: number
}

export interface CallFrame {
  callFrameId: string
  functionName: string
  functionLocation?: Location
  location: Location
  scopeChain: { type: string; object: RemoteObject }[]
  this: RemoteObject
  returnValue?: RemoteObject
}

export interface Paused {
  callFrames: CallFrame[]
  reason: string
  data?: { description?: string }
  hitBreakpoints?: string[]
}

export interface Evaluated {
  result: RemoteObject
  exceptionDetails?: { text: string; exception?: RemoteObject }
}
