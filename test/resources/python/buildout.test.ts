/** Tests buildout: when it builds, as which account, and how it recovers from failed and killed builds. */
import fc from 'fast-check'
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { minutes } from '../../../core/model/units.ts'
import { buildout, createIndexWatch } from '../../../resources/python/buildout.ts'
import { shellSplit } from '../../../resources/python/shell_words.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const directory = '/srv/site/releases/1'
const shared = '/srv/site/shared'
const program = `${shared}/env/bin/buildout`
const props = { directory, shared, buildout: program, user: 'deploy' }
const eggs = `${shared}/eggs/v5/cp311`
const wheel = `${shared}/downloads/dist/new.whl`

const given = (host: VirtualHost) => {
  host.given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
  host.given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
  host.given(program, '#!', '0755').given(directory, null).given(`${directory}/deploy.cfg`, '[buildout]\n')
  host.given(`${eggs}/old-1.egg/x`, '').given(`${shared}/downloads/dist/old.whl`, '').given(`${shared}/extends`, null)
}

/** Creates the files of a build that was interrupted midway. */
const leaveHalf = (host: VirtualHost) =>
  host
    .given(`${eggs}/new-1.egg/x`, '')
    .given(`${eggs}/tmpab12/half/x`, '')
    .given(wheel, 'PK')
    .given(`${directory}/parts/client1/x`, '')

type Build = (
  host: VirtualHost,
  args: readonly string[],
) => { status?: number; lines?: string[]; timedOut?: boolean } | undefined

/** The programs that a build requires on the in-memory host; `build` does the work of buildout. */
function commands(build: Build = () => undefined): CommandHandler {
  return (argv, options, host) => {
    const [name] = argv
    if (name === 'sync') return {}
    if (name === 'xargs') {
      for (const path of (options.input ?? '').split('\0')) host.remove(path)
      return options.user === 'deploy' ? {} : { status: 1 }
    }
    if (name !== program) return null
    const args = argv
    const { status = 0, lines = [] } = build(host, args) ?? {}
    for (const line of lines) options.onLine?.(line)
    if (status === 0) host.given(`${eggs}/new-1.egg/x`, '').given(`${directory}/bin/client1`, '')
    return { status, stdout: lines.join('\n') }
  }
}

const built = (host: VirtualHost) =>
  host.changes.filter((what) => what.startsWith(`run ${program}`)).map((what) => what.slice('run '.length))

contract(t, buildout, [
  {
    name: 'builds as the account of the site',
    props: { ...props, group: 'deploy' },
    given,
    host: { commands: commands() },
    changes: ['replace /built'],
    then: (t, host) => {
      t.equal(built(host).at(-1), `${program} -c deploy.cfg buildout:abi-tag-eggs=true`)
      t.match(host.readText(`${directory}/.converge/built.json`), /^\{"built":"[0-9a-f]{64}"\}\n$/)
      t.match(host.stat(`${directory}/.converge/built.json`), { uid: 1000, gid: 1000, mode: '0644' })
      t.ok(host.lstat(`${eggs}/new-1.egg`), 'the files of the build stay')
      t.equal(host.lstat(`${shared}/.converge-building.json`), null)
    },
  },
  {
    name: 'writes flags in one line, and runs bootstrap first',
    props: { ...props, flags: "-N 'a b'=c", bootstrapParams: ['-v'], eggsByPython: false, config: 'x/other.cfg' },
    given,
    host: { commands: commands() },
    then: (t, host) =>
      t.strictSame(built(host).slice(-2), [
        `${program} -c x/other.cfg -v bootstrap`,
        `${program} -c x/other.cfg -N a b=c`,
      ]),
  },
  {
    name: 'builds without a shared directory',
    props: { directory, buildout: program, user: 'deploy' },
    given,
    host: { commands: commands() },
    then: (t, host) => t.equal(host.lstat(`${directory}/.converge-building.json`), null),
  },
  {
    name: 'removes everything of a killed build',
    props,
    given: (host) => {
      given(host)
      const before = [
        `${shared}/eggs/v5`,
        eggs,
        `${eggs}/old-1.egg`,
        `${shared}/downloads/dist`,
        `${shared}/downloads/dist/old.whl`,
      ]
      leaveHalf(host).given(`${shared}/.converge-building.json`, JSON.stringify({ directory, before }))
    },
    host: {
      commands: commands((host) => {
        t.strictSame(
          leftovers(host).filter((path) => !path.endsWith('.egg')),
          [],
          'removed before the build begins',
        )
        return undefined
      }),
    },
    then: (t, host) => {
      t.ok(host.lstat(`${eggs}/old-1.egg/x`))
      t.equal(host.lstat(`${directory}/parts/client1`), null)
    },
  },
  {
    name: 'keeps everything after a build was killed elsewhere',
    props,
    given: (host) => {
      given(host)
      host
        .given(`${directory}/bin/mine`, '')
        .given(wheel, 'PK')
        .given(`${shared}/.converge-building.json`, JSON.stringify({ directory: '/srv/site/releases/0', before: [] }))
    },
    host: { commands: commands() },
    then: (t, host) => {
      t.ok(host.lstat(`${directory}/bin/mine`))
      t.equal(host.lstat(wheel), null)
      t.equal(host.lstat(`${eggs}/old-1.egg`), null, 'not in the note: not to be trusted')
    },
  },
  {
    name: 'removes only an incomplete note if no build had begun',
    props,
    given: (host) => {
      given(host)
      host.given(`${shared}/.converge-building.json`, '{"dir').given(`${directory}/src/mine`, '')
    },
    host: { commands: commands() },
    then: (t, host) => {
      t.ok(host.lstat(`${eggs}/old-1.egg/x`), 'an egg that current releases use')
      t.ok(host.lstat(`${shared}/downloads/dist/old.whl`))
      t.ok(host.lstat(`${directory}/src/mine`))
      t.equal(host.lstat(`${shared}/.converge-building.json`), null)
    },
  },
  {
    name: 'fails with the end of the output of a build',
    props,
    given,
    host: { commands: commands(() => ({ status: 1, lines: Array.from({ length: 40 }, (_, line) => `line ${line}`) })) },
    fails:
      /the buildout in \/srv\/site\/releases\/1 failed: it exited with status 1.*and test it with: cd \/srv\/site\/releases\/1 && runuser -u deploy -- \S+\/bin\/buildout -c deploy\.cfg .*line 15\nline 16.*line 39/s,
  },
  {
    name: 'fails as root',
    props: { ...props, user: undefined },
    given,
    host: { commands: commands() },
    fails: /would run as root, and with it the code.*set user.*hostile setup\.py/s,
  },
  {
    name: 'fails as another account with the rights of root',
    props: { ...props, user: 'toor' },
    given: (host) => {
      given(host)
      host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n')
    },
    fails: /would run as toor/,
  },
  {
    name: 'builds as root if that is allowed',
    props: { ...props, user: undefined, allowRoot: true },
    given,
    host: { commands: commands() },
    changes: ['replace /built'],
  },
  {
    name: 'fails if buildout is not installed',
    props: { ...props, buildout: '/opt/none/bin/buildout' },
    given,
    host: { commands: commands() },
    fails: /there is no program \/opt\/none.*virtualenv/s,
  },
  {
    name: 'fails if the release directory does not exist',
    props: { ...props, directory: '/srv/none' },
    given,
    host: { commands: commands() },
    fails: /directory \/srv\/none does not exist.*git_release/s,
  },
  {
    name: 'fails if a build creates a link where converge writes',
    props,
    given,
    host: { commands: commands((host) => void host.given(`${directory}/.converge`, { link: '/etc/cron.d' })) },
    fails: /\.converge is a link, not a directory/,
  },
])

function leftovers(host: VirtualHost): string[] {
  return [`${eggs}/new-1.egg`, `${eggs}/tmpab12`, wheel, `${directory}/parts/client1`].filter(
    (path) => host.lstat(path) !== null,
  )
}

const plan = (more: object = {}) => planOf((r) => void buildout(r, { ...props, ...more }))
const prepared = (build?: Build) => {
  const host = new VirtualHost({ commands: commands(build) })
  given(host)
  return host
}

t.test('builds again only when an input has changed', async (t) => {
  const host = prepared()
  for (const [more, expected] of [
    [{}, 1],
    [{}, 1],
    [{ inputs: { release: 'a' } }, 2],
    [{ inputs: { release: 'a' }, timeout: minutes(1) }, 2],
    [{ inputs: { release: 'b' } }, 3],
    [{ inputs: { release: 'b' }, environment: { A: '1' } }, 4],
    [{ inputs: { release: 'b' }, environment: { A: '1' }, flags: '-N' }, 5],
    [{ inputs: { release: 'b' }, environment: { A: '1' }, flags: ['-N'] }, 5],
  ] as const) {
    t.strictSame(failureOf(await run(plan(more), host)), undefined)
    t.equal(built(host).length, expected, JSON.stringify(more))
  }
})

t.test('after a failure, keeps complete eggs, removes the others, and builds again in the next run', async (t) => {
  let fails = true
  const host = prepared((host) => {
    if (!fails) return undefined
    leaveHalf(host)
    return { status: 1 }
  })
  t.match(failureOf(await run(plan(), host)), { code: 'BUILDOUT_FAILED' })
  t.strictSame(leftovers(host), [`${eggs}/new-1.egg`, `${directory}/parts/client1`])
  t.equal(host.lstat(`${shared}/.converge-building.json`), null)
  t.equal(host.lstat(`${directory}/.converge/built.json`), null)
  fails = false
  t.equal((await run(plan(), host)).outcome, 'changed')
})

t.test('ends a build that begins to read the whole package index for a name that the index does not have', (t) => {
  const begin = ['root: Reading https://pypi.org/simple/zope.nothing/']
  const noPage = (verb: string) => `root: Couldn't ${verb} index page for 'zope.nothing'`
  const scanning = 'root: Scanning index of all packages (this may take a while)'
  const scan = [noPage('find'), scanning]
  const endsIn = (lines: readonly string[]) => lines.findIndex(createIndexWatch())
  const pypi = 'root: Reading https://pypi.org/simple/'
  t.equal(endsIn([...begin, 'root: HTTP error: Not Found', ...scan, pypi]), 4)
  t.equal(
    endsIn([...begin, 'HTTP error: Not Found', ...scan, 'Reading https://pypi.org/simple/']),
    4,
    'older setuptools',
  )
  const down =
    'root: Download error on https://pypi.org/simple/zope.nothing/: timed out -- Some packages may not be found!'
  t.equal(endsIn([...begin, 'root: HTTP error: Not Found', down, ...scan, pypi]), -1, 'it is not known to be missing')
  const linked = [noPage('retrieve'), scanning]
  t.equal(endsIn([...begin, 'root: HTTP error: Not Found', ...linked, pypi]), -1, 'find-links have the package')
  const own = 'root: Reading https://eggs.example.com/'
  t.equal(endsIn([...begin, 'root: HTTP error: Not Found', ...scan, own]), -1, 'only the list has the packages of some')
  t.end()
})

t.test('removes the parts of a build after a timeout', async (t) => {
  const timedOut = new VirtualHost({
    commands: (argv, options, host) => {
      if (argv[0] === program) {
        leaveHalf(host)
        throw new ConvergeError('buildout did not end within 2 min', { code: 'COMMAND_TIMEOUT' })
      }
      return commands()(argv, options, host)
    },
  })
  given(timedOut)
  t.match(failureOf(await run(plan({ timeout: minutes(2) }), timedOut)), {
    code: 'BUILDOUT_TIMEOUT',
    message: /did not end within 2 min/,
  })
  t.strictSame(leftovers(timedOut), [`${eggs}/new-1.egg`])
})

t.test('reports leftovers that cannot be removed with the failure, and builds again in the next run', async (t) => {
  const host = new VirtualHost({
    commands: (argv, options, host) =>
      argv[0] === 'xargs'
        ? { status: 1 }
        : commands((host) => {
            leaveHalf(host)
            return { status: 1 }
          })(argv, options, host),
  })
  given(host)
  const report = await run(plan(), host)
  t.match(failureOf(report), { code: 'BUILDOUT_FAILED' })
  t.match(report.warnings, [/cannot be removed: .*tmpab12/])
  t.match(failureOf(await run(plan(), host)), { code: 'BUILD_LEFTOVERS' })
})

t.test('displays the output as progress', async (t) => {
  const { converge } = await import('../../../core/converge/engine.ts')
  const reported: string[] = []
  const lines = ['Getting distribution for x.', 'root: Reading https://pypi.org/simple/x/', 'Got x 1.']
  const list = 'root: Reading https://pypi.org/simple/'
  const host = prepared(() => ({ lines: [...lines, list] }))
  await converge(plan(), host, {
    id: 't',
    mode: 'run',
    handlers: [{ progress: (_, line) => void reported.push(line) }],
  })
  t.strictSame(reported.slice(0, -1), lines)
  t.match(reported.at(-1), /^root: Reading \S+ \(the list of all packages, for minutes: /)
})

t.test('splits words as a shell does', async (t) => {
  for (const [line, words] of [
    ['', []],
    ['  -N  -v ', ['-N', '-v']],
    [`a'b c'd "e \\" f" g\\ h`, ['ab cd', 'e " f', 'g h']],
    [`'' "" x`, ['', '', 'x']],
    [`"$HOME" '\\n'`, ['$HOME', '\\n']],
    [`'open`, null],
    [`a "open`, null],
    ['end\\', null],
  ] as const)
    t.strictSame(shellSplit(line), words, line)
  const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`
  fc.assert(
    fc.property(
      fc.array(fc.string()),
      (words) => JSON.stringify(shellSplit(words.map(quoted).join(' '))) === JSON.stringify(words),
    ),
  )
  t.throws(() => plan({ flags: '"open' }), { message: /every quote closed/ })
})
