/** Configures and calls converge, ansible-core and pyinfra for the same files on the same hosts. */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { TestHost, TestNetwork } from '../test/machine/support/hosts.ts'
import type { Operator } from '../test/machine/support/operator.ts'
import type { Command } from './measure.ts'
import { put } from './peers/types.ts'
import { templateText } from './state.ts'

export const count = 100
export const directory = '/srv/bench'

export interface FleetTool {
  readonly name: string
  /** Variant of the tool that is measured. */
  readonly form: string
  readonly command: Command
  /** Arguments that limit it to one host, to check that it repairs files; null if that takes minutes. */
  readonly only: ((host: TestHost) => readonly string[]) | null
  /** Whether it runs only with --slow, because it takes minutes. */
  readonly slow?: boolean
  /** Whether it does less than the others, and is not compared with them. */
  readonly part?: boolean
}

const numbers = Array.from({ length: count }, (_, index) => index)
const pathOf = (index: number) => `${directory}/f${index}.conf`

function contentOf(index: number): string {
  return templateText(
    (name) => ({ svc: `svc${index}`, port: `${10_000 + index}`, workers: `${1 + (index % 16)}` })[name],
  )
}

const recipe = `import { role, directory, file } from 'converge-engine'
const text = ${JSON.stringify(templateText((name) => `@${name}@`))}
const files = (r) => {
  directory(r, { path: '${directory}', mode: '0755' })
  for (let index = 0; index < ${count}; index++) {
    const content = text.replaceAll('@svc@', 'svc' + index).replaceAll('@port@', 10000 + index).replaceAll('@workers@', 1 + (index % 16))
    file(r, { path: '${directory}/f' + index + '.conf', mode: '0640', content })
  }
}
export default role('bench', { setup: files, configure: files })
`

/** Writes the operator's stack file with these hosts. */
export function writeStack(operator: Operator, hosts: readonly TestHost[]): void {
  operator.write({
    'recipes/bench.ts': recipe,
    'stack.json': {
      name: 'bench',
      layers: { all: { roles: ['bench'] } },
      recipes: ['recipes'],
      ssh: { user: 'root' },
      hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address, layers: ['all'] }])),
    },
  })
}

export function stackCommand({ program, home, directory }: Operator, ...args: string[]): Command {
  // Use the cache of a user instead of that of the benchmark.
  const environment = { HOME: home, XDG_CACHE_HOME: `${home}/.cache` }
  return { argv: [process.execPath, program, 'stack', ...args], cwd: directory, environment }
}

export function convergeTools(operator: Operator): FleetTool[] {
  const only = ({ name }: TestHost) => ['--host', name]
  return [
    { name: 'converge', form: 'stack configure', command: stackCommand(operator, 'configure'), only },
    {
      name: 'converge',
      form: 'stack run setup --strategy parallel',
      command: stackCommand(operator, 'run', 'setup', '--strategy', 'parallel'),
      only,
    },
  ]
}

/** Installs the tools in Python into a virtualenv that is kept between runs. */
export function pythonTools(cache: string): string {
  const bin = `${cache}/fleet-python/bin`
  const run = (...argv: [string, ...string[]]) => {
    const { status, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr.slice(-2000)}`)
  }
  if (!existsSync(`${bin}/pip`)) run('python3', '-m', 'venv', `${cache}/fleet-python`)
  run(`${bin}/pip`, 'install', '--quiet', '--upgrade', 'ansible-core', 'pyinfra')
  return bin
}

export function pythonVersions(bin: string): Record<string, string> {
  const { stdout } = spawnSync(`${bin}/pip`, ['list', '--format', 'json'], { encoding: 'utf8' })
  const all = JSON.parse(stdout) as { name: string; version: string }[]
  const of = (name: string) => all.find((one) => one.name === name)?.version ?? 'unknown'
  return { 'ansible-core': of('ansible-core'), pyinfra: of('pyinfra') }
}

/** Writes the files to the operator's disk, from which both tools upload them. */
function writeFiles(directory: string): void {
  mkdirSync(`${directory}/files`, { recursive: true })
  for (const index of numbers) put(`${directory}/files/f${index}.conf`, contentOf(index))
}

const copy = (name: string) => ({ src: `files/${name}.conf`, dest: `${directory}/${name}.conf`, mode: '0640' })

export function ansibleTools(
  scratchDirectory: string,
  bin: string,
  network: TestNetwork,
  hosts: readonly TestHost[],
): FleetTool[] {
  writeFiles(scratchDirectory)
  const lines = hosts.map(({ name, address }) => `${name} ansible_host=${address}`)
  put(`${scratchDirectory}/inventory`, `${lines.join('\n')}\n`)
  put(
    `${scratchDirectory}/ansible.cfg`,
    `[defaults]
inventory = ${scratchDirectory}/inventory
forks = 10
remote_user = root
private_key_file = ${network.operator.file}
interpreter_python = /usr/bin/python3
retry_files_enabled = False
[ssh_connection]
pipelining = True
ssh_common_args = -F none -o UserKnownHostsFile=${network.knownHosts} -o GlobalKnownHostsFile=none
`,
  )
  const made = { 'ansible.builtin.file': { path: directory, state: 'directory', mode: '0755' } }
  const tasks = numbers.map((index) => ({ 'ansible.builtin.copy': copy(`f${index}`) }))
  const loop = { 'ansible.builtin.copy': copy('{{ item }}'), loop: numbers.map((index) => `f${index}`) }
  const play = (file: string, gather_facts: boolean, all: readonly object[]) => {
    // JSON is valid YAML.
    put(
      `${scratchDirectory}/${file}`,
      JSON.stringify([{ hosts: 'all', gather_facts, tasks: all.length > 0 ? [made, ...all] : [] }]),
    )
    const environment = { ANSIBLE_CONFIG: `${scratchDirectory}/ansible.cfg`, PATH: `${bin}:${process.env.PATH ?? ''}` }
    return { argv: [`${bin}/ansible-playbook`, `${scratchDirectory}/${file}`], cwd: scratchDirectory, environment }
  }
  const only = null
  return [
    { name: 'ansible-core', form: 'a loop, without facts', command: play('loop.yml', false, [loop]), only },
    { name: 'ansible-core', form: 'facts alone', command: play('facts.yml', true, []), only, part: true },
    {
      name: 'ansible-core',
      form: 'a loop, facts gathered',
      command: play('loop_facts.yml', true, [loop]),
      only,
      slow: true,
    },
    {
      name: 'ansible-core',
      form: `${count} tasks, without facts`,
      command: play('tasks.yml', false, tasks),
      only,
      slow: true,
    },
  ]
}

/** Ends the connections that ansible keeps open for its next run. */
export function endAnsible(home: string): void {
  const sockets = spawnSync('find', [`${home}/.ansible/cp`, '-type', 's'], { encoding: 'utf8' }).stdout.split('\n')
  for (const socket of sockets.filter((path) => path !== ''))
    spawnSync('ssh', ['-F', 'none', '-o', `ControlPath=${socket}`, '-O', 'exit', 'any'], { stdio: 'ignore' })
}

export function pyinfraTool(
  scratchDirectory: string,
  bin: string,
  network: TestNetwork,
  hosts: readonly TestHost[],
): FleetTool {
  writeFiles(scratchDirectory)
  const data = {
    ssh_user: 'root',
    ssh_key: network.operator.file,
    ssh_known_hosts_file: network.knownHosts,
    ssh_strict_host_key_checking: 'yes',
  }
  // JSON strings and lists are valid Python.
  const all = hosts.map(({ address }) => `    (${JSON.stringify(address)}, ${JSON.stringify(data)}),\n`)
  put(`${scratchDirectory}/inventory.py`, `hosts = [\n${all.join('')}]\n`)
  put(
    `${scratchDirectory}/deploy.py`,
    `from pyinfra.operations import files

files.directory(path="${directory}", mode="755")
for index in range(${count}):
    files.put(src=f"files/f{index}.conf", dest=f"${directory}/f{index}.conf", mode="640")
`,
  )
  return {
    name: 'pyinfra',
    form: `${count} files.put`,
    command: { argv: [`${bin}/pyinfra`, '-y', 'inventory.py', 'deploy.py'], cwd: scratchDirectory },
    only: ({ address }) => ['--limit', address],
  }
}

/** Returns the inode and times of each file, which show whether a tool has written it. */
export function fingerprintOf(hosts: readonly TestHost[]): string {
  return hosts
    .flatMap(({ root }) =>
      numbers.map((index) => {
        const { ino, mtimeMs, ctimeMs } = statSync(`${root}${pathOf(index)}`)
        return `${ino} ${mtimeMs} ${ctimeMs}`
      }),
    )
    .join('\n')
}

/** Removes one file, to check that a tool reads the state of the host. */
export function damage({ root }: TestHost): void {
  rmSync(`${root}${pathOf(count / 2)}`)
}

/** @throws Error naming the first file that differs from the desired state */
export function verifyFiles(hosts: readonly TestHost[]): void {
  for (const { name, root } of hosts)
    for (const index of numbers) {
      const path = `${root}${pathOf(index)}`
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (!stat || (stat.mode & 0o7777) !== 0o640 || readFileSync(path, 'utf8') !== contentOf(index))
        throw new Error(`${name}: ${pathOf(index)} differs from the declaration`)
    }
}
