/** Renders and parses the file that sets the port of a backend for a web server. */

/** The placeholder of the port. */
export const portMark = '%{port}'

/** Replaces the placeholders in a text by the port. */
export function replacePort(text: string, port: number): string {
  return text.replaceAll(portMark, `${port}`)
}

interface Upstream {
  readonly path: string
  readonly name: string
  readonly content?: string | undefined
}

/** Returns the text of the file for a port: for nginx, unless the recipe gives another. */
export function upstreamText({ name, content }: Upstream, port: number): string {
  return content === undefined ? nginxUpstream(name, port) : replacePort(content, port)
}

function nginxUpstream(name: string, port: number): string {
  return `# Written by converge: the port that is live; what is changed here by hand is lost.
upstream ${name} {
    server 127.0.0.1:${port};
}
`
}

/** Returns the port that a text of the file names; null if it names none, or more than one. */
export function parsePort(text: string | null, ports: readonly number[]): number | null {
  const found = ports.filter((port) => new RegExp(`(?<!\\d)${port}(?!\\d)`).test(text ?? ''))
  return found.length === 1 ? (found[0] ?? null) : null
}
