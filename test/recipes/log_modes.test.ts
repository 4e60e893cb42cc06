/** Tests that other accounts cannot reach the logs of a site, also below a prefix and as an ordinary user. */
import { posix } from 'node:path'
import t from 'tap'
import { FakeHost } from '../support/fake_host.ts'

const accounts = [
  { user: 'root', prefixed: false },
  { user: 'root', prefixed: true },
  { user: 'jane', prefixed: true },
] as const

for (const options of accounts)
  for (const role of ['zeo-client', 'zeo-server'])
    t.test(`${role} as ${options.user}${options.prefixed ? ' below a prefix' : ''}`, async (t) => {
      const host = new FakeHost({ ...options, roles: [role] })
      await host.run()
      const tree = host.tree()
      const isOpen = (path: string): boolean => {
        const mode = Number.parseInt(tree[path]?.mode ?? '0755', 8)
        return (mode & 0o001) !== 0 && (path === '/' || isOpen(posix.dirname(path)))
      }
      // Each program of the release and supervisord write their logs to these directories.
      const directories = Object.keys(tree).filter((path) => /\/(log|logs|supervisor)$/.test(path) && /log/.test(path))
      t.ok(directories.length >= 2, directories.join(', '))
      for (const path of directories.filter((one) => tree[one]?.kind === 'directory'))
        t.notOk(isOpen(path) && !/\/var\/log$/.test(path), `${path} is closed to other accounts`)
      // Without a prefix, supervisord and its configuration come from the package.
      if (!options.prefixed) return
      const configuration = Object.entries(tree).find(([path]) => path.endsWith('/supervisord.conf'))
      t.match(configuration?.[1].content, /^umask = 027$/m, 'programs create logs for their group alone')
    })
