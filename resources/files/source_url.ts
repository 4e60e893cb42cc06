/** Resolves the source of a file: a path on this host, or a URL with its login. */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { type HostReader, longestDownload } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { fileTooLarge } from '../../core/model/file_errors.ts'

/** Bytes that are read at once for a digest. */
const partSize = 4 * 1024 * 1024

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
  /** The path on this host, or null for a file to download. */
  readonly path: string | null
  readonly url: string
  readonly user: string | undefined
  readonly password: string | undefined
}

/** Returns the source. Moves a login from the URL into `user` and `password`, so that no log contains it. */
export function parseSource({ url, user, password }: Address): Source {
  if (url.startsWith('/')) return { path: url, url, user, password }
  const parsed = new URL(url)
  if (parsed.protocol === 'file:') return { path: fileURLToPath(parsed), url, user, password }
  const inUrl = { user: decodePercent(parsed.username), password: decodePercent(parsed.password) }
  parsed.username = ''
  parsed.password = ''
  return { path: null, url: parsed.href, user: user ?? (inUrl.user || undefined), password: password ?? inUrl.password }
}

/** Decodes a part of a URL; a text that is not percent-encoded, such as the password `50%`, stays unchanged. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return text
  }
}

/**
 * Returns the digest of a file on this host, which another account may replace meanwhile.
 * @throws NOT_A_FILE, NOT_READABLE; FILE_TOO_LARGE beyond what a download can have
 */
export async function sha256OfFile(host: HostReader, path: string): Promise<string> {
  const hash = createHash('sha256')
  for (let from = 0; ; ) {
    const bytes = host.readBytes(path, { from, limit: partSize }) ?? Buffer.alloc(0)
    hash.update(bytes)
    from += bytes.length
    if (bytes.length < partSize) return hash.digest('hex')
    if (from > longestDownload) throw fileTooLarge(path, null, longestDownload)
    // Deadlines and signals must not wait for the whole file.
    await new Promise(setImmediate)
  }
}

/**
 * Requires that a file has a digest.
 * @throws CHECKSUM_MISMATCH
 */
export async function requireSha256(host: HostReader, path: string, expected: string): Promise<void> {
  const found = await sha256OfFile(host, path)
  if (found === expected) return
  throw new ConvergeError(`${path} has the sha256 ${found}, not ${expected}`, {
    code: 'CHECKSUM_MISMATCH',
    hint: 'fetch the file again from its source; change sha256 only if the source publishes the new digest',
  })
}
