/** Looks up accounts and groups of a virtual host: in its own files if they were written, otherwise on the host below. */
import { noAccount, noGroup } from '../model/account_errors.ts'
import { parseAccounts, parseGroups } from './accounts.ts'
import type { Account, Group, HostReader, WriteOptions } from './types.ts'
import { systemError } from './virtual_paths.ts'
import type { VirtualTree } from './virtual_tree.ts'

export class VirtualAccounts {
  private parsedAccounts: { text: string; accounts: Account[] } | undefined
  private parsedGroups: { text: string; groups: Group[] } | undefined

  constructor(
    private readonly base: HostReader | undefined,
    private readonly overlay: VirtualTree,
    private readonly self: Account,
  ) {}

  account(name: string): Account | null {
    const below = this.below('/etc/passwd')
    const found = below ? below.account(name) : this.accounts().find((account) => account.name === name)
    return found ?? this.overlay.nullUnlessUnknown()
  }

  accountById(uid: number): Account | null {
    const below = this.below('/etc/passwd')
    return (below ? below.accountById(uid) : this.accounts().find((account) => account.uid === uid)) ?? null
  }

  groupNamed(name: string): Group | null {
    const below = this.below('/etc/group')
    const found = below ? below.groupNamed(name) : this.groups().find((group) => group.name === name)
    return found ?? this.overlay.nullUnlessUnknown()
  }

  groupById(gid: number): Group | null {
    const below = this.below('/etc/group')
    return (below ? below.groupById(gid) : this.groups().find((group) => group.gid === gid)) ?? null
  }

  /** Returns the ids for a file; -1 for one that the options do not name. */
  ids(options: Pick<WriteOptions, 'owner' | 'group'>): [number, number] {
    const uid = options.owner === undefined ? -1 : this.account(options.owner)?.uid
    const gid = options.group === undefined ? -1 : this.groupNamed(options.group)?.gid
    if (uid === undefined) throw noAccount(`${options.owner}`)
    if (gid === undefined) throw noGroup(`${options.group}`)
    if (this.self.uid !== 0 && uid !== -1 && uid !== this.self.uid)
      throw systemError('EPERM', 'chown', options.owner ?? '')
    return [uid, gid]
  }

  /** Returns the host below, unless the file was written here. */
  private below(path: string): HostReader | undefined {
    return this.overlay.isTouched(path) ? undefined : this.base
  }

  private accounts(): Account[] {
    const text = this.read('/etc/passwd')
    if (this.parsedAccounts?.text !== text) this.parsedAccounts = { text, accounts: parseAccounts(text) }
    return this.parsedAccounts.accounts
  }

  private groups(): Group[] {
    const text = this.read('/etc/group')
    if (this.parsedGroups?.text !== text) this.parsedGroups = { text, groups: parseGroups(text) }
    return this.parsedGroups.groups
  }

  private read(path: string): string {
    return this.overlay.readBytes(path)?.toString('utf8') ?? ''
  }
}
