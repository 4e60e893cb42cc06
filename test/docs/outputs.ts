/** Compares sample outputs with the output of the program, or with the code that writes it. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Test } from 'tap'
import { parse as parseYaml } from 'yaml'
import type { HookOptions } from '../../core/cli/catalogue.ts'
import { securePath } from '../../core/model/secure_path.ts'
import { jobs } from '../../recipes/hooks/jobs.ts'
import { units } from '../../recipes/hooks/units.ts'
import { elf } from '../support/elf.ts'
import { needs } from '../support/machine.ts'
import { type Block, project } from './blocks.ts'
import type { Reader } from './reader.ts'

type Compare = (t: Test, block: Block, reader: Reader) => Promise<void> | void

/** Builds a JSON text in which each value starts at the given line and column, in ascending order. */
export function placed(
  parts: readonly { readonly before: string; readonly value: string; readonly at: string }[],
): string {
  let text = ''
  for (const { before, value, at } of parts) {
    const [line = 1, column = 1] = at.split(':').map(Number)
    text += before
    while (text.split('\n').length < line) text += '\n'
    text += ' '.repeat(Math.max(0, column - 1 - (text.split('\n').at(-1) ?? '').length)) + value
  }
  return text
}

/** Checks two layers, given as comments, and their merged result. */
export const merged: Compare = async (t, block, reader) => {
  const layers = Object.fromEntries(
    [...block.text.matchAll(/^\/\/ (\w+):\s+(\{.*\})$/gm)].map(([, name = '', json = '']) => [name, json]),
  )
  t.strictSame(Object.keys(layers), ['host', 'deployment', 'together'])
  reader.write({ 'layers/host.json': layers.host ?? '', 'deployment.json': layers.deployment ?? '' })
  const { stdout } = await reader.converge([
    'attributes',
    '--config-dir',
    reader.at('layers'),
    '--json',
    'deployment.json',
  ])
  t.match(JSON.parse(stdout), JSON.parse(layers.together ?? ''))
}

/** Checks `converge attributes --explain` with files whose values have the positions in the sample. */
export const explained: Compare = async (t, block, reader) => {
  const at = (file: string) => new RegExp(`${file}:(\\d+:\\d+) (\\S+)`).exec(block.text)?.slice(1) ?? []
  const json = (file: string) => {
    const [position = '', value = ''] = at(file)
    return `${placed([{ before: '{"plone_instances": {"per_cpu":', value, at: position }])}}}\n`
  }
  const [yamlAt = '', yamlValue = ''] = at('10-host.yaml')
  const yaml = placed([{ before: '# this host\n---\nplone_instances:\n  per_cpu:', value: yamlValue, at: yamlAt }])
  reader.write({
    'explained/stack.json': json('stack.json'),
    'explained/site.json': json('site.json'),
    'etc-host/10-host.yaml': `${yaml}\n`,
  })
  const [command = '', ...expected] = block.text.trimEnd().split('\n')
  const { output, status } = await reader.follow(
    `cd explained\n${command.replace('$ ', '')} --config-dir ${reader.at('etc-host')} 2>/dev/null`,
  )
  t.equal(status, 0, output)
  t.equal(output.replaceAll(reader.at('etc-host'), '/etc/converge').trimEnd(), expected.join('\n'))
}

/** Checks the problems of attributes, at the positions that the sample names. */
export const problems: Compare = async (t, block, reader) => {
  const locations = [...block.text.matchAll(/site\.json:(\d+:\d+)/g)].map(([, location = '']) => location)
  const text = placed([
    { before: '{"plone_instances": {"instance_count":', value: '"many"', at: locations[0] ?? '' },
    { before: '}, "deploy": {"site": {"scm": {"scm_type":', value: '"hg"', at: locations[1] ?? '' },
  ])
  reader.write({ 'problems/site.json': `${text}}}}}\n`, 'problems/none/README': '' })
  const { status, stderr } = await reader.converge(['attributes', '--json', 'site.json', '--config-dir', 'none'], {
    cwd: reader.at('problems'),
  })
  t.equal(status, 2)
  t.equal(stderr, block.text)
}

/** Checks the warnings about attributes without effect, at the positions that the sample names. */
export const withoutEffect: Compare = async (t, block, reader) => {
  const locations = [...block.text.matchAll(/custom\.json:(\d+:\d+)/g)].map(([, location = '']) => location)
  const text = placed([
    { before: '{"certbot": {"server":', value: '"x"', at: locations[0] ?? '' },
    { before: '}, "plone_instances": {"celerybeat":', value: 'true', at: locations[1] ?? '' },
  ])
  reader.write({ 'ineffective/custom.json': `${text}}}\n`, 'ineffective/none/README': '' })
  const { status, stderr } = await reader.converge(['attributes', '--json', 'custom.json', '--config-dir', 'none'], {
    cwd: reader.at('ineffective'),
  })
  t.equal(status, 0)
  t.equal(stderr, block.text)
}

export const revisionLine: Compare = async (t, block, reader) => {
  const [command = '', sample = ''] = block.text.split('\n')
  const { output, status } = await reader.follow(`${command} 2>/dev/null`)
  t.equal(status, 0, output)
  const { commit, ...rest } = JSON.parse(output) as { commit: string }
  t.match(commit, /^[0-9a-f]{40}$/)
  t.strictSame({ ...rest, commit: '' }, { ...JSON.parse(sample.replace('…', '')), commit: '' })
}

/** Checks the diagram of the frontend, with the default port of each program. */
export const defaultPorts: Compare = async (t, block, reader) => {
  const { stdout } = await reader.converge(['attributes', '--defaults'])
  const { converge, nginx_plone } = JSON.parse(stdout)
  const { http_port, https_port, balancer_port } = converge.frontend
  const ports: Readonly<Record<string, readonly number[]>> = {
    nginx: [http_port, https_port],
    Varnish: [nginx_plone.proxy_port],
    HAProxy: [balancer_port],
    clients: [8081, 8082],
    client1: [8081],
    client2: [8082],
    ZEO: [8001],
  }
  for (const [, name = '', given = ''] of block.text.matchAll(/(\w+)((?: :\d+,?)+)/g)) {
    const shown = [...given.matchAll(/\d+/g)].map(([port]) => Number(port))
    t.strictSame(shown, ports[name]?.slice(0, shown.length), name)
  }
}

/** Checks the output of doctor: the program makes each check of the sample, and prints it in this form. */
export const doctorAnswers: Compare = async (t, block, reader) => {
  const [command = '', ...lines] = block.text.trimEnd().split('\n')
  reader.write({
    'site-doctor.json': JSON.stringify({ ...JSON.parse(reader.read('site.json')), converge: { python: 'python3.13' } }),
  })
  const { output } = await reader.follow(
    `${command.replace('$ ', '').replace('site.json', 'site-doctor.json')} 2>/dev/null`,
  )
  const checksOf = (text: string) =>
    [...text.matchAll(/^(?:ok|missing|warning|unknown) +(.+?): /gm)].map(([, what]) => what)
  const checks = checksOf(output)
  // The test's host has no supervisord that other accounts cannot query.
  for (const what of checksOf(lines.join('\n')))
    t.ok(checks.includes(what) || what === 'running supervisord', `${what}: ${checks}`)
  t.match(lines.at(-1), /^(\d+ (missing|could not be checked|warnings?)(, |$))+/)
}

/** Checks a site's files: the system files in the sample are those that the role writes. */
export const pathsOfClient: Compare = async (t, block, reader) => {
  const { stdout, stderr } = await reader.converge([
    'plan',
    '--role',
    'zeo-client',
    '--json',
    'site.json',
    '--prefix',
    '/nowhere',
  ])
  for (const line of block.text.split('\n')) {
    const [path = ''] = line.trim().split(/\s+/)
    if (path.startsWith('/srv')) t.match(stdout, `/nowhere${path.replace(/\/$/, '')}`, stderr)
    if (path.startsWith('/etc/supervisor')) t.match(stdout, `supervisor_program ${basename(path, '.conf')}`)
    if (path.startsWith('/var/log')) t.match(stdout, `stdout_logfile=/nowhere${path}`)
  }
}

/** Checks values that only the run can know: the sample's recipe and its plan. */
export const unknownInPlan: Compare = async (t, block, reader) => {
  reader.write({
    'tools/tool.ts': `import { execute, file, role } from 'converge-engine'
export default role('tool', {
  setup(r) {
    execute(r, { name: 'clone the tool', command: ['git', 'clone', 'https://git.example.com/tool.git', '/opt/tool'], creates: '/opt/tool' })
    file(r, { path: '/opt/tool/local.cfg', content: 'x' })
  },
})
`,
  })
  const { stdout, stderr } = await reader.converge(['plan', '--recipes', 'tools', '--role', 'tool', '--event', 'setup'])
  t.match(stdout, block.text, stderr)
}

const hookOptions = (of: 'host' | 'stack'): HookOptions => {
  const words = of === 'host' ? ['--role', 'zeo-client'] : []
  const program = of === 'host' ? ['/usr/bin/node', '/usr/local/bin/converge'] : ['/usr/local/lib/converge/this-host']
  const call = (event: string, wait: string) => [...program, event, '--quiet', '--wait', wait, ...words]
  return {
    commands: { setup: call('apply', '600'), configure: call('configure', '600'), shutdown: call('shutdown', '60') },
    ...(of === 'host' ? { interval: 300, jitter: 60 } : { interval: 900, jitter: 300 }),
    stamp: '/var/lib/converge/first-boot-done',
    prefixed: false,
  }
}

const unitNamed = (name: string, of: 'host' | 'stack') =>
  units(hookOptions(of)).find((unit) => unit.name === name)?.text ?? ''

const withoutHead = (text: string) => text.replace(/^# Written by .*\n/, '')

/** Checks that a unit is as `hooks install` writes it, and that systemd accepts it. */
export const systemdUnit =
  (name: string, of: 'host' | 'stack' = 'host'): Compare =>
  (t, block, reader) => {
    t.equal(withoutHead(block.text), withoutHead(unitNamed(name, of)))
    if (!existsSync('/usr/bin/systemd-analyze')) return
    // A timer requires its service in the same directory.
    reader.write(Object.fromEntries(units(hookOptions(of)).map((unit) => [`units/${unit.name}`, unit.text])))
    writeFileSync(reader.at('units', name), block.text)
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', reader.at('units', name)], {
      encoding: 'utf8',
    })
    const faults = stderr.split('\n').filter((line) => /unknown|invalid|failed to parse|missing '='/i.test(line))
    t.strictSame(
      faults.filter((line) => line.includes('converge-')),
      [],
    )
  }

/** Checks parts of units whose other lines equal those of the units above them. */
export const unitLinesOfStack: Compare = (t, block) => {
  const all = ['converge-setup.service', 'converge-shutdown.service'].map((name) => unitNamed(name, 'stack')).join('')
  for (const line of block.text.trimEnd().split('\n')) t.ok(all.split('\n').includes(line), line)
}

const cronOf =
  (of: 'host' | 'stack') =>
  (name: string): Compare =>
  (t, block) => {
    const { schedule, command } = jobs(hookOptions(of)).find((job) => job.name === name) ?? {
      schedule: '',
      command: '',
    }
    t.equal(block.text, `PATH=${securePath}\n${schedule} root ${command}\n`)
  }

export const cronOfHost = cronOf('host')
export const cronOfStack = cronOf('stack')

/** Checks `converge stack userdata` for the host on the page; only the keys differ. */
export const userData: Compare = async (t, block, reader) => {
  const stack = {
    name: 'shop',
    layers: { clients: { roles: [] } },
    ssh: { identity: reader.at('operator') },
    hosts: { client4: { address: '10.0.0.14', layers: ['clients'], port: 2222, user: 'admin' } },
  }
  reader.write({ 'userdata/stack.json': JSON.stringify(stack) })
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', reader.at('operator')])
  const { status, stdout, stderr } = await reader.converge(['stack', 'userdata', 'client4', '--host-key'], {
    bare: true,
    cwd: reader.at('userdata'),
    env: { HOME: reader.at('home') },
  })
  t.equal(status, 0, stderr)
  const anonymous = (text: string) =>
    text
      .replace(/ssh-ed25519 \S+( \S*)?/g, 'ssh-ed25519 KEY')
      .replace(/(BEGIN OPENSSH PRIVATE KEY-----\n)[\s\S]*?( *-----END)/, '$1$2')
  t.equal(anonymous(stdout), anonymous(block.text))
}

/** Checks the user data of a single host: YAML whose attributes the program accepts. */
export const cloudConfig: Compare = async (t, block, reader) => {
  const { write_files } = parseYaml(block.text) as { write_files: { path: string; content: string }[] }
  const host = write_files.find(({ path }) => path === '/etc/converge/host.json')
  reader.write({ 'cloud/host.json': reader.local(host?.content ?? '') })
  const { status, stderr } = await reader.converge(['render', '--config-dir', reader.at('cloud')])
  t.equal(status, 0, stderr)
  t.equal(stderr, '')
}

/** Checks lines of haproxy.cfg with HAProxy itself. */
export const haproxyGlobal: Compare = (t, block, reader) => {
  if (!needs(t, ['haproxy'])) return
  reader.write({ 'haproxy.cfg': block.text })
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', reader.at('haproxy.cfg')], {
    encoding: 'utf8',
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
  })
  t.equal(status, 0, stderr)
}

/** Checks the mistakes in a stack file, at the positions that the sample names. */
export const stackProblems: Compare = async (t, block, reader) => {
  const [layer = '', address = '', identity = ''] = [...block.text.matchAll(/stack\.yaml:(\d+:\d+)/g)].map(
    (match) => match[1],
  )
  const text = placed([
    {
      before: '{"name": "shop", "layers": {"plone_instances": {"roles": []}, "frontend": {"roles": []}},\n',
      value: '',
      at: '2:1',
    },
    { before: '"hosts": {"plone1": {"address": "10.0.0.11", "layers": [', value: '"plone_instance"', at: layer },
    { before: ']},\n"web1": {"layers": ["frontend"], "address":', value: '"10.0.0.11"', at: address },
    { before: ', "identity":', value: '"~/.ssh/shop"', at: identity },
  ])
  reader.write({ 'mistakes/stack.yaml': `${text}}}}\n` })
  const { status, stderr } = await reader.converge(['stack', 'check'], {
    bare: true,
    cwd: reader.at('mistakes'),
    env: { HOME: reader.at('nobody') },
  })
  t.equal(status, 2)
  t.equal(`$ converge stack check\n${stderr.replaceAll(reader.at('nobody'), '/home/ann')}`, block.text)
}

/** Checks a part of a stack file, merged into a stack that is complete without it. */
export const stackPart: Compare = async (t, block, reader) => {
  const part = parseYaml(block.text) as { environments?: object }
  const scm = { repository: '/srv/site.git', revision: 'main' }
  const stack = {
    name: 'shop',
    layers: { plone_instances: { roles: ['zeo-client'] } },
    hosts: { plone1: { address: '10.0.0.11', layers: ['plone_instances'], cpus: 2 } },
    apps: { plone_instances: { scm } },
    custom_json: { plone_instances: { zeo: { address: '10.0.0.5:8001' } } },
    ...part,
  }
  reader.write({ 'part/stack.json': JSON.stringify(stack), 'part/tools/node-v22-linux-arm64/bin/node': '' })
  writeFileSync(reader.at('part/tools/node-v22-linux-arm64/bin/node'), elf({ machine: 183 }))
  chmodSync(reader.at('part/tools/node-v22-linux-arm64/bin/node'), 0o755)
  for (const name of [undefined, ...Object.keys(part.environments ?? {})]) {
    const args = ['stack', 'check', ...(name === undefined ? [] : ['--environment', name])]
    const { status, stderr } = await reader.converge(args, { bare: true, cwd: reader.at('part') })
    t.equal(status, 0, stderr)
  }
}

/** Checks the filter for journals, with the journal of a run that failed. */
export const journalOfFailure: Compare = async (t, block, reader) => {
  reader.write({
    'failing/failing.ts': `import { execute, role } from 'converge-engine'
export default role('failing', { setup(r) { execute(r, { name: 'no', command: ['false'] }) } })
`,
  })
  const run = await reader.converge([
    'setup',
    '--recipes',
    'failing',
    '--role',
    'failing',
    '--prefix',
    reader.at('failed'),
  ])
  t.equal(run.status, 1)
  const [journal = ''] = readdirSync(join(reader.state, 'runs'))
  const { output } = await reader.follow(
    block.text.replace(/\/var\/lib\/converge\/runs\/\d+\.jsonl/, join(reader.state, 'runs', journal)),
  )
  t.match(output, '"code"')
}

/** Checks the completion of a shell: bash and zsh accept it, if they are installed. */
export const completion: Compare = async (t, block, reader) => {
  const shells = [...block.text.matchAll(/^source <\(converge completion (\w+)\)/gm)].map(([, shell = '']) => shell)
  t.strictSame(shells, ['bash', 'zsh'])
  for (const shell of shells) {
    const { status, stdout } = await reader.converge(['completion', shell], { bare: true })
    t.equal(status, 0)
    t.not(stdout, '')
    const checked = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' })
    if (checked.error === undefined) t.equal(checked.status, 0, checked.stderr)
  }
}

/** Checks the list of files in the example of recipes. */
export const recipeDirectory: Compare = (t, block) => {
  const names = [...block.text.matchAll(/^ +([\w./]+)/gm)].map(([, name = '']) => name)
  const below = readdirSync(join(project, 'fixtures', 'custom-recipe'), { recursive: true, encoding: 'utf8' })
  t.strictSame(names.sort(), below.filter((name) => /\.\w+$/.test(name)).sort())
}
