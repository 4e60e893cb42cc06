/** Reads and writes records of what an operator did to an app: who, and when. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'

export interface OperatorRecord {
  readonly by: string
  /** ISO time. */
  readonly at: string
}

const content = z.object({ by: z.string(), at: z.string() })

/** Returns the record of that name; null if there is none, or it is damaged. */
export function readOperatorRecord(host: HostReader, name: string): OperatorRecord | null {
  try {
    const found = content.safeParse(JSON.parse(host.recorded(name) || 'null'))
    return found.success ? found.data : null
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return null
  }
}

/** @param by the operator; null removes the record */
export function writeOperatorRecord(host: Host, name: string, by: string | null): void {
  const at = new Date(host.now() * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
  host.record(name, by === null ? '' : JSON.stringify({ by, at }))
}
