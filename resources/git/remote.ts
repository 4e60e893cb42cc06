/** Builds the git commands that access a remote repository: its address without secrets, its login and its key. */
import type { CommandOptions, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { minutes, seconds } from '../../core/model/units.ts'

export interface Remote {
  /** The address without user name and password, safe for arguments and logs. */
  readonly url: string
  /** The directory, if the repository is on this host. */
  readonly local: string | null
  /** Whether repositories on this host may be read: only if the main repository is one. */
  readonly localAllowed: boolean
  /** The account that runs git and owns the files that git writes; default: the account of the run. */
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly sshKey?: string | undefined
  readonly knownHosts?: string | undefined
  /** The login for http(s), for this server only. */
  readonly login: { readonly origin: string; readonly username: string; readonly password: string } | null
}

export interface RemoteProps {
  readonly repository: string
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly sshKey?: string | undefined
  readonly knownHosts?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** The length in characters from which a user name alone counts as an access token. */
const tokenLength = 20

/** Returns the remote of the properties; passes their secrets to `secret`. */
export function createRemote(props: RemoteProps, secret: (value: string) => void): Remote {
  const { user, group, sshKey, knownHosts } = props
  const { url, username, password } = splitUrl(props.repository)
  const name = props.username ?? username
  const accessPassword = props.password ?? password
  for (const value of new Set([sshKey, accessPassword, password])) if (value) secret(value)
  if (name !== undefined && (!accessPassword || name.length >= tokenLength)) secret(name)
  const local = localPath(url)
  const origin = /^https?:\/\/[^/]+/i.exec(url)?.[0]
  const login =
    origin === undefined || (name === undefined && accessPassword === undefined)
      ? null
      : { origin, username: name ?? '', password: accessPassword ?? '' }
  const key = sshKey === undefined ? undefined : `${sshKey.replaceAll('\r', '').trimEnd()}\n`
  return { url, local, localAllowed: local !== null, user, group, sshKey: key, knownHosts, login }
}

/** Returns the remote of a submodule: with the same key, and the same login on the same server. */
export function submoduleRemote(main: Remote, url: string, secret: (value: string) => void): Remote {
  const submodule = createRemote({ repository: resolveUrl(main.url, url) }, secret)
  const origin = /^https?:\/\/[^/]+/i.exec(submodule.url)?.[0]
  const login = submodule.login ?? (main.login?.origin === origin ? main.login : null)
  return { ...main, url: submodule.url, local: submodule.local, login }
}

/**
 * Resolves an address as git-submodule(1) does: `../lib.git` beside `https://host/group/site.git` is
 * `https://host/group/lib.git`.
 */
export function resolveUrl(base: string, url: string): string {
  if (!/^\.\.?(\/|$)/.test(url)) return url
  let at = base.replace(/\/+$/, '')
  let rest = url
  for (;;) {
    if (rest.startsWith('./')) rest = rest.slice(2)
    else if (rest.startsWith('../')) {
      rest = rest.slice(3)
      at = at.replace(/[/:][^/:]*$/, (part) => (part.startsWith(':') ? ':' : ''))
    } else break
  }
  return `${at}${at.endsWith(':') ? '' : '/'}${rest.replace(/\/+$/, '')}`
}

function splitUrl(text: string): { url: string; username?: string; password?: string } {
  const match = /^(https?:\/\/|ssh:\/\/)([^/]*)@(.*)$/is.exec(text)
  if (match === null) return { url: text }
  const [, scheme = '', userinfo = '', rest = ''] = match
  const colon = userinfo.indexOf(':')
  const username = decodePercent(colon === -1 ? userinfo : userinfo.slice(0, colon))
  const password = colon === -1 ? {} : { password: decodePercent(userinfo.slice(colon + 1)) }
  // The user name of ssh is part of the address; a password there has no effect, but is still a secret.
  if (/^ssh/i.test(scheme)) return { url: `${scheme}${username}@${rest}`, ...password }
  return { url: `${scheme}${rest}`, username, ...password }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}

function localPath(url: string): string | null {
  if (url.startsWith('/')) return url
  return /^file:\/\//i.test(url) ? decodePercent(url.slice(7)) : null
}

/**
 * The settings of every git command, which override the host's configuration: no hooks, no housekeeping during a
 * deploy, files as they are in the repository. Git does not read the account's own ~/.gitconfig at all. It reads
 * /etc/gitconfig, since administrators put certificates, proxies and LFS there.
 */
const settings = [
  'core.hooksPath=/dev/null',
  // This transport runs a command that is part of the address, such as that of a submodule; /etc/gitconfig could allow
  // it.
  'protocol.ext.allow=never',
  'core.autocrlf=false',
  'core.fsmonitor=false',
  'core.symlinks=true',
  'core.fileMode=true',
  'core.logAllRefUpdates=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
  'submodule.recurse=false',
  // Always keep a pack, which git flushes to the disk. Git does not flush loose objects: a power cut would leave empty
  // ones.
  'fetch.unpackLimit=1',
  'http.lowSpeedLimit=1000',
  'http.lowSpeedTime=60',
]

const loginHelper =
  '!f() { test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "$CONVERGE_GIT_USERNAME" "$CONVERGE_GIT_PASSWORD"; }; f'

/** Returns shell code that opens the text of a variable as a nameless file, which disappears with the shell. */
const namelessFile = (descriptor: number, variable: string) =>
  `k=$(umask 077; mktemp -p /dev/shm .converge.XXXXXXXXXX 2>/dev/null || mktemp) && exec ${descriptor}<>"$k" && rm -f "$k" && printf '%s' "$${variable}" >&${descriptor} || return 255; unset ${variable}`

/**
 * Returns ssh(1) with the given key and known hosts, if any. It never asks a question, and never accepts an unknown
 * host.
 */
function sshCommand(remote: Remote): string {
  const strict =
    'ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o ConnectTimeout=20 -o ServerAliveInterval=15'
  const key = remote.sshKey === undefined ? '' : ' -i "/proc/$$/fd/9" -o IdentitiesOnly=yes'
  const hosts =
    remote.knownHosts === undefined ? '' : ' -o GlobalKnownHostsFile=/dev/null -o "UserKnownHostsFile=/proc/$$/fd/8"'
  if (key === '' && hosts === '') return strict
  const files = [
    ...(key === '' ? [] : [namelessFile(9, 'CONVERGE_SSH_KEY')]),
    ...(hosts === '' ? [] : [namelessFile(8, 'CONVERGE_KNOWN_HOSTS')]),
  ]
  // The shell must outlive ssh, which reads both files through it.
  return `f() { ${files.join('; ')}; ${strict}${key}${hosts} "$@"; s=$?; exec 9<&- 8<&-; return $s; }; f`
}

export interface GitCommand {
  readonly argv: readonly string[]
  readonly options: CommandOptions
}

/** Returns a git command that does not leave this host. */
export function localGit(remote: Pick<Remote, 'user' | 'group'>, args: readonly string[]): GitCommand {
  return {
    argv: ['git', ...settings.flatMap((setting) => ['-c', setting]), ...args],
    options: { user: remote.user, group: remote.group, environment: bareEnvironment, timeout: minutes(30) },
  }
}

/**
 * Returns the same command for writing: files get the modes of the repository, whatever umask the run was started with.
 */
export function asWriting({ argv, options }: GitCommand): GitCommand {
  return { argv: ['sh', '-c', 'umask 022; exec "$@"', 'sh', ...argv], options }
}

/** Returns a git command that accesses the remote; secrets go through its environment, never through its arguments. */
export function remoteGit(host: HostReader, remote: Remote, args: readonly string[]): GitCommand {
  const [verb = '', ...rest] = args
  const dir = verb.startsWith('--git-dir=') ? [verb, ...rest.splice(0, 1)] : [verb]
  const uploadPack = trusts(host, remote) ? ['--upload-pack=git -c safe.directory=* upload-pack'] : []
  const { argv, options } = authenticated(remote, [...dir, ...uploadPack, ...rest])
  return { argv, options: { ...options, timeout: verb === 'ls-remote' ? seconds(60) : minutes(60) } }
}

/** Returns the same for an extension of git, which reads a repository on this host without upload-pack. */
export function remoteExtension(host: HostReader, remote: Remote, args: readonly string[]): GitCommand {
  return authenticated(remote, [...(trusts(host, remote) ? ['-c', 'safe.directory=*'] : []), ...args])
}

function authenticated(remote: Remote, args: readonly string[]): GitCommand {
  const { login } = remote
  const helper =
    login === null ? [] : ['-c', 'credential.helper=', '-c', `credential.${login.origin}.helper=${loginHelper}`]
  const { argv, options } = localGit(remote, [...helper, ...args])
  const environment = {
    ...options.environment,
    GIT_ALLOW_PROTOCOL: remote.localAllowed ? 'file:git:http:https:ssh' : 'git:http:https:ssh',
    GIT_SSH_VARIANT: 'ssh',
    GIT_SSH_COMMAND: sshCommand(remote),
    ...omitUndefined({ CONVERGE_SSH_KEY: remote.sshKey }),
    ...(remote.knownHosts === undefined ? {} : { CONVERGE_KNOWN_HOSTS: `${remote.knownHosts.trimEnd()}\n` }),
    ...(login === null ? {} : { CONVERGE_GIT_USERNAME: login.username, CONVERGE_GIT_PASSWORD: login.password }),
  }
  return { argv, options: { ...options, environment, timeout: minutes(60) } }
}

const bareEnvironment = {
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_LITERAL_PATHSPECS: '1',
}

/** Decides whether to trust a repository of root on this host: git itself serves no repository of another account. */
function trusts(host: HostReader, remote: Remote): boolean {
  if (remote.local === null) return false
  const runner = remote.user === undefined ? host.self.uid : host.account(remote.user)?.uid
  const directory = [`${remote.local}/.git`, remote.local, `${remote.local}.git`].find(
    (path) => host.stat(path) !== null,
  )
  const owner = directory === undefined ? undefined : host.stat(directory)?.uid
  return owner === 0 && runner !== 0
}

/** The advice that git adds to every failure, whatever its cause. */
const genericAdvice = /^(Please make sure you have the correct access rights|and the repository exists\.)$/

/** Returns an error with git's message and a hint about its cause. */
export function gitFailure(error: unknown, message: string): unknown {
  if (!(error instanceof ConvergeError)) return error
  if (error.code === 'NO_PROGRAM')
    return new ConvergeError('git is not installed', { code: error.code, hint: 'apt-get install git', cause: error })
  if (error.code !== 'COMMAND_FAILED' && error.code !== 'COMMAND_TIMEOUT') return error
  const lines = (error.output ?? '').split('\n').filter((line) => !genericAdvice.test(line))
  const output = lines.join('\n')
  const hint =
    error.code === 'COMMAND_TIMEOUT'
      ? hints.network
      : (hintsByOutput.find(([pattern]) => pattern.test(output))?.[1] ?? error.hint)
  return new ConvergeError(message, { code: 'GIT_FAILED', output, hint, cause: error })
}

const hints = {
  network: 'the network: check name, port and route from this host, then run again; nothing was changed',
  key: 'the key: give the private key (sshKey) whose public half the server knows, with read access to this repository',
  keyText:
    'the key: its text is damaged; it must be the whole private key, with its first and last line, without passphrase',
  knownHosts:
    "known hosts: the server's host key is not known here; put it into knownHosts, or into ~/.ssh/known_hosts of the account that runs git (ssh-keyscan HOST shows it: compare it with what the server's owner publishes)",
  changedHost:
    "known hosts: the server's host key is not the one known here: either it was changed, or another server intercepts the connection; ask the server's owner before replacing it in knownHosts",
}

const hintsByOutput: readonly (readonly [RegExp, string])[] = [
  [/git: not found/, 'git is not installed: apt-get install git'],
  [/REMOTE HOST IDENTIFICATION HAS CHANGED/, hints.changedHost],
  [/Host key verification failed|host key is known/, hints.knownHosts],
  [/Load key .*(libcrypto|invalid format|passphrase)/, hints.keyText],
  [/Permission denied \(|Too many authentication failures/, hints.key],
  [
    /remote missing object|Object does not exist on the server/,
    'the repository lacks files of Git LFS: push them from a clone that has them, with git lfs push --all REMOTE',
  ],
  [
    /Authentication failed|Authentication required|Authorization error|could not read (Username|Password)|terminal prompts disabled|HTTP 40[13]|error: 40[13]/,
    'the login: give username and password (or an access token as the password) that may read this repository',
  ],
  [
    /Could not resolve|Connection (timed out|refused|reset|closed)|Network is unreachable|No route to host|Failed to connect|Couldn't connect|Operation (timed out|too slow)|early EOF/i,
    hints.network,
  ],
  [/certificate/i, 'the certificate: the server is not trusted by this host; install its CA certificate'],
  [
    /dubious ownership/,
    'the repository belongs to another account: let that account or root own it, or trust it with git config --system --add safe.directory PATH',
  ],
  [
    /transport '.*' not allowed/,
    'the address: a repository elsewhere must not name a repository on this host as its submodule',
  ],
  [
    /No space left|Disk quota|Out of diskspace|unable to write file/,
    'free some space (df -h shows where), then run again',
  ],
  [
    /not found|does not appear to be a git repository|does not exist/i,
    'the address: there is no such repository, or this key or login may not see it',
  ],
]
