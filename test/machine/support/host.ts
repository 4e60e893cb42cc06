/** Runs one test host: switches it on and off, disconnects it, fills its disk, and runs commands on it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { connect } from 'node:net'
import { until, waitUntil } from '../../support/wait_until.ts'
import { imageName, makeCloudImage } from './cloud_image.ts'
import { type Account, realPaths, writeAccounts, writeFileWithParents, writeIdentity } from './host_files.ts'
import { hasEnded, type NetworkClaim, script } from './host_network.ts'
import { boot, connectToBridge, hostPath, makeFiles } from './host_scripts.ts'
import { SlowLink, type Slowness } from './slow_link.ts'
import { certify, type Key, newKey } from './ssh_keys.ts'

export interface HostOptions {
  /** Public keys that may log in as root; default: that of the operator. */
  readonly authorized?: readonly string[]
  /** Ordinary accounts, by name. */
  readonly accounts?: Readonly<Record<string, Account>>
  /** Directory of the host's system; default: the system of this computer. */
  readonly system?: string
  /** Port of sshd; default 22. */
  readonly port?: number
  /** More lines of sshd_config(5); they come first, since the first value of an option counts. */
  readonly sshd?: readonly string[]
  /** The authority that signs the host's key. */
  readonly hostAuthority?: Key
  /** `own`: the local Node at /usr/local/bin/node; default: none, as on most hosts. */
  readonly node?: 'none' | 'own'
  /** Paths of this computer that the host lacks, such as /usr/bin/git. */
  readonly without?: readonly string[]
  /** Directories shared with other hosts, as a mount would do it: path on the host → path on this computer. */
  readonly mounts?: Readonly<Record<string, string>>
  /**
   * Size of the file system for everything written on the host, including /tmp, in MB; default 4096. It takes memory
   * only as it fills.
   */
  readonly disk?: number
  /** With systemd: units enabled at boot, besides sshd. Default: cron. */
  readonly enabled?: readonly string[]
  /** Default: the next free address of the network. */
  readonly address?: string
  /** With systemd: the host comes from a cloud image with this user data, which defines logins and the port of sshd. */
  readonly userData?: string
}

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface SshOptions {
  /** Default: root. */
  readonly account?: string
  /** Default: that of the operator. */
  readonly key?: Key
  /** Default: that of the network. */
  readonly knownHosts?: string
  readonly input?: string
}

/** The key of the operator and the known hosts, which the hosts of a network share. */
interface SharedNetwork {
  readonly operator: Key
  readonly knownHosts: string
}

const defaultDiskMb = 4096

export interface HostLocation {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly systemd: boolean
  /** Layers below the host's own files, in the format of overlay(5). */
  readonly lower: string
}

export class TestHost {
  readonly name: string
  readonly address: string
  readonly port: number
  /** Path of its files outside of the host, which also exists while the host is off. */
  readonly root: string
  /** Type and key, in the format of known_hosts. */
  hostKey = ''
  private init = 0
  private machine: ChildProcess | undefined
  private slowLink: SlowLink | null = null
  private slowness: Slowness | null = null
  private readonly directory: string

  constructor(
    private readonly network: SharedNetwork,
    private readonly ground: NetworkClaim,
    private readonly location: HostLocation,
    private readonly options: HostOptions,
  ) {
    this.name = location.name
    this.address = location.address
    this.port = options.port ?? 22
    this.directory = `${ground.directory}/${location.id}`
    this.root = `${this.directory}/root`
  }

  /** Makes the host's files, once. */
  async make(): Promise<void> {
    const {
      accounts = {},
      authorized,
      disk = defaultDiskMb,
      without = [],
      enabled = ['cron'],
      mounts = {},
    } = this.options
    const { userData } = this.options
    await script(makeFiles, this.directory, ...realPaths(without), this.location.lower, `${disk}`)
    for (const [path, directory] of Object.entries(mounts))
      await script('mkdir -p "$1"; mount --bind "$2" "$1"', `${this.root}${path}`, directory)
    writeIdentity(this.root, {
      name: this.initialHostName,
      address: this.address,
      machineId: randomUUID().replaceAll('-', ''),
    })
    writeAccounts(this.root, accounts, this.network.operator.line, userData === undefined ? authorized : [])
    if (userData === undefined) {
      await this.newHostKey()
      writeFileWithParents(`${this.root}/etc/ssh/sshd_config`, `${this.sshdConfig().join('\n')}\n`)
    } else await makeCloudImage(this.root, userData)
    if (!this.location.systemd) return
    const expected = ['ssh', ...enabled].map((unit) => (unit.includes('.') ? unit : `${unit}.service`))
    await script(
      'cd "$1"; shift; for unit; do ln -sf /lib/systemd/system/$unit; done',
      this.wantsDirectory,
      ...expected,
    )
  }

  /** The host name before cloud-init sets one. */
  private get initialHostName(): string {
    return this.options.userData === undefined ? this.name : imageName
  }

  private get wantsDirectory(): string {
    return `${this.root}/etc/systemd/system/multi-user.target.wants`
  }

  private sshdConfig(): string[] {
    const certificate = this.options.hostAuthority === undefined ? [] : ['HostCertificate /etc/ssh/host_key-cert.pub']
    return [
      ...(this.options.sshd ?? []),
      `Port ${this.port}`,
      'HostKey /etc/ssh/host_key',
      ...certificate,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      // With systemd, a login is a session of its own, as on any server.
      `UsePAM ${this.location.systemd ? 'yes' : 'no'}`,
      'UseDNS no',
      'PrintMotd no',
      'Subsystem sftp internal-sftp',
    ]
  }

  /** Replaces the host key, as a reinstallation does; the network's known_hosts keeps the first one. */
  async newHostKey(): Promise<void> {
    const running = this.machine !== undefined
    if (running) await this.stop()
    for (const end of ['', '.pub', '-cert.pub']) rmSync(`${this.root}/etc/ssh/host_key${end}`, { force: true })
    const { hostAuthority } = this.options
    const key = await newKey(`${this.root}/etc/ssh/host_key`)
    if (this.hostKey === '') appendFileSync(this.network.knownHosts, `${this.knownHostsName} ${key.line}\n`)
    this.hostKey = key.line
    if (hostAuthority !== undefined)
      await certify(hostAuthority, `${key.file}.pub`, { of: 'host', principals: [this.address, this.name] })
    if (running) await this.start()
  }

  /** The host's name in known_hosts. */
  get knownHostsName(): string {
    return this.port === 22 ? this.address : `[${this.address}]:${this.port}`
  }

  /** Starts the host and waits until sshd answers, and with systemd until all enabled units have started. */
  async start(): Promise<void> {
    if (this.machine !== undefined) throw new Error(`${this.name} is on`)
    const { id, systemd } = this.location
    const { prefix, subnet } = this.ground
    // The same at each start: otherwise peers would use the old one from their ARP cache for a while.
    const hardware = ['02', ...this.address.split('.').map((part) => Number(part).toString(16).padStart(2, '0')), '02']
    await script(connectToBridge, id, prefix, `${this.address}/24`, `${subnet}.1`, hardware.join(':'))
    const log = openSync(this.consolePath, 'a')
    const node = this.options.node === 'own' ? process.execPath : ''
    const words = [boot, 'bash', this.directory, id, this.initialHostName, systemd ? 'systemd' : 'sshd', node]
    // The host ends with this process, also if the test is killed.
    const machine = spawn('setpriv', ['--pdeathsig', 'KILL', 'bash', '-c', ...words], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.machine = machine
    machine.once('exit', () => {
      if (this.machine === machine) this.machine = undefined
    })
    await waitUntil(() => this.machine === undefined || this.sshdAnswers(), `${this.name} is up`)
    if (this.machine === undefined) throw new Error(`${this.name} did not start:\n${this.console()}`)
    this.init = firstChild(machine.pid ?? 0)
    if (systemd) await this.run('systemctl is-system-running --wait')
    if (this.slowness !== null) await this.setSlowness(this.slowness)
  }

  private get consolePath(): string {
    return `${this.directory}/console`
  }

  /** Returns the output of sshd or systemd since the host was made. */
  console(): string {
    return existsSync(this.consolePath) ? readFileSync(this.consolePath, 'utf8') : ''
  }

  /** Whether the host is running; false after a power-off from inside. */
  get isOn(): boolean {
    return this.machine !== undefined
  }

  private sshdAnswers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.address, port: this.port, timeout: 1000 })
      const done = (isAnswer: boolean) => {
        socket.destroy()
        resolve(isAnswer)
      }
      socket.once('data', (data) => done(data.toString('latin1').startsWith('SSH-')))
      for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => done(false))
    })
  }

  /** Powers the host off without closing its connections. Its files remain. */
  async stop(): Promise<void> {
    const { machine } = this
    if (machine !== undefined) {
      await this.linkDown()
      const gone = new Promise((resolve) => machine.once('exit', resolve))
      machine.kill('SIGKILL')
      await gone
    }
    await this.disconnect()
  }

  private async disconnect(): Promise<void> {
    await waitUntil(() => this.init === 0 || hasEnded(this.init), `${this.name} is off`)
    this.init = 0
    await this.removeSlowLink()
    await script(
      'ip link delete $1 2>/dev/null || true; if [ -e /run/netns/$1 ]; then ip netns delete $1; fi',
      this.location.id,
    )
  }

  /** Powers the host off and on, as a power cut does. */
  async reboot(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** With systemd: shuts the host down in order, and waits until it is off. */
  async shutDown(): Promise<void> {
    const { status, stderr } = await this.run('systemctl poweroff --no-block')
    // The host may be off before the command has returned.
    if (status !== 0 && this.isOn && !/Connection reset/.test(stderr)) throw new Error(`${this.name}: ${stderr}`)
    await until(() => !this.isOn, `${this.name} has shut down`, 120)
    await this.disconnect()
  }

  /** Disconnects the host: packets in both directions are lost without notice. */
  async linkDown(): Promise<void> {
    await script('ip link set $1 down', this.location.id)
  }

  /** Connects the host again. */
  async linkUp(): Promise<void> {
    await script('ip link set $1 up', this.location.id)
  }

  /** Makes its link slow and lossy from now on, including existing connections; null: full speed. */
  async setSlowness(slowness: Slowness | null): Promise<void> {
    await this.removeSlowLink()
    this.slowness = slowness
    if (slowness === null) return
    this.slowLink = await SlowLink.between(this.location.id, this.ground.prefix, slowness)
  }

  private async removeSlowLink(): Promise<void> {
    await this.slowLink?.remove()
    this.slowLink = null
  }

  /** Runs a bash command on the host as root, without the network. */
  run(command: string, { input = '', env = {} }: RunOptions = {}): Promise<Ended> {
    if (this.init === 0) throw new Error(`${this.name} is off`)
    const variables = Object.entries({ PATH: hostPath, HOME: '/root', LANG: 'C.UTF-8', ...env })
    const into = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd=/']
    const inside = ['env', '-i', ...variables.map(([key, value]) => `${key}=${value}`), 'bash', '--norc', '-c', command]
    return collectOutput(spawn('nsenter', ['--target', `${this.init}`, ...into, ...inside]), input)
  }

  /** Runs a command on the host through the system's ssh. */
  ssh(command: string, options: SshOptions = {}): Promise<Ended> {
    const { account = 'root', key = this.network.operator, knownHosts = this.network.knownHosts, input = '' } = options
    const known = [`UserKnownHostsFile=${knownHosts}`, 'GlobalKnownHostsFile=none']
    const strict = ['StrictHostKeyChecking=yes', 'BatchMode=yes', 'IdentitiesOnly=yes', 'ConnectTimeout=20']
    const settings = [...known, ...strict].flatMap((setting) => ['-o', setting])
    const words = [
      '-F',
      'none',
      '-i',
      key.file,
      '-p',
      `${this.port}`,
      ...settings,
      `${account}@${this.address}`,
      command,
    ]
    return collectOutput(spawn('ssh', words), input)
  }

  read(path: string): string {
    return readFileSync(`${this.root}${path}`, 'utf8')
  }

  exists(path: string): boolean {
    return existsSync(`${this.root}${path}`)
  }

  write(path: string, content: string, mode?: number): void {
    writeFileWithParents(`${this.root}${path}`, content, mode)
  }

  /** Fills its disk until only `leaveKb` KB are free. */
  async fillDisk(leaveKb = 0): Promise<void> {
    const { blocks, bfree, bsize } = statfsSync(this.disk)
    await script('mount -o remount,size=$2k "$1"', this.disk, `${((blocks - bfree) * bsize) / 1024 + leaveKb}`)
  }

  /** Frees the disk space again. */
  async freeDisk(): Promise<void> {
    await script('mount -o remount,size=$2m "$1"', this.disk, `${this.options.disk ?? defaultDiskMb}`)
  }

  private get disk(): string {
    return `${this.directory}/disk`
  }
}

function firstChild(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] ?? 0)
}

function collectOutput(child: ChildProcess, input: string): Promise<Ended> {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  // A process that does not read its input may exit before the input is written.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...output }))
  })
}
