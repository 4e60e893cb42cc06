/** Defines the desired state for every tool: N resources in blocks of one directory, eight rendered files, one link. */

export interface Variables {
  readonly svc: string
  readonly port: number
  readonly workers: number
}

export interface State {
  readonly root: string
  /** Mode 0750. */
  readonly directories: readonly string[]
  /** Mode 0640, each made of the template with its own variables. */
  readonly files: readonly (Variables & { readonly path: string })[]
  readonly links: readonly { readonly path: string; readonly target: string }[]
}

/** @param count number of resources without the root directory, a multiple of ten */
export function stateOf(root: string, count: number): State {
  const blocks = Array.from({ length: count / 10 }, (_, block) => `${root}/d${String(block).padStart(4, '0')}`)
  return {
    root,
    directories: blocks,
    files: blocks.flatMap((directory, block) =>
      Array.from({ length: 8 }, (_, index) => {
        const number = block * 8 + index
        return {
          path: `${directory}/f${index}.conf`,
          svc: `svc${String(number).padStart(5, '0')}`,
          port: 10_000 + number,
          workers: 1 + (number % 16),
        }
      }),
    ),
    links: blocks.map((directory) => ({ path: `${directory}/current`, target: 'f0.conf' })),
  }
}

/** Returns the template of all files, about 1 KB, with each variable written by `variable`. */
export function templateText(variable: (name: keyof Variables) => string): string {
  const [svc, port, workers] = [variable('svc'), variable('port'), variable('workers')]
  const constant = Array.from({ length: 13 }, (_, line) => {
    const number = String(line).padStart(2, '0')
    return `setting_${number} = text-${number}-that-is-the-same-in-each-of-the-files`
  })
  const lines = [
    `# configuration of ${svc}, kept by a tool: do not edit`,
    '[service]',
    `name = ${svc}`,
    `listen = 127.0.0.1:${port}`,
    `workers = ${workers}`,
    `pid = /run/bench/${svc}.pid`,
    `log = /var/log/bench/${svc}/access.log`,
    ...constant,
    '[upstream]',
    `url = http://127.0.0.1:${port}/${svc}`,
    `# end of ${svc} (${workers} workers)`,
  ]
  return `${lines.join('\n')}\n`
}
