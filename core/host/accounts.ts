/** Parses the passwd(5) and group(5) formats. */
import type { Account, Group } from './types.ts'

export function parseAccounts(text: string): Account[] {
  return rows(text, 7).map(([name = '', , uid, gid, , home = '', shell = '']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    shell,
  }))
}

export function parseGroups(text: string): Group[] {
  return rows(text, 4).map(([name = '', , gid, members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter((member) => member !== ''),
  }))
}

function rows(text: string, fields: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((row) => row.length >= fields && row[0] !== '' && !row[0]?.startsWith('#'))
}
