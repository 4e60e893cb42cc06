/** Makes a network link slow and lossy. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { script } from './host_network.ts'

export interface Slowness {
  /** Delay in one direction; a round trip takes twice as long. */
  readonly delayMs: number
  /** Packet loss in each direction; default 0. */
  readonly lossPercent?: number
}

const relay = fileURLToPath(new URL('slow_link.py', import.meta.url))

/** $1: the link, $2: the bridge. Moves the link to a bridge of its own, and joins the two bridges by a wire. */
const throughWire = `
ip link add $1b type bridge
ip link set $1b up
ip link set $1i master $2 up
ip link set $1o master $1b up
ip link set $1 master $1b
`

export class SlowLink {
  private constructor(
    private readonly link: string,
    private readonly bridge: string,
    private readonly wire: ChildProcess,
  ) {}

  /** Puts a wire between a link and its bridge; existing connections continue over it. */
  static async between(link: string, bridge: string, { delayMs, lossPercent = 0 }: Slowness): Promise<SlowLink> {
    const words = [`${link}i`, `${link}o`, `${delayMs}`, `${lossPercent}`, '1']
    const wire = spawn('setpriv', ['--pdeathsig', 'KILL', 'python3', relay, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve, reject) => {
      wire.stdout.once('data', resolve)
      wire.once('error', reject)
      wire.once('exit', () => reject(new Error('the slow link ended')))
    })
    await script(throughWire, link, bridge)
    return new SlowLink(link, bridge, wire)
  }

  /** Reconnects the link to the original bridge. */
  async remove(): Promise<void> {
    await script('if [ -e /sys/class/net/$1 ]; then ip link set $1 master $2; fi', this.link, this.bridge)
    const gone = new Promise((resolve) => this.wire.once('exit', resolve))
    this.wire.kill('SIGKILL')
    await gone
    await script('ip link delete $1b', this.link)
  }
}
