/** Queries of files, for recipes whose declarations depend on them. */
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'

/** The text of a file; null if there is none. */
export function textOf(path: string): DefaultedQuery<string | null> {
  return defineQuery({ name: `the text of ${path}`, read: (host) => host.readText(path), unread: null })
}

/** Whether a path exists, with links followed. */
export function exists(path: string): DefaultedQuery<boolean> {
  return defineQuery({ name: `whether ${path} exists`, read: (host) => host.stat(path) !== null, unread: false })
}

/** Whether a directory has an entry at the path, such as a link that leads nowhere. */
export function hasEntry(path: string): DefaultedQuery<boolean> {
  return defineQuery({ name: `whether ${path} exists`, read: (host) => host.lstat(path) !== null, unread: false })
}

/** Whether the account of the run finds a program. */
export function hasProgram(program: string): DefaultedQuery<boolean> {
  return defineQuery({ name: `whether ${program} exists`, read: (host) => host.which(program) !== null, unread: false })
}

/** Whether converge wrote a file: it begins with converge's own header. */
export function isWrittenBy(path: string, header: string): DefaultedQuery<boolean> {
  return defineQuery({
    name: `whether converge wrote ${path}`,
    read: (host) => (host.readText(path) ?? '').startsWith(header),
    unread: false,
  })
}

/**
 * Whether converge may write a file that it shares with others: there is none, or it begins with converge's own header.
 */
export function isWritable(path: string, header: string): DefaultedQuery<boolean> {
  return defineQuery({
    name: `who wrote ${path}`,
    read: (host) => host.lstat(path) === null || (host.readText(path) ?? '').startsWith(header),
    unread: true,
  })
}

/** Whether a path is a link to the target, something else, or nothing. */
export function linkStateOf(path: string, target: string): DefaultedQuery<'as asked' | 'different' | 'missing'> {
  return defineQuery({
    name: `the link ${path}`,
    read(host) {
      const found = host.lstat(path)
      if (found === null) return 'missing'
      return found.kind === 'link' && host.readLink(path) === target ? 'as asked' : 'different'
    },
    unread: 'missing',
  })
}
