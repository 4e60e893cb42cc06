/** Proves the hints of exec, logs, ssh, and of waiting for another rollout: triggers each, then follows it. */
import { mkdirSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { connectionTo as operatedLink } from '../../core/cli/stack/operate.ts'
import { conflictIn, RolloutQueue } from '../../core/cli/stack/wait_for_rollout.ts'
import { runCommand } from '../../core/fleet/operate/command.ts'
import { type DeploymentStart, Recorder } from '../../core/fleet/records/recorder.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { scratch } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof, proveCalls, proveCommands } from '../support/proofs.ts'
import { rolloutReport } from '../support/screen.ts'
import { connectionTo, shell } from '../support/shell_hosts.ts'

const hosts = {
  web1: { address: '127.0.0.1', port: 1, layers: ['app'] },
  lb1: { address: '127.0.0.1', port: 2, layers: ['front'] },
}
const layers = { app: { roles: ['base'] }, front: { roles: ['frontend'] } }
const files = { 'stack.json': JSON.stringify({ name: 'shop', layers, hosts }) }

t.test('the hints about words work', async (t) => {
  const logs = 'core/cli/stack/logs.ts'
  const balancer = 'core/cli/stack/balancer.ts'
  proveCommands(t, [
    {
      source: 'core/cli/command_line/option_values.ts',
      hint: 'write --wait=10m; without a value, put it after all other words',
      files,
      broken: 'stack configure --wait=soon',
      repaired: 'stack configure --wait=10m',
      reaches: 'web1',
    },
    {
      source: 'core/cli/command_line/parse.ts',
      hint: 'write -- before the command: converge stack exec [OPTION ...] -- uptime',
      files,
      broken: 'stack exec uptime',
      repaired: 'stack exec -- uptime',
      reaches: 'web1',
    },
    {
      source: 'core/cli/stack/this_host.ts',
      hint: 'select the hosts with the web server: leave out --layer, --host, --app and --limit to close all sites of the stack',
      files,
      broken: 'stack maintenance on --layer app',
      repaired: 'stack maintenance on',
      reaches: 'lb1',
    },
    {
      source: balancer,
      hint: 'converge stack balancer list names them',
      files,
      broken: 'stack balancer drain',
      repaired: 'stack balancer list',
      reaches: 'lb1',
    },
    {
      source: balancer,
      hint: 'leave the name out: the list has every server',
      files,
      broken: 'stack balancer list plone1-1',
      repaired: 'stack balancer list',
      reaches: 'lb1',
    },
    {
      source: balancer,
      hint: 'select hosts with the role frontend, or leave out --layer, --host, --app and --limit',
      files,
      broken: 'stack balancer --layer app',
      repaired: 'stack balancer',
      reaches: 'lb1',
    },
    {
      source: logs,
      hint: 'for example --lines 100',
      files,
      broken: 'stack logs --lines many',
      repaired: 'stack logs --lines 100',
      reaches: 'lb1',
    },
    {
      source: logs,
      hint: 'select other hosts, or read a file with converge stack exec -- tail FILE',
      files,
      broken: 'stack logs --host web1',
      repaired: 'stack logs --host lb1',
      reaches: 'lb1',
    },
    {
      source: logs,
      hint: 'select other hosts, or read a file with converge stack exec -- tail FILE',
      files,
      broken: 'stack logs --host web1',
      repaired: 'stack exec --host web1 -- tail /var/log/dpkg.log',
      reaches: 'web1',
    },
    {
      source: logs,
      hint: 'choose from: haproxy, nginx, varnish',
      files,
      broken: 'stack logs --program apache2',
      repaired: 'stack logs --program nginx',
      reaches: 'lb1',
    },
    {
      source: 'core/cli/stack/requested_host.ts',
      hint: 'there are: web1, lb1',
      files,
      broken: 'stack ssh database',
      repaired: 'stack ssh web1',
      reaches: 'Connection refused',
    },
  ])
})

t.test('the hints about a missing ssh program work', async (t) => {
  const proof: Proof = {
    source: 'core/cli/stack/ssh.ts',
    hint: 'install the OpenSSH client, which is the package openssh-client on Debian and Ubuntu',
  }
  const sandbox = new Sandbox(t)
  sandbox.write(files)
  mkdirSync(sandbox.at('bin'))
  for (const [name, path] of Object.entries({ env: '/usr/bin/env', node: process.execPath }))
    symlinkSync(path, sandbox.at(`bin/${name}`))
  const ssh = () => sandbox.converge(['stack', 'ssh', 'web1'], { bare: true, env: { PATH: sandbox.at('bin') } })
  const before = await ssh()
  t.match(before.stderr, hintPattern(`…${proof.hint}…`), 'the hint is printed', { before })
  symlinkSync('/usr/bin/ssh', sandbox.at('bin/ssh'))
  const after = await ssh()
  t.match(after.stderr, 'Connection refused', 'ssh runs', { after })
})

t.test('the hints about commands on hosts work', async (t) => {
  const selectable = { name: 'web1' }
  const reached = (sudo: 'none' | 'free') =>
    ({ selectable, host: { transport: 'ssh' }, target: { user: 'jane' }, open: null, sudo }) as never
  const runSleep = (timeout: number) =>
    runCommand(connectionTo(t, shell(), scratch(t)), {
      ...{ words: ['sleep', '1'], account: null, timeout, onOutput: () => undefined },
      interrupt: new AbortController().signal,
    })
  const root: Proof = {
    source: 'core/cli/stack/operate.ts',
    hint: 'leave out --sudo and --user, or correct "sudo" of the host',
  }
  const time: Proof = {
    source: 'core/fleet/operate/command.ts',
    hint: 'add --timeout with more seconds, or --timeout 0 for no limit',
  }
  const long: Proof = {
    source: 'core/fleet/operate/command.ts',
    hint: 'look at what it prints with converge stack ssh, or write the output to a file on the host',
  }
  const runAndPrint = async (command: string) => {
    let kept = 0
    await runCommand(connectionTo(t, shell(), scratch(t)), {
      ...{ words: ['sh', '-c', command], account: null, timeout: 60, maxOutput: 1 << 20 },
      onOutput: (text) => {
        kept += text.length
      },
      interrupt: new AbortController().signal,
    })
    if (kept > 1 << 20) throw new Error(`${kept} characters`)
  }
  proveCalls(t, [
    // A host that never ends its output.
    { ...long, broken: () => runAndPrint('yes'), repaired: () => runAndPrint('yes | head -c 1000 > /dev/null') },
    {
      ...root,
      broken: () => operatedLink(reached('none'), true),
      repaired: () => operatedLink(reached('none'), false),
    },
    { ...root, broken: () => operatedLink(reached('none'), true), repaired: () => operatedLink(reached('free'), true) },
    { ...time, broken: () => runSleep(0.1), repaired: () => runSleep(60) },
    { ...time, broken: () => runSleep(0.1), repaired: () => runSleep(0) },
  ])
})

t.test('the hints about another rollout work', async (t) => {
  const directory = scratch(t)
  const start: DeploymentStart = {
    ...{ stack: 'shop', comment: '', by: 'jane@desk', commits: {}, hosts: ['web1'] },
    ...{ action: 'deploy', strategy: 'rolling', started: '2026-11-20T07:40:00.000Z' },
  }
  const begin = () => new Recorder({ directory, secrets: new Secrets(), warn: () => undefined }).begin(start)
  /** Runs a deploy that finds another one running. */
  const deploy = async (wait?: number, meanwhile: () => void = () => undefined) => {
    const conflict = conflictIn(directory, new Set(['web1']))
    if (conflict === null) return
    const turn = new RolloutQueue({ action: 'deploy', wait, emit: meanwhile, stackOptions: '' })
    await turn.after(conflict, directory, async () => true)
  }
  const failing = begin()
  const ends: (() => void)[] = []
  proveCalls(t, [
    {
      source: 'core/cli/stack/wait_for_rollout.ts',
      hint: 'read converge stack log 1, then run the command again',
      broken: () => deploy(60, () => failing.end(rolloutReport([], { id: failing.id, outcome: 'failed' }))),
      repaired: () => deploy(60),
    },
    {
      source: 'core/cli/stack/wait_for_rollout.ts',
      hint: 'add --wait to begin when it has ended, or follow it: converge stack log 2',
      broken: () => {
        const other = begin()
        ends.push(() => other.end(rolloutReport([], { id: other.id, outcome: 'changed' })))
        return deploy()
      },
      repaired: () => deploy(60, () => ends.pop()?.()),
    },
  ])
})
