/** Proves the hints about keys of hosts and operators: triggers each by the call that returns it, then follows it. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HostKeyCheck, KnownHostFiles } from '../../core/fleet/ssh/host_keys.ts'
import { KeyRing, type Prompt } from '../../core/fleet/ssh/identities.ts'
import { readKnownHosts } from '../../core/fleet/ssh/known_hosts.ts'
import { newHostKey, refuseKnownHost, storeHostKey } from '../../core/fleet/ssh/new_host.ts'
import { loadSsh2 } from '../../core/fleet/ssh/ssh2.ts'
import { resolveTarget, type SshTarget } from '../../core/fleet/ssh/target.ts'
import { readUserConfig } from '../../core/fleet/ssh/user_config.ts'
import { needs, scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

/** Returns the host web1 for the home of an operator with no other configuration than `config`. */
async function targetIn(home: string, config = '', identity?: string): Promise<SshTarget> {
  mkdirSync(join(home, '.ssh'), { recursive: true })
  writeFileSync(join(home, '.ssh/config'), `GlobalKnownHostsFile none\n${config}`)
  const user = await readUserConfig({ home, user: 'ann', agent: null, systemFile: join(home, 'none') })
  return resolveTarget({ name: 'web1', address: '192.0.2.1', identity }, user)
}

function keyIn(home: string, name: string, ...options: string[]): string {
  const path = join(home, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path, ...options])
  return path
}

const blobOf = (path: string) => Buffer.from(readFileSync(`${path}.pub`, 'utf8').split(' ')[1] ?? '', 'base64')
const lineOf = (path: string) => `192.0.2.1 ssh-ed25519 ${blobOf(path).toString('base64')}\n`

async function check(home: string, key: string, hostKeys: 'strict' | 'accept-new' = 'strict', config = '') {
  const policy = { hostKeys, onNewHost: () => undefined }
  await new HostKeyCheck(await targetIn(home, config), new KnownHostFiles(), policy, async () => []).check(blobOf(key))
}

function setUp(t: Test) {
  const home = scratch(t)
  mkdirSync(join(home, '.ssh'))
  return { home, known: join(home, '.ssh/known_hosts'), one: keyIn(home, 'one'), two: keyIn(home, 'two') }
}

t.test('the hints about configurations that are not files work', async (t) => {
  const home = scratch(t)
  proveCalls(t, [
    {
      source: 'core/model/file_errors.ts',
      hint: 'name a regular file',
      broken: () => targetIn(home, 'Include /dev/zero\n'),
      repaired: () => targetIn(home, 'Include /dev/null\n'),
    },
  ])
})

t.test('the hints about keys of hosts work', async (t) => {
  if (!needs(t, ['ssh-keygen'])) return
  const source = 'core/fleet/ssh/host_keys.ts'
  const unknown = setUp(t)
  const changed = setUp(t)
  const revoked = setUp(t)
  const scanned =
    'compare it with the key on the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); if they match, run again with --accept-new, or add the output of ssh-keyscan -p 22 192.0.2.1 to known_hosts'
  writeFileSync(changed.known, lineOf(changed.one))
  writeFileSync(revoked.known, `@revoked ${lineOf(revoked.one)}`)
  proveCalls(t, [
    {
      source,
      hint: scanned,
      broken: () => check(unknown.home, unknown.one),
      repaired: () => check(unknown.home, unknown.one, 'accept-new'),
    },
    {
      source,
      hint: `${scanned}; correct the lines that are damaged: ${unknown.known}:1`,
      broken: () => {
        writeFileSync(unknown.known, '192.0.2.1 ssh-ed25519 half\n')
        return check(unknown.home, unknown.one)
      },
      repaired: () => {
        appendFileSync(unknown.known, lineOf(unknown.one))
        return check(unknown.home, unknown.one)
      },
    },
    {
      source,
      hint: "the host was reinstalled, or another host intercepts the connection; nothing was sent. Ask the administrator of the host; if the new key is right: ssh-keygen -R '192.0.2.1' -f …/known_hosts",
      broken: () => check(changed.home, changed.two),
      repaired: () => {
        execFileSync('ssh-keygen', ['-R', '192.0.2.1', '-f', changed.known], { stdio: 'ignore' })
        return check(changed.home, changed.two, 'accept-new')
      },
    },
    {
      source,
      hint: 'give the host a new key, since others may have this one: remove its host keys, then run ssh-keygen -A there',
      broken: () => check(revoked.home, revoked.one, 'accept-new'),
      repaired: () => check(revoked.home, revoked.two, 'accept-new'),
    },
  ])
})

t.test('the hints about keys of hosts that do not exist yet work', async (t) => {
  if (!needs(t, ['ssh-keygen'])) return
  const source = 'core/fleet/ssh/new_host.ts'
  const { home, known, one } = setUp(t)
  writeFileSync(known, lineOf(one))
  const key = await newHostKey('web1')
  proveCalls(t, [
    {
      source,
      hint: "if another host had that address before, remove its key first: ssh-keygen -R '192.0.2.1'",
      broken: async () => refuseKnownHost(await targetIn(home)),
      repaired: async () => {
        execFileSync('ssh-keygen', ['-R', '192.0.2.1', '-f', known], { stdio: 'ignore' })
        refuseKnownHost(await targetIn(home))
      },
    },
    {
      source,
      hint: 'name one in ~/.ssh/config: UserKnownHostsFile ~/.ssh/known_hosts',
      broken: async () => storeHostKey(await targetIn(home, 'UserKnownHostsFile none'), key),
      repaired: async () => storeHostKey(await targetIn(home, 'UserKnownHostsFile ~/.ssh/known_hosts'), key),
    },
    {
      source: 'core/fleet/ssh/known_hosts.ts',
      hint: 'give your account access to it, or name another file in ~/.ssh/config: UserKnownHostsFile',
      broken: () => {
        rmSync(known)
        mkdirSync(known)
        return readKnownHosts([known])
      },
      repaired: async () => readKnownHosts((await targetIn(home, 'UserKnownHostsFile ~/.ssh/other')).knownHosts.user),
    },
  ])
})

t.test('the hints about keys of operators work', async (t) => {
  if (!needs(t, ['ssh-keygen'])) return
  const source = 'core/fleet/ssh/identities.ts'
  const { home, one } = setUp(t)
  const secret = keyIn(home, 'secret', '-N', 'a passphrase')
  const offers = async (path: string, prompt: Prompt | null = null) => {
    const ring = new KeyRing(await loadSsh2(), prompt)
    const found = await ring.offersFor(await targetIn(home, '', path))
    for (const offer of found.offers) await offer.sign(Buffer.from('data'), undefined)
  }
  const token = join(home, 'token.pub')
  const blob = Buffer.from('sk-ssh-ed25519@openssh.com').toString('base64')
  writeFileSync(token, `sk-ssh-ed25519@openssh.com ${blob}\n`)
  proveCalls(t, [
    {
      source,
      hint: 'chmod 600 …/one',
      broken: () => {
        chmodSync(one, 0o644)
        return offers(one)
      },
      repaired: () => {
        chmodSync(one, 0o600)
        return offers(one)
      },
    },
    {
      source,
      hint: 'give the key to an agent (ssh-add), or run where there is a terminal to ask on',
      broken: () => offers(secret),
      repaired: () => offers(secret, async () => 'a passphrase'),
    },
    {
      source,
      hint: 'name a key that is in a file or an agent; one in a PIV token signs through ssh-agent (ssh-add -s)',
      broken: () => offers(token),
      repaired: () => offers(one),
    },
  ])
})
