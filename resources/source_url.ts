/** Where a file comes from: this host or a server, and with which login. */
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import type { HostReader } from '../core/host/types.ts'
import { ConvergeError } from '../core/model/errors.ts'

export const sourceProps = {
  url: z
    .string()
    .regex(/^(https?:\/\/[^\s/]+|file:\/\/\/|\/)\S*$/, { error: 'an http, https or file URL, or an absolute path' }),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, { error: '64 hexadecimal digits' })
    .optional(),
}

export const loginProps = {
  user: z.string().optional().describe('Account at the server, for basic authentication'),
  password: z.string().optional().meta({ sensitive: true }).describe('Its password; never shown'),
}

interface Address {
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
}

export interface Source {
  /** On this host, or null for what has to be fetched. */
  readonly path: string | null
  readonly url: string
  readonly user: string | undefined
  readonly password: string | undefined
}

/** The login of an address is taken out of it: it is not told, and goes where a login belongs. */
export function sourceOf({ url, user, password }: Address): Source {
  if (url.startsWith('/')) return { path: url, url, user, password }
  const parsed = new URL(url)
  if (parsed.protocol === 'file:') return { path: fileURLToPath(parsed), url, user, password }
  const inUrl = { user: decoded(parsed.username), password: decoded(parsed.password) }
  parsed.username = ''
  parsed.password = ''
  return { path: null, url: parsed.href, user: user ?? (inUrl.user || undefined), password: password ?? inUrl.password }
}

/** A password such as `50%` may stand in a URL as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return text
  }
}

/** Of a file on this host; a name with a backslash or a line break in it is told with a backslash before the digest. */
export async function sha256Of(host: HostReader, path: string): Promise<string> {
  const { stdout } = await host.query(['sha256sum', '--', path])
  return /^\\?([0-9a-f]{64})/.exec(stdout)?.[1] ?? ''
}

/** @throws CHECKSUM_MISMATCH */
export async function requireSha256(host: HostReader, path: string, wanted: string): Promise<void> {
  const found = await sha256Of(host, path)
  if (found === wanted) return
  throw new ConvergeError(`${path} has the sha256 ${found}, not ${wanted}`, {
    code: 'CHECKSUM_MISMATCH',
    hint: 'fetch the file again from its source; change sha256 only if the source publishes the new digest',
  })
}
