/** Reads the file that a new file replaces, so that reports can compare the two. */
import { resolvedPath } from '../host/resolved_path.ts'
import type { HostReader } from '../host/types.ts'
import { isRefusal } from '../model/file_errors.ts'
import { isObject } from '../model/json.ts'
import { NotYetKnown } from '../model/reference.ts'

export interface PreviousFile {
  readonly path: string
  readonly text: string
  readonly isSame: boolean
}

interface NewFile {
  /** Path of the previous file; it may lead through links. */
  readonly path: string
  readonly now: unknown
  readonly desired: unknown
}

/**
 * Returns the previous file of a new one, with its text.
 * @param learn called with the path without links and the state of the previous file, before its text is used: it may
 * contain former secrets
 * @returns null if the file is not new, or if there is no text to compare with
 */
export function readPreviousFile(
  host: HostReader,
  { path, now, desired }: NewFile,
  learn: (realPath: string, state: { readonly content: string }) => void,
): PreviousFile | null {
  const content = contentOf(desired)
  if (content === null || contentOf(now) !== null) return null
  const text = readText(host, path)
  if (text === null) return null
  learn(resolvedPath(host, path), { content: text })
  return { path, text, isSame: text === content }
}

function readText(host: HostReader, path: string): string | null {
  try {
    return host.stat(path)?.kind === 'file' ? host.readText(path) : null
  } catch (error) {
    // The comparison is only for the report. The new file does not depend on it.
    if (error instanceof NotYetKnown || isRefusal(error)) return null
    throw error
  }
}

function contentOf(state: unknown): string | null {
  return isObject(state) && typeof state.content === 'string' ? state.content : null
}
