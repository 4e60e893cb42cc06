/**
 * Imitates apt-get, useradd, Python, pip and buildout on the in-memory host, in steps between which a kill can happen.
 */
import type { CommandOptions, CommandResult } from '../../core/host/types.ts'
import { accountPrograms, aptPrograms, archivePrograms, crontabPrograms, givePackage, spool } from './commands.ts'
import type { Working } from './fake_git.ts'
import { giveTree } from './fake_git.ts'
import { parseIni } from './ini.ts'

type Answer = Partial<CommandResult>
type Command = (args: readonly string[], working: Working, options: CommandOptions) => Answer

/** The files that each package installs, as far as any code reads them. */
export const packageFiles: Readonly<Record<string, readonly string[]>> = {
  git: ['/usr/bin/git'],
  'python3-venv': ['/usr/bin/python3'],
  supervisor: [
    '/usr/bin/supervisord',
    '/etc/supervisor/supervisord.conf',
    '/etc/supervisor/conf.d/',
    '/var/log/supervisor/',
  ],
  logrotate: ['/etc/logrotate.d/apt'],
  cron: ['/usr/bin/crontab', '/etc/cron.d/e2scrub_all'],
}

export const systemPrograms: Readonly<Record<string, Command>> = {
  ...withoutSteps(accountPrograms),
  ...withoutSteps(aptPrograms),
  ...withoutSteps(archivePrograms),
  ...withoutSteps(crontabPrograms),
  /** `stat` of the probe of a mount. */
  timeout: (args, { host }) => ({ status: host.stat(args.at(-1) ?? '') === null ? 1 : 0 }),
  chattr: () => ({}),
  mount(args, { host, step }) {
    step('mounted')
    const line = (host.readText('/etc/fstab') ?? '').split('\n').find((one) => one.split(' ')[1] === args.at(-1)) ?? ''
    const [device, path, type] = line.split(' ')
    const at = type === 'nfs' ? 'nfs4' : type?.startsWith('fuse.') ? type : `fuse.${type}`
    host.given(
      '/proc/self/mounts',
      `${host.readText('/proc/self/mounts') ?? ''}${device} ${path} ${at} rw${line.includes('noatime') ? ',noatime' : ''} 0 0\n`,
    )
    // The directory that the server exports appears with the mount.
    if (type === 'nfs') host.given(`${path}/blobstorage`, null, '0750', 'deploy')
    return {}
  },
  useradd(args, { host, step }) {
    const answer = accountPrograms.useradd?.(
      args.map((arg) => (arg === '--create-home' ? '--no-create-home' : arg)),
      host,
      '',
    )
    step('an account without its home')
    const home = args[args.indexOf('--home-dir') + 1] ?? ''
    if (answer?.status === undefined && args.includes('--create-home')) host.given(home, null, '0755', args.at(-1))
    return answer ?? {}
  },
  'apt-get'(args, { host, step }) {
    const update = aptPrograms['apt-get']?.(args.includes('install') ? [] : args, host, '') ?? {}
    if (!args.includes('install') || update.status !== undefined) return update
    for (const name of args.slice(args.indexOf('install') + 1)) {
      for (const path of packageFiles[name] ?? []) {
        if (path.endsWith('/')) host.given(path.slice(0, -1), null)
        else if (host.lstat(path) === null) host.given(path, `of ${name}`, '0755')
      }
      givePackage(host, name, '1.0', 'install ok half-configured')
      step(`${name} half configured`)
      givePackage(host, name, '1.0')
    }
    return {}
  },
  chown(args, { host, step }) {
    const [whose = '', path = ''] = args.slice(-2)
    const [owner, group] = whose.split(':')
    const visit = (at: string) => {
      host.setOwner(at, owner || undefined, group || undefined)
      step(`${at} given away`)
      if (host.lstat(at)?.kind === 'directory') for (const name of host.list(at)) visit(`${at}/${name}`)
    }
    visit(path)
    return {}
  },
  xargs(args, { host }, { input }) {
    if (args.join(' ') !== '-0 rm -rf --') throw new Error(`unknown call: xargs ${args.join(' ')}`)
    for (const path of (input ?? '').split('\0')) host.remove(path)
    return {}
  },
  mkdir(args, { host, owner }) {
    host.given(args.at(-1) ?? '', null, '0755', owner)
    return {}
  },
  cp(args, { host, owner, step }) {
    if (args.slice(0, 2).join(' ') !== '-al -t') throw new Error(`unknown call: cp ${args.join(' ')}`)
    const copy = (from: string, to: string) => {
      const names = host.lstat(from)?.kind === 'directory' ? host.list(from) : null
      host.given(to, names === null ? host.readText(from) : null, '0755', owner)
      step(`${to} linked`)
      for (const name of names ?? []) copy(`${from}/${name}`, `${to}/${name}`)
    }
    for (const from of args.slice(4)) copy(from, `${args[2]}/${from.split('/').at(-1)}`)
    return {}
  },
  '/usr/sbin/nginx': () => ({}),
  '/usr/sbin/haproxy': () => ({}),
  '/usr/sbin/varnishd': () => ({}),
  '/usr/sbin/php-fpm8.2': () => ({}),
  service: () => ({}),
  touch([path = ''], { host, owner }) {
    if (host.lstat(path) === null) host.given(path, '', '0644', owner)
    return {}
  },
}

function withoutSteps(
  set: Readonly<Record<string, (...args: Parameters<typeof done>) => Answer>>,
): Record<string, Command> {
  return Object.fromEntries(
    Object.entries(set).map(([name, run]) => [name, (args, { host }, { input }) => run(args, host, input ?? '')]),
  )
}

function done(_args: readonly string[], _host: Working['host'], _input: string): Answer {
  return {}
}

/** Runs `python -m venv` and `python -m pip install`. */
export function python(program: string, args: readonly string[], working: Working): Answer | null {
  const { host, owner, step } = working
  if (args[0] === '-m' && args[1] === 'venv') {
    const path = args[2] ?? ''
    host.given(`${path}/pyvenv.cfg`, 'home = /usr/bin\n', '0644', owner)
    for (const name of ['bin', 'lib', 'lib/python3.11', 'lib/python3.11/site-packages'])
      host.given(`${path}/${name}`, null, '0755', owner)
    step('an environment without Python')
    host.given(`${path}/bin/python`, program, '0755', owner)
    step('an environment without pip')
    host.given(`${path}/bin/pip`, '', '0755', owner)
    install(path, 'pip==26.3', working)
    return {}
  }
  if (args.join(' ') === '-c import venv, ensurepip') return {}
  if (args.slice(0, 3).join(' ') !== '-m pip install') return null
  const environment = program.replace(/\/bin\/python$/, '')
  if (host.lstat(`${environment}/bin/pip`) === null) return { status: 1, stderr: 'No module named pip' }
  for (const word of args.slice(3).filter((arg) => !arg.startsWith('-'))) install(environment, word, working)
  return {}
}

function install(environment: string, word: string, { host, owner, step }: Working): void {
  const [name = '', version = '80.1'] = word.split('==')
  const packages = `${environment}/lib/python3.11/site-packages`
  const project = name.replace(/[-.]/g, '_')
  for (const old of host.list(packages)) {
    const installed = /^(.+)-(.+)\.dist-info$/.exec(old)
    if (installed?.[1] === project && (installed[2] === version || !word.includes('='))) return
    if (installed?.[1] === project) host.remove(`${packages}/${old}`)
  }
  const info = `${packages}/${project}-${version}.dist-info`
  host.given(info, null, '0755', owner).given(`${info}/METADATA`, `Version: ${version}\n`, '0644', owner)
  const script = { 'zc.buildout': 'buildout', supervisor: 'supervisord' }[name]
  if (script !== undefined) host.given(`${environment}/bin/${script}`, name, '0755', owner)
  step(`${name} without its RECORD`)
  host.given(`${info}/RECORD`, '', '0644', owner)
}

/** The scripts that a part installs; other parts install one script with their own name. */
const scripts: Readonly<Record<string, readonly string[]>> = { zeoserver: ['zeoserver', 'zeopack'] }

export interface Building extends Working {
  /** The path of the buildout program, in the environment that its scripts will name. */
  readonly program: string
  readonly shared: string
  /** The error of a build that fails although the code is correct. */
  readonly failure: string | null
}

/**
 * Runs `buildout -c CONFIG` in the release: installs eggs, a script for each part, and last the list of installed
 * parts. A file `broken` in the repository makes it fail; with a file `shared-blob` the clients share the blob
 * directory of the ZEO server.
 */
export function buildout(args: readonly string[], directory: string, building: Building): Answer {
  const { host, owner, step, shared, failure, program } = building
  const config = host.readText(`${directory}/${args[args.indexOf('-c') + 1]}`)
  if (config === null) return { status: 1, stderr: 'Error: no such configuration' }
  for (const name of ['eggs', 'var'])
    if (host.stat(`${directory}/${name}`)?.kind !== 'directory')
      return { status: 1, stderr: `Error: no directory ${name}` }
  const egg = `${shared}/eggs/v5/cp311/site-1.0.egg`
  giveTree(host, `${shared}/eggs`, 'v5/cp311/x', owner)
  if (host.lstat(egg) === null) {
    host.given(egg, null, '0755', owner).given(`${egg}/EGG-INFO`, '', '0644', owner)
    step('half an egg')
    host.given(`${egg}/site.py`, '', '0644', owner)
  } else if (host.lstat(`${egg}/site.py`) === null) return { status: 1, stderr: `Error: ${egg} is half an egg` }
  if (failure !== null) return { status: 1, stderr: failure }
  if (host.lstat(`${directory}/broken`) !== null) return { status: 1, stderr: 'Error: Picked a broken version' }
  const { parts = [], 'parts +=': more = [] } = parseIni(config).buildout ?? {}
  for (const name of ['bin', 'parts', 'develop-eggs'])
    if (host.lstat(`${directory}/${name}`) === null) host.given(`${directory}/${name}`, null, '0755', owner)
  const version = host.readText(`${directory}/VERSION`)?.trim() ?? ''
  for (const part of [...parts, ...more]) {
    host.given(`${directory}/parts/${part}`, null, '0755', owner)
    step(`half of the part ${part}`)
    if (part === 'zeoserver') host.given(`${directory}/parts/zeoserver/etc/zeo.conf`, 'address 8001\n', '0644', owner)
    for (const script of scripts[part] ?? [part])
      host.given(
        `${directory}/bin/${script}`,
        `#!${program.replace(/buildout$/, 'python')}\n# ${part} of ${version}\n`,
        '0755',
        owner,
      )
  }
  if (host.lstat(`${directory}/shared-blob`) !== null) giveBlobConfigs(host, directory, config)
  const installed = `[buildout]\nparts = ${[...parts, ...more].join(' ')}\n`
  host.given(
    `${directory}/.installed.cfg`,
    `${installed}${cronJobs(building, directory, [...parts, ...more])}`,
    '0644',
    owner,
  )
  return {}
}

/**
 * Adds lines to the account's crontab as z3c.recipe.usercrontab does, whatever the crontab contains. A file
 * `usercrontab` in the repository has a line `PART TIMES; COMMAND` for each of its parts, whose command is below the
 * release.
 */
function cronJobs({ host, owner }: Building, directory: string, parts: readonly string[]): string {
  const lines = (host.readText(`${directory}/usercrontab`) ?? '').split('\n').filter((line) => line !== '')
  const path = spool(host, owner)
  return lines
    .map((line) => /^(\S+) ([^;]+); (.*)$/.exec(line) ?? [])
    .filter(([, part = '']) => !part.endsWith('cronjob') || parts.includes(part))
    .map(([, part, times, rest]) => {
      const [id, command] = [`${directory} [${part}]`, `${directory}/${rest}`]
      const before = host.readText(path) ?? ''
      host.given(path, `${before}\n# Generated by ${id}\n${times}\t${command}\n# END ${id}\n`)
      return `\n[${part}]\nrecipe = z3c.recipe.usercrontab\ntimes = ${times}\ncommand = ${command}\n`
    })
    .join('')
}

function giveBlobConfigs(host: Building['host'], directory: string, config: string): void {
  const { client1, zeoserver } = parseIni(config)
  const blobs = (section: typeof client1) => section?.['blob-storage']?.[0] ?? `${directory}/var/blobstorage`
  const shared = client1?.['shared-blob']?.[0] ?? 'on'
  const files = {
    'parts/client1/etc/zope.conf': `<zeoclient>\nblob-dir ${blobs(client1)}\nshared-blob-dir ${shared}\nserver 127.0.0.1:8001\n</zeoclient>\n`,
    'parts/zeoserver/etc/zeo.conf': `<zeo>\naddress 8001\n</zeo>\n<filestorage 1>\nblob-dir ${blobs(zeoserver)}\n</filestorage>\n`,
  }
  for (const [path, text] of Object.entries(files))
    if (host.lstat(`${directory}/${path.split('/').slice(0, 2).join('/')}`) !== null)
      host.given(`${directory}/${path}`, text)
}
