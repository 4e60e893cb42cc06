/** Reads the accounts and groups of this host, again whenever their files have changed. */
import * as fs from 'node:fs'
import { noAccount, noGroup } from '../model/account_errors.ts'
import { parseAccounts, parseGroups } from './accounts.ts'
import { undefinedIfMissing, unlessMissing } from './local_files.ts'
import type { Rights } from './safe_paths.ts'
import type { Account, Group } from './types.ts'

/** Group of an account that /etc/passwd lacks. */
const nogroup = 65_534

export class LocalAccounts {
  private accounts: Map<string | number, Account> | undefined
  private groups: Map<string | number, Group> | undefined
  private filesStamp = ''
  private lastRefresh = 0

  account(key: string | number): Account | null {
    return this.allAccounts().get(key) ?? null
  }

  group(key: string | number): Group | null {
    return this.allGroups().get(key) ?? null
  }

  /** Reads the files again at the next look-up: a command may have created an account or a group. */
  invalidate(): void {
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

  /** Returns the numbers of an owner and a group for chown(2): -1 leaves one unchanged. */
  ids(owner: string | undefined, group: string | undefined): [number, number] {
    const uid = owner === undefined ? -1 : this.account(owner)?.uid
    const gid = group === undefined ? -1 : this.group(group)?.gid
    if (uid === undefined) throw noAccount(`${owner}`)
    if (gid === undefined) throw noGroup(`${group}`)
    return [uid, gid]
  }

  private refreshAccounts(): void {
    const stat = (path: string) => unlessMissing(() => fs.statSync(path, undefinedIfMissing))
    const [passwd, group] = [stat('/etc/passwd'), stat('/etc/group')]
    const stamp = `${passwd?.ino} ${passwd?.mtimeMs} ${passwd?.size} ${group?.ino} ${group?.mtimeMs} ${group?.size}`
    if (stamp === this.filesStamp) return
    this.filesStamp = stamp
    this.accounts = new Map()
    this.groups = new Map()
    for (const account of parseAccounts(textOf('/etc/passwd')).reverse())
      this.accounts.set(account.name, account).set(account.uid, account)
    for (const entry of parseGroups(textOf('/etc/group')).reverse())
      this.groups.set(entry.name, entry).set(entry.gid, entry)
  }

  private allAccounts(): Map<string | number, Account> {
    this.refreshIfDue()
    return this.accounts ?? new Map()
  }

  private allGroups(): Map<string | number, Group> {
    this.refreshIfDue()
    return this.groups ?? new Map()
  }

  /** Compares the files with the last read, at most every 50 ms: two stat calls for each name would double the cost of a file. */
  private refreshIfDue(): void {
    const now = performance.now()
    if (this.accounts !== undefined && now - this.lastRefresh < 50) return
    this.lastRefresh = now
    this.refreshAccounts()
  }
}

function textOf(path: string): string {
  return unlessMissing(() => fs.readFileSync(path, 'utf8')) ?? ''
}
