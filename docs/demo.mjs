#!/usr/bin/env node
/**
 * Converges an empty host: a ZEO server and two Zope clients of the example buildout, on this host.
 *
 * As root it uses the system (packages, the account deploy, /srv/www). For an ordinary user everything is below one
 * directory. `node docs/demo.mjs --stop` stops and removes everything.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('..', import.meta.url))
const isRoot = process.getuid() === 0
const prefix = process.env.CONVERGE_DEMO_PREFIX ?? (isRoot ? '' : join(homedir(), 'converge-demo'))
// The account deploy must be able to read it too.
const home = isRoot && prefix === '' ? '/var/lib/converge-demo' : `${prefix}/demo`
const repository = join(home, 'site')
const json = join(home, 'site.json')
const program = join(project, 'dist', 'start.cjs')
const flags = ['--role', 'zeo-server,zeo-client', '--json', json, ...(prefix ? ['--prefix', prefix] : [])]
const clients = 2

const say = (text) =>
  process.stdout.write(`\n\x1b[1m${text}\x1b[0m\n`.replaceAll(process.stdout.isTTY ? '' : /\x1b\[\d+m/g, ''))
const run = (command, args, options = {}) => execFileSync(command, args, { stdio: 'inherit', ...options })
const converge = (...args) => spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' }).status ?? 1
const git = (...args) =>
  run('git', ['-C', repository, '-c', 'user.name=demo', '-c', 'user.email=demo@example.org', ...args])

function stop() {
  if (!existsSync(json)) return say('nothing to stop')
  say('stopping and removing the demo')
  const status = converge('undeploy', ...flags, '--purge')
  if (status !== 0) process.exit(status)
  const supervisorctl = `${prefix}/opt/supervisor/bin/supervisorctl`
  if (existsSync(supervisorctl)) run(supervisorctl, ['-c', `${prefix}/etc/supervisor/supervisord.conf`, 'shutdown'])
  if (prefix) rmSync(prefix, { recursive: true, force: true })
  rmSync(home, { recursive: true, force: true })
  say(isRoot ? 'done; the Debian packages and the account deploy stay' : `done: ${prefix} is gone`)
}

function prepare() {
  say('1. build the program')
  run(process.execPath, [join(project, 'build.mjs')])
  say(`2. make a git repository of the example buildout: ${repository}`)
  rmSync(repository, { recursive: true, force: true })
  mkdirSync(home, { recursive: true, mode: 0o755 })
  cpSync(join(project, 'fixtures', 'example-buildout'), repository, { recursive: true })
  run('git', ['init', '-q', '-b', 'main', repository])
  git('add', '.')
  git('commit', '-q', '-m', 'The example site')
  const scm = { scm_type: 'git', repository, revision: 'main' }
  const site = {
    plone_instances: { instance_count: clients, zeo: { address: '127.0.0.1:8001' } },
    deploy: { zeoserver: { scm }, plone_instances: { scm } },
  }
  writeFileSync(json, `${JSON.stringify(site, null, 2)}\n`)
}

async function page(port) {
  const response = await fetch(`http://127.0.0.1:${port}/`)
  const text = (await response.text())
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  if (!response.ok) throw new Error(`the client at port ${port} answered ${response.status}: ${text.slice(0, 200)}`)
  process.stdout.write(`http://127.0.0.1:${port}/  ${response.status}  ${text.slice(0, 100)}\n`)
}

async function demo() {
  prepare()
  const who = isRoot && !prefix ? 'root, on the system itself' : `${userInfo().username}, all below ${prefix}`
  say(`3. converge (as ${who}); the first build fetches Zope and takes a minute or two`)
  const first = converge(...flags)
  if (first !== 0) process.exit(first)
  say('4. a page from each client')
  for (let n = 1; n <= clients; n++) await page(8080 + n)
  say('5. a second run, with nothing to do')
  const second = converge(...flags)
  if (second !== 0) process.exit(second)
  const command = `node ${program}`
  say('The site runs. Next commands:')
  process.stdout.write(`
  ${command} status ${flags.join(' ')}
  ${command} releases ${flags.join(' ')}
  edit ${repository}/VERSION, commit it, print the plan, and deploy:
    git -C ${repository} commit -am 'a new revision'
    ${command} plan --event deploy ${flags.join(' ')}
    ${command} deploy ${flags.join(' ')}
  ${command} rollback ${flags.join(' ')}

Stop and remove everything:
  node ${fileURLToPath(import.meta.url)} --stop
`)
}

if (process.argv.includes('--stop')) stop()
else await demo()
