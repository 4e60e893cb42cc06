/** Reads the accounts and groups of this host, again whenever their files have changed. */
import * as fs from 'node:fs'
import { noAccount, noGroup } from '../model/account_errors.ts'
import { parseAccounts, parseGroups } from './accounts.ts'
import { undefinedIfMissing, unlessMissing } from './local_files.ts'
import type { Rights } from './safe_paths.ts'
import type { Account, Group } from './types.ts'

/** For an account that passwd does not know. */
const nogroup = 65_534

export class LocalAccounts {
  private accounts: Map<string | number, Account> | undefined
  private groups: Map<string | number, Group> | undefined

  account(key: string | number): Account | null {
    return this.allAccounts().get(key) ?? null
  }

  group(key: string | number): Group | null {
    return this.allGroups().get(key) ?? null
  }

  /** A command was run that may have made one. */
  mayHaveChanged(): void {
    this.lastRefresh = 0
  }

  /** @param gid the group it acts as; default: its own */
  rightsOf(uid: number, gid?: number): Rights {
    const account = this.account(uid)
    const primaryGid = account?.gid ?? gid ?? nogroup
    const others = account === null ? [] : [...new Set(this.allGroups().values())]
    const groups = others.filter(({ members }) => members.includes(account?.name ?? '')).map((group) => group.gid)
    return { uid, gid: gid ?? primaryGid, groups: [...new Set([primaryGid, ...groups])] }
  }

  /** The numbers of an owner and a group; -1 for what is not given, as chown(2) takes it. */
  ids(owner: string | undefined, group: string | undefined): [number, number] {
    const uid = owner === undefined ? -1 : this.account(owner)?.uid
    const gid = group === undefined ? -1 : this.group(group)?.gid
    if (uid === undefined) throw noAccount(`${owner}`)
    if (gid === undefined) throw noGroup(`${group}`)
    return [uid, gid]
  }

  private passwdStamp = ''

  private refreshAccounts(): void {
    const stat = (path: string) => unlessMissing(() => fs.statSync(path, undefinedIfMissing))
    const [passwd, group] = [stat('/etc/passwd'), stat('/etc/group')]
    const stamp = `${passwd?.ino} ${passwd?.mtimeMs} ${passwd?.size} ${group?.ino} ${group?.mtimeMs} ${group?.size}`
    if (stamp === this.passwdStamp) return
    this.passwdStamp = stamp
    this.accounts = new Map()
    this.groups = new Map()
    for (const account of parseAccounts(textOf('/etc/passwd')).reverse())
      this.accounts.set(account.name, account).set(account.uid, account)
    for (const entry of parseGroups(textOf('/etc/group')).reverse())
      this.groups.set(entry.name, entry).set(entry.gid, entry)
  }

  private lastRefresh = 0

  private allAccounts(): Map<string | number, Account> {
    this.refreshSometimes()
    return this.accounts ?? new Map()
  }

  private allGroups(): Map<string | number, Group> {
    this.refreshSometimes()
    return this.groups ?? new Map()
  }

  /** Two stat calls for each name would double the cost of a file; between changes of this run 50 ms old is fresh. */
  private refreshSometimes(): void {
    const now = performance.now()
    if (this.accounts !== undefined && now - this.lastRefresh < 50) return
    this.lastRefresh = now
    this.refreshAccounts()
  }
}

function textOf(path: string): string {
  return unlessMissing(() => fs.readFileSync(path, 'utf8')) ?? ''
}
