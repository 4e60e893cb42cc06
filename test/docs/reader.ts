/**
 * Provides the environment for the commands of the documentation: the files that a reader has by then, and stand-ins
 * for the programs.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { commands } from '../../core/cli/command_specs/list.ts'
import { type DeploymentStart, Recorder } from '../../core/fleet/records/recorder.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { childOutput } from '../support/child_output.ts'
import { Sandbox } from '../support/program.ts'
import { hostReport, rolloutReport } from '../support/screen.ts'
import { allBlocks, project } from './blocks.ts'

const program = join(project, 'dist', 'start.cjs')
export interface Outcome {
  readonly status: number | null
  readonly output: string
}

/**
 * Returns attributes with which the apps use an account that each system has. Dry runs have no host on which setup has
 * created another one, and root changes no account below a prefix.
 */
export function systemAccounts(apps: readonly string[]): string {
  const account = { user: 'daemon', group: 'daemon', home: '/usr/sbin', shell: '/usr/sbin/nologin' }
  return JSON.stringify({ deploy: Object.fromEntries(apps.map((app) => [app, account])) })
}

export class Reader extends Sandbox {
  private readonly bin: string
  private hosts = 0

  constructor(t: Test) {
    super(t)
    this.bin = this.at('bin')
    this.write({ 'home/.ssh/config': '' })
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.at('home/.ssh/shop')])
    this.repository()
    this.attributeFiles()
    this.stackFiles()
    cpSync(join(project, 'fixtures', 'custom-recipe'), this.at('my-recipes'), { recursive: true })
    cpSync(join(project, 'fixtures', 'custom-recipe'), this.at('recipes'), { recursive: true })
    this.standIns()
  }

  /** Makes the repository of the site, with the branches and tags that the pages name. */
  private repository(): void {
    const at = this.at('site.git')
    cpSync(join(project, 'fixtures', 'example-buildout'), at, { recursive: true })
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', at, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { stdio: 'ignore' })
    git('init', '-q', '-b', 'main')
    git('add', '.')
    git('commit', '-q', '-m', 'The site')
    for (const tag of ['v2.1', 'v2.0']) git('tag', tag)
  }

  /** Returns an example as the reader saves it, with the URL of a local repository. */
  local(json: string): string {
    return json
      .replace(/("repository":\s*)"[^"]*"/g, `$1${JSON.stringify(this.at('site.git'))}`)
      .replace(/"(ssh_key|known_hosts)": "(?:[^"\\]|\\.)*",?/g, '')
  }

  private attributeFiles(): void {
    const block = (key: string) => this.local(allBlocks().find((one) => one.key === key)?.text ?? '')
    const site = block('docs/getting-started.md > 1. Write the attributes')
    const host = { status: 'online', private_ip: '127.0.0.1' }
    const layers = {
      zeoserver: { instances: { zeo1: host } },
      plone_instances: { instances: { plone1: host } },
      frontend: { instances: { web1: host } },
    }
    const opsworks = { stack: { name: 'shop' }, instance: { hostname: 'plone1' }, layers }
    const node = `${JSON.stringify({ opsworks, converge: { balancer: { port: 8099 } }, ...JSON.parse(site) })}\n`
    const roles = `${JSON.stringify({ converge: { roles: ['zeo-server', 'zeo-client'] }, ...JSON.parse(site) })}\n`
    const accounts = systemAccounts(['zeoserver', 'plone_instances', 'shop'])
    this.write({
      'site.json': site,
      'shop.json': block('docs/port-swap.md > port-app'),
      'custom.json': '{ "plone_instances": { "per_cpu": 1 } }\n',
      'node.json': node,
      'stack.json': node,
      'etc/accounts.json': accounts,
      'etc-with-roles/accounts.json': accounts,
      'etc-with-roles/site.json': roles,
      'home/converge/site.json': block('docs/plone-6.md > 2. Describe the host'),
      'home/converge/user.json': block('docs/plone-6.md > As an ordinary user'),
      'home/converge/accounts.json': accounts,
      'recipes/web.ts': roleNamed('web'),
      'closed.html': '<h1>Closed</h1>\n',
    })
  }

  /** Writes a stack whose hosts refuse each connection, and the record of one of its deployments. */
  private stackFiles(): void {
    const host = (port: number, layer: string) => ({ address: '127.0.0.1', port, layers: [layer], jump: 'none' })
    const scm = { repository: this.at('site.git'), revision: 'main' }
    const stack = `${JSON.stringify({
      name: 'shop',
      layers: { clients: { roles: [] }, frontend: { roles: ['frontend'] } },
      ssh: { identity: this.at('home/.ssh/shop') },
      hosts: {
        ...Object.fromEntries([1, 2, 3, 4].map((n) => [`client${n}`, host(n, 'clients')])),
        web1: host(5, 'frontend'),
      },
      apps: { shop: { scm, layers: ['clients'] } },
      environments: { staging: { hosts: { client4: null } } },
    })}\n`
    this.write({
      'fleet/stack.yaml': stack,
      'fleet/once.json': '{ "port_app": { "app_name": "shop" } }\n',
      'fleet/site/stack.yaml': stack,
      'fleet/recipes/audit.ts': roleNamed('audit'),
    })
    const recorder = new Recorder({
      directory: this.at('fleet/.converge/shop'),
      secrets: new Secrets(),
      warn: () => undefined,
    })
    const hosts = ['client3', 'client4'].map((name) => hostReport(name))
    const start: DeploymentStart = {
      ...{ stack: 'shop', action: 'deploy', comment: '', by: 'ann@desk', started: '2026-11-20T07:40:00.000Z' },
      ...{ strategy: 'rolling', commits: {}, hosts: hosts.map(({ host }) => host) },
    }
    for (let id = 1; id <= 12; id++) recorder.begin(start).end(rolloutReport(hosts, { ...start, hosts }))
  }

  private standIns(): void {
    const scripts = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).scripts as Record<string, string>
    this.write({
      'bin/converge': convergeStandIn(this),
      'bin/sudo': '#!/bin/bash\nexec "$@"\n',
      // The host's shell receives the remaining words, as sshd passes them.
      'bin/ssh': `#!/bin/bash
case " $* " in *" -- "*) while [ "$1" != -- ]; do shift; done; shift;; esac
shift
exec bash -c "$*"
`,
      'bin/npm': `#!/bin/bash
case "$1" in
  ci) ;;
  install) ;;
  test) set -- run test ;&
  run) case " ${Object.keys(scripts).join(' ')} " in *" $2 "*) ;; *) echo "package.json has no script $2"; exit 1;; esac ;;
  *) echo "npm $1 is not known to this test"; exit 1 ;;
esac
`,
    })
    for (const name of ['curl', 'systemctl', 'journalctl', 'ssh-keyscan', 'ssh-keygen'])
      this.write({ [`bin/${name}`]: '#!/bin/bash\nexit 0\n' })
    for (const name of [
      'converge',
      'sudo',
      'ssh',
      'npm',
      'curl',
      'systemctl',
      'journalctl',
      'ssh-keyscan',
      'ssh-keygen',
    ])
      chmodSync(this.at('bin', name), 0o755)
  }

  /** Runs a block as a script on a host of its own, until the first command that fails. */
  follow(script: string): Promise<Outcome> {
    this.hosts += 1
    const host = this.at(`host${this.hosts}`)
    const file = this.at(`script${this.hosts}`)
    const desk = this.at(`desk${this.hosts}`)
    writeFileSync(file, script)
    for (const path of directoriesOfSetup) mkdirSync(join(host, path), { recursive: true })
    for (const name of ['fleet', 'home']) cpSync(this.at(name), join(desk, name), { recursive: true })
    const env = {
      HOST: host,
      PATH: `${this.bin}:${process.env.PATH}`,
      HOME: join(desk, 'home'),
      XDG_CACHE_HOME: this.at('cache'),
      LANG: 'C.UTF-8',
      COMMIT: 'v2.1',
      SHOP_TOKEN: 'open-sesame',
      DB_PASSWORD: 'open-sesame',
    }
    const child = spawn('bash', ['-eu', '-o', 'pipefail', file], {
      cwd: script.includes('converge stack') ? join(desk, 'fleet') : this.directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return childOutput(child)
  }
}

/** Directories that the command setup has already made on a host when the other commands run. */
const directoriesOfSetup = [
  'etc/supervisor/conf.d',
  'var/log/supervisor',
  ...['conf.d', 'sites-available', 'sites-enabled'].map((name) => `etc/nginx/${name}`),
]

const roleNamed = (name: string) =>
  `import { role } from 'converge-engine'\nexport default role('${name}', { setup() {}, restart() {} })\n`

/**
 * Makes a stand-in that runs the real program below a prefix, with dry runs instead of changes. If the reader's own
 * host is missing (no release to roll back to, no host to connect to), the program must exit with status 1. Status 2, a
 * usage or input error, is only allowed for a release named by --to, and for the report of a run that never was.
 */
function convergeStandIn(reader: Reader): string {
  const commandsWith = (option: string) =>
    commands
      .filter(({ options }) => option in options)
      .map(({ name }) => name)
      .join('|')
  return `#!/bin/bash
has() { local option=$1 word; shift; for word; do case "$word" in "$option"|"$option="*) return 0;; esac; done; return 1; }
takes() { case "|$1|" in *"|$command|"*) return 0;; esac; return 1; }
command=apply
case "\${1:-}" in --version|--help|-*|'') ;; stack|hooks|balancer) command="$1 \${2:-}";; *) command="$1";; esac
case "$command" in "stack hooks") command="$command";; balancer*) command=balancer;; esac
more=()
case "$command $*" in
  stack*|*--version*|*--help*) ;;
  *)
    takes '${commandsWith('dry-run')}' && ! has --dry-run "$@" && ! has -n "$@" && more+=(--dry-run)
    takes '${commandsWith('prefix')}' && ! has --prefix "$@" && more+=(--prefix "$HOST")
    takes '${commandsWith('state-dir')}' && ! has --state-dir "$@" && more+=(--state-dir "$HOST/state")
    if takes '${commandsWith('config-dir')}' && ! has --config-dir "$@"; then
      if has --role "$@" || has -r "$@"; then more+=(--config-dir '${reader.at('etc')}')
      else more+=(--config-dir '${reader.at('etc-with-roles')}'); fi
    fi
    ;;
esac
# A saved plan has its own options.
if [ "$command" = apply ] && [[ "\${2:-}" = *.json ]] && [ "$1" = apply ]; then
  '${process.execPath}' '${program}' plan --role web --recipes ./recipes --out "$2" --prefix "$HOST" --state-dir "$HOST/state" > "$HOST/plan" 2>&1
  more=(); has --dry-run "$@" || more+=(--dry-run)
fi
echo "\\$ converge $* \${more[*]}" >&2
words=(); for word; do words+=("\${word/#'/etc/stack.json'/stack.json}"); done
errors="$HOST/errors"
'${process.execPath}' '${program}' "\${words[@]}" "\${more[@]}" 2> "$errors"
status=$?
cat "$errors" >&2
has --detailed-exit-code "$@" && [ $status = 3 ] && status=0
case "$command" in
  # The release that --to names is not there.
  rollback) [ $status = 1 ] || { [ $status = 2 ] && grep -q '^error: there is no release' "$errors"; } && status=0 ;;
  # Nothing is deployed on the host.
  backup|pack|debug-client) grep -Eq '^error: .* (has no (current release|backups)|stores its objects in a ZEO server)' "$errors" && status=0 ;;
  # The host has no run yet.
  report) grep -q '^error: there is no journal' "$errors" && status=0 ;;
  status|doctor|releases|restart|start|stop|rebuild|balancer*|"hooks show") [ $status = 1 ] && status=0 ;;
  "stack check"|"stack show"|"stack schema"|"stack userdata") ;;
  stack*) [ $status = 1 ] && status=0 ;;
esac
exit $status
`
}
