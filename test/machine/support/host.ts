/** One host: switched on and off, cut off, filled up, looked into. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { connect } from 'node:net'
import { soon, until } from '../../support/waiting.ts'
import { imageName, makeCloudImage } from './cloud_image.ts'
import { type Account, put, real, writeAccounts, writeIdentity } from './host_files.ts'
import { type Ground, hasEnded, script } from './host_network.ts'
import { boot, hostPath, makeFiles, plugIn } from './host_scripts.ts'
import { SlowLink, type Slowness } from './slow_link.ts'
import { certify, type Key, newKey } from './ssh_keys.ts'

export interface HostOptions {
  /** Public keys that may log in as root; default: that of the operator. */
  readonly authorized?: readonly string[]
  /** Ordinary accounts, by name. */
  readonly accounts?: Readonly<Record<string, Account>>
  /** Directory of the system that it has; default: that of this machine. */
  readonly system?: string
  /** Port of sshd; default 22. */
  readonly port?: number
  /** More lines of sshd_config(5); they come first, and the first one counts. */
  readonly sshd?: readonly string[]
  /** Signs the host's key. */
  readonly hostAuthority?: Key
  /** Node of the machine at /usr/local/bin/node; default: none, as on most hosts. */
  readonly node?: 'none' | 'own'
  /** Paths of the machine that this host doesn't have, such as /usr/bin/git. */
  readonly without?: readonly string[]
  /** Directories that are shared with other hosts, as a mount would do it: path on the host → directory of the machine. */
  readonly mounts?: Readonly<Record<string, string>>
  /** Room for all that is written there, /tmp as well, in MB; default 4096. Memory is taken as it is filled. */
  readonly disk?: number
  /** With systemd: units that start with the host; sshd does anyway. Default: cron. */
  readonly enabled?: readonly string[]
  /** Default: the next one of the network. */
  readonly address?: string
  /** With systemd: it comes from a cloud's image, with this user data; who may log in, and at which port, is said there. */
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

/** What the hosts of a network share. */
interface Surroundings {
  readonly operator: Key
  readonly knownHosts: string
}

/** MB. */
const usualDisk = 4096

export interface Place {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly systemd: boolean
  /** Layers below its own files, as overlay(5) takes them. */
  readonly lower: string
}

export class TestHost {
  readonly name: string
  readonly address: string
  readonly port: number
  /** Its files as seen from outside, also while it is off. */
  readonly root: string
  /** Type and key, as in known_hosts. */
  hostKey = ''
  private init = 0
  private machine: ChildProcess | undefined
  private wire: SlowLink | null = null
  private slowness: Slowness | null = null
  private readonly directory: string

  constructor(
    private readonly network: Surroundings,
    private readonly ground: Ground,
    private readonly place: Place,
    private readonly options: HostOptions,
  ) {
    this.name = place.name
    this.address = place.address
    this.port = options.port ?? 22
    this.directory = `${ground.directory}/${place.id}`
    this.root = `${this.directory}/root`
  }

  /** Its files; once. */
  async make(): Promise<void> {
    const { accounts = {}, authorized, disk = usualDisk, without = [], enabled = ['cron'], mounts = {} } = this.options
    const { userData } = this.options
    await script(makeFiles, this.directory, ...real(without), this.place.lower, `${disk}`)
    for (const [path, directory] of Object.entries(mounts))
      await script('mkdir -p "$1"; mount --bind "$2" "$1"', `${this.root}${path}`, directory)
    writeIdentity(this.root, { name: this.born, address: this.address, machineId: randomUUID().replaceAll('-', '') })
    writeAccounts(this.root, accounts, this.network.operator.line, userData === undefined ? authorized : [])
    if (userData === undefined) {
      await this.newHostKey()
      put(`${this.root}/etc/ssh/sshd_config`, `${this.sshdConfig().join('\n')}\n`)
    } else await makeCloudImage(this.root, userData)
    if (!this.place.systemd) return
    const wanted = ['ssh', ...enabled].map((unit) => (unit.includes('.') ? unit : `${unit}.service`))
    await script('cd "$1"; shift; for unit; do ln -sf /lib/systemd/system/$unit; done', this.wants, ...wanted)
  }

  /** The name it has before cloud-init gives it one. */
  private get born(): string {
    return this.options.userData === undefined ? this.name : imageName
  }

  private get wants(): string {
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
      // With systemd a login is a session of its own, as on any server.
      `UsePAM ${this.place.systemd ? 'yes' : 'no'}`,
      'UseDNS no',
      'PrintMotd no',
      'Subsystem sftp internal-sftp',
    ]
  }

  /** Takes another host key, as one that was installed anew does; the network's known_hosts keeps the first one. */
  async newHostKey(): Promise<void> {
    const running = this.machine !== undefined
    if (running) await this.stop()
    for (const end of ['', '.pub', '-cert.pub']) rmSync(`${this.root}/etc/ssh/host_key${end}`, { force: true })
    const { hostAuthority } = this.options
    const key = await newKey(`${this.root}/etc/ssh/host_key`)
    if (this.hostKey === '') appendFileSync(this.network.knownHosts, `${this.known} ${key.line}\n`)
    this.hostKey = key.line
    if (hostAuthority !== undefined)
      await certify(hostAuthority, `${key.file}.pub`, { of: 'host', principals: [this.address, this.name] })
    if (running) await this.start()
  }

  /** How known_hosts names it. */
  get known(): string {
    return this.port === 22 ? this.address : `[${this.address}]:${this.port}`
  }

  /** Switches it on; sshd answers when this is done, and with systemd all that starts with the host has started. */
  async start(): Promise<void> {
    if (this.machine !== undefined) throw new Error(`${this.name} is on`)
    const { id, systemd } = this.place
    const { prefix, subnet } = this.ground
    // The same at each start: who talked to it before would look for the old one for a while.
    const hardware = ['02', ...this.address.split('.').map((part) => Number(part).toString(16).padStart(2, '0')), '02']
    await script(plugIn, id, prefix, `${this.address}/24`, `${subnet}.1`, hardware.join(':'))
    const log = openSync(this.consolePath, 'a')
    const node = this.options.node === 'own' ? process.execPath : ''
    const words = [boot, 'bash', this.directory, id, this.born, systemd ? 'systemd' : 'sshd', node]
    // What is left of a killed test runs no longer than that.
    const machine = spawn('setpriv', ['--pdeathsig', 'KILL', 'bash', '-c', ...words], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.machine = machine
    machine.once('exit', () => {
      if (this.machine === machine) this.machine = undefined
    })
    await soon(() => this.machine === undefined || this.greets(), `${this.name} is up`)
    if (this.machine === undefined) throw new Error(`${this.name} did not start:\n${this.console()}`)
    this.init = firstChild(machine.pid ?? 0)
    if (systemd) await this.run('systemctl is-system-running --wait')
    if (this.slowness !== null) await this.slow(this.slowness)
  }

  private get consolePath(): string {
    return `${this.directory}/console`
  }

  /** What sshd, or systemd, said since the host was made. */
  console(): string {
    return existsSync(this.consolePath) ? readFileSync(this.consolePath, 'utf8') : ''
  }

  /** Whether it is switched on; one that was told to power off within isn't. */
  get on(): boolean {
    return this.machine !== undefined
  }

  private greets(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.address, port: this.port, timeout: 1000 })
      const done = (so: boolean) => {
        socket.destroy()
        resolve(so)
      }
      socket.once('data', (data) => done(data.toString('latin1').startsWith('SSH-')))
      for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => done(false))
    })
  }

  /** Pulls the plug: nobody who is connected to it hears of that. Its files stay. */
  async stop(): Promise<void> {
    const { machine } = this
    if (machine !== undefined) {
      await this.linkDown()
      const gone = new Promise((resolve) => machine.once('exit', resolve))
      machine.kill('SIGKILL')
      await gone
    }
    await this.unplug()
  }

  private async unplug(): Promise<void> {
    await soon(() => this.init === 0 || hasEnded(this.init), `${this.name} is off`)
    this.init = 0
    await this.fast()
    await script(
      'ip link delete $1 2>/dev/null || true; if [ -e /run/netns/$1 ]; then ip netns delete $1; fi',
      this.place.id,
    )
  }

  /** Off and on again, as by a power cut. */
  async reboot(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** With systemd: has it end all that runs there in order; it is off when this is done. */
  async shutDown(): Promise<void> {
    const { status, stderr } = await this.run('systemctl poweroff --no-block')
    // It may be gone before it has answered.
    if (status !== 0 && this.on && !/Connection reset/.test(stderr)) throw new Error(`${this.name}: ${stderr}`)
    await until(() => !this.on, `${this.name} has shut down`, 120)
    await this.unplug()
  }

  /** Cuts it off: packets both ways are lost, and nobody is told. */
  async linkDown(): Promise<void> {
    await script('ip link set $1 down', this.place.id)
  }

  async linkUp(): Promise<void> {
    await script('ip link set $1 up', this.place.id)
  }

  /** Makes its link slow and lossy from now on, also for connections there are; null: as fast as before. */
  async slow(slowness: Slowness | null): Promise<void> {
    await this.fast()
    this.slowness = slowness
    if (slowness === null) return
    this.wire = await SlowLink.between(this.place.id, this.ground.prefix, slowness)
  }

  private async fast(): Promise<void> {
    await this.wire?.remove()
    this.wire = null
  }

  /** Runs a command of bash there as root, not by way of the network. */
  run(command: string, { input = '', env = {} }: RunOptions = {}): Promise<Ended> {
    if (this.init === 0) throw new Error(`${this.name} is off`)
    const variables = Object.entries({ PATH: hostPath, HOME: '/root', LANG: 'C.UTF-8', ...env })
    const into = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd=/']
    const inside = ['env', '-i', ...variables.map(([key, value]) => `${key}=${value}`), 'bash', '--norc', '-c', command]
    return ended(spawn('nsenter', ['--target', `${this.init}`, ...into, ...inside]), input)
  }

  /** Runs a command there by the machine's own ssh. */
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
    return ended(spawn('ssh', words), input)
  }

  read(path: string): string {
    return readFileSync(`${this.root}${path}`, 'utf8')
  }

  exists(path: string): boolean {
    return existsSync(`${this.root}${path}`)
  }

  write(path: string, content: string, mode?: number): void {
    put(`${this.root}${path}`, content, mode)
  }

  /** Leaves no room on its disk for more than so many KB. */
  async fillDisk(leaveKb = 0): Promise<void> {
    const { blocks, bfree, bsize } = statfsSync(this.disk)
    await script('mount -o remount,size=$2k "$1"', this.disk, `${((blocks - bfree) * bsize) / 1024 + leaveKb}`)
  }

  /** As much room as the host began with. */
  async freeDisk(): Promise<void> {
    await script('mount -o remount,size=$2m "$1"', this.disk, `${this.options.disk ?? usualDisk}`)
  }

  private get disk(): string {
    return `${this.directory}/disk`
  }
}

function firstChild(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] ?? 0)
}

function ended(child: ChildProcess, input: string): Promise<Ended> {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  // Who doesn't read its input ends without it.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...output }))
  })
}
