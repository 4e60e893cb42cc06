/**
 * Makes test hosts on this computer: each with its own addresses, files, accounts, processes and an sshd; with or
 * without systemd. They have the local packages, but not the local data.
 *
 *     const network = await testNetwork(t)
 *     const host = await network.host('plone1', { accounts: { deployer: { sudo: 'free' } } })
 */
import pLimit from 'p-limit'
import type { Need, Owner } from '../../support/machine.ts'
import { type HostOptions, TestHost } from './host.ts'
import { commonLayer, writeFileWithParents } from './host_files.ts'
import { claimNetwork, type NetworkClaim } from './host_network.ts'
import { type Key, newKey } from './ssh_keys.ts'

export type { Ended, HostOptions, TestHost } from './host.ts'
export { certify, type Key, newKey } from './ssh_keys.ts'

/** The requirements of such hosts. */
export const hostNeeds: readonly Need[] = ['root', 'tmpfs', 'overlay', 'sshd', 'network namespaces']
export const systemdHostNeeds: readonly Need[] = [...hostNeeds, 'systemd']

/** Makes a network without hosts. The end of the test removes it with its hosts. */
export async function testNetwork(t: Owner): Promise<TestNetwork> {
  const ground = await claimNetwork()
  const hosts: TestHost[] = []
  t.teardown(async () => {
    await Promise.all(hosts.map((host) => host.stop()))
    await ground.clear()
  })
  const [lower, operator] = await Promise.all([commonLayer(ground.directory), newKey(`${ground.directory}/operator`)])
  return new TestNetwork(ground, lower, operator, hosts)
}

export class TestNetwork {
  private next = 2

  constructor(
    private readonly ground: NetworkClaim,
    private readonly lower: string,
    /** The key that may log in on every host, unless a host's options exclude it. */
    readonly operator: Key,
    readonly hosts: TestHost[],
  ) {
    writeFileWithParents(this.knownHosts, '')
  }

  /** Address of the operator's end, which is this computer. */
  get gateway(): string {
    return `${this.ground.subnet}.1`
  }

  /** A file with the keys of all hosts, in the format of known_hosts. */
  get knownHosts(): string {
    return `${this.ground.directory}/known_hosts`
  }

  /** A directory for files of the test. */
  get directory(): string {
    return this.ground.directory
  }

  /** Returns an unused address of this network. */
  freeAddress(): string {
    return `${this.ground.subnet}.${this.next++}`
  }

  /** Makes a host with nothing but an sshd, and waits until it is up. */
  host(name: string, options: HostOptions = {}): Promise<TestHost> {
    return this.createHost(name, options, false)
  }

  /** Makes a host with systemd, and waits until it has booted. */
  systemdHost(name: string, options: HostOptions = {}): Promise<TestHost> {
    return this.createHost(name, options, true)
  }

  /** Makes `count` hosts, `NAME1`, `NAME2`, …; 100 take some seconds and 600 MB. */
  many(name: string, count: number, options: HostOptions = {}): Promise<TestHost[]> {
    const limit = pLimit(8)
    return limit.map(Array.from({ length: count }), (_, index) => this.host(`${name}${index + 1}`, options))
  }

  private async createHost(name: string, options: HostOptions, systemd: boolean): Promise<TestHost> {
    const address = options.address ?? this.freeAddress()
    const id = `${this.ground.prefix}-${address.split('.')[3]}`
    const lower = options.system ?? `${this.lower}:/`
    const host = new TestHost(this, this.ground, { id, name, address, systemd, lower }, options)
    this.hosts.push(host)
    await host.make()
    await host.start()
    return host
  }
}
