/** Tests checks of new content by a program before it replaces a file. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { file } from '../../../resources/files/file.ts'
import { template } from '../../../resources/files/template.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/proxy.cfg'
const temporary = '/etc/.proxy.cfg.converge-check'
const configurationPath = '/etc/.proxy.cfg.around.converge-check'
const verify = { command: ['proxy', '-c', '-f', '%{path}'] }

/** A checking program that accepts every file without the word `broken`, including files that it includes. */
const proxy: CommandHandler = ([program, ...args], _, host) => {
  if (program !== 'proxy') return null
  const given = args.at(-1) ?? ''
  const text = host.readText(given)
  if (text === null) return { status: 2, stderr: `cannot open ${given}` }
  const included = /^include (\S+);$/m.exec(text)?.[1]
  const read = `${text}${included === undefined ? '' : host.readText(included)}`
  if (!read.includes('broken')) return { stdout: 'valid\n' }
  const word = /broken\S*/.exec(read)?.[0]
  return { status: 1, stdout: 'checking\n', stderr: `[${included ?? given}:2] unknown keyword '${word}'\n` }
}

const given = (host: VirtualHost) => void host.given('/usr/bin/proxy', '', '0755').given(path, 'old', '0640')
const host = { commands: proxy }
const hiddenFiles = (host: VirtualHost) => host.list('/etc').filter((name) => name.startsWith('.'))

contract(t, file, [
  {
    name: 'checks the content, then replaces the file',
    props: { path, content: 'new', verify },
    host,
    given,
    changes: ['replace /content = "new"'],
    then: (t, host) => {
      t.match([host.readText(path), host.lstat(path)?.mode], ['new', '0640'])
      t.strictSame(hiddenFiles(host), [], 'no temporary file remains')
    },
  },
  {
    name: 'checks the content as a part of a configuration',
    props: { path, content: 'new', verify: { ...verify, inside: 'http {\ninclude %{path};\n}\n' } },
    host,
    given,
    then: (t, host) => t.strictSame([host.readText(path), hiddenFiles(host)], ['new', []]),
  },
  {
    name: 'checks the content of a missing file',
    props: { path, content: 'new', mode: '0600', verify },
    host,
    given: (host) => void host.given('/usr/bin/proxy', '', '0755'),
    then: (t, host) => t.match(host.lstat(path), { mode: '0600' }),
  },
  {
    name: 'refuses the content, with the output of the program',
    props: { path, content: 'broken', verify },
    host,
    given,
    fails:
      /proxy rejects the new content of \/etc\/proxy.cfg: exit status 1 display the new content.* checking\n\[\/etc\/proxy.cfg:2\] unknown keyword 'broken'/s,
  },
  {
    name: 'does not check if only the mode differs',
    props: { path, content: 'old', mode: '0600', verify: { command: ['not-there', '%{path}'] } },
    given,
    changes: ['replace /mode = "0600"'],
  },
  {
    name: 'fails if the program does not exist',
    props: { path, content: 'new', verify: { command: ['/usr/sbin/nginx', '-t', '-c', '%{path}'] } },
    given,
    fails: /cannot be checked: there is no program \/usr\/sbin\/nginx.*apt-get install nginx/s,
  },
])

contract(t, template, [
  {
    name: 'checks a rendered template',
    props: { path, source: 'port {{port}}', variables: { port: 8080 }, verify },
    host,
    given,
    changes: ['replace /content = "port 8080"'],
  },
  {
    name: 'refuses a rendered template',
    props: { path, source: '{{word}}', variables: { word: 'broken' }, verify },
    host,
    given,
    fails: /unknown keyword 'broken'/,
  },
])

t.test('leaves the file and no other files after a refusal, and writes corrected content', async (t) => {
  const machine = new VirtualHost(host)
  given(machine)
  const withContent = (content: string) =>
    planOf((r) => file(r, { path, content, verify: { ...verify, inside: 'include %{path};\n' } }))
  const report = await run(withContent('broken'), machine)
  t.match(failureOf(report), { code: 'CHECK_FAILED', output: "checking\n[/etc/proxy.cfg:2] unknown keyword 'broken'" })
  t.strictSame([machine.readText(path), hiddenFiles(machine)], ['old', []])
  t.equal((await run(withContent('good'), machine)).outcome, 'changed')
  t.equal(machine.readText(path), 'good')
})

t.test('keeps the checked files private, and names the configuration in messages', async (t) => {
  const modes: (string | undefined)[] = []
  const machine = new VirtualHost({
    commands: ([program, at = ''], _, host) => {
      if (program !== 'proxy') return null
      modes.push(host.lstat(temporary)?.mode, host.lstat(configurationPath)?.mode)
      return { status: 1, stderr: `in ${at}: bad` }
    },
  })
  given(machine)
  // A file that a killed run has left, or that another account has created.
  machine.given(temporary, 'left', '0666')
  const report = await run(
    planOf((r) =>
      file(r, { path, content: 'x', mode: '0644', verify: { command: ['proxy', '%{path}'], inside: '%{path}' } }),
    ),
    machine,
  )
  t.strictSame(modes, ['0600', '0600'])
  t.match(failureOf(report), { output: 'in (configuration around /etc/proxy.cfg): bad' })
})

t.test('masks the output of the program, with every part of sensitive content', async (t) => {
  const secrets = new Secrets()
  secrets.add('broken-s3cret')
  const machine = new VirtualHost(host)
  given(machine)
  const refused = (sensitive: boolean) =>
    converge(
      planOf((r) => file(r, { path, content: 'broken-s3cret', sensitive, verify })),
      machine,
      { id: 'test', mode: 'run', secrets },
    )
  t.match(failureOf(await refused(false)), { output: /unknown keyword '\*{8}'/ })
  t.match(failureOf(await refused(true)), { output: '(the output is not shown, because the content is sensitive)' })
})

t.test('a dry run runs no check, and accepts a program that is still to be installed', async (t) => {
  const requestLog: string[] = []
  const machine = new VirtualHost({
    commands: (argv) => {
      requestLog.push(argv.join(' '))
      return {}
    },
  })
  const plan = planOf((r) => file(r, { path, content: 'broken', verify }))
  const report = await run(plan, new VirtualHost({ base: machine }), 'plan')
  t.strictSame(patchOf(report), ['replace /content = "broken"', 'replace /kind = "file"'])
  t.strictSame(requestLog, [])
})

t.test('refuses a check without a placeholder at once', (t) => {
  const wrong = (verify: { command: string[]; inside?: string }) => () =>
    planOf((r) => file(r, { path, content: '', verify }))
  t.throws(wrong({ command: ['proxy', '-c'] }), { message: /one argument must contain %\{path\}/ })
  t.throws(wrong({ command: ['%{path}'] }), { message: /one argument must contain/ })
  t.throws(wrong({ command: ['proxy', '%{path}'], inside: 'http {}' }), { message: /must contain %\{path\}/ })
  t.end()
})
