/** Paths of the host in memory, and the errors that the system gives for them. */

export function split(path: string): [string, string] {
  const slash = path.lastIndexOf('/')
  return [slash === 0 ? '/' : path.slice(0, slash), path.slice(slash + 1)]
}

export function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}

export function normalise(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

export function systemError(code: string, syscall: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}
