/** Creates and updates the accounts of people who log in by a provider; their levels follow their groups at each login. */
import type { OidcSettings } from '../settings.ts'
import type { Database } from '../storage/database.ts'
import type { Accounts } from './accounts.ts'
import { includesLevel, type Level } from './levels.ts'
import { LoginFailure, type Person } from './provider.ts'

export const accountNamePattern = /^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/

export interface Permissions {
  readonly isAdmin: boolean
  /** By stack. */
  readonly levels: Readonly<Record<string, Level>>
}

export class ProviderAccounts {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly now: () => Date,
  ) {}

  /**
   * Returns the name of the account of a person. A person is known by its identifier at the provider, never by its name.
   * @throws LoginFailure if the name cannot be used, or belongs to another account
   */
  logIn(person: Person, settings: OidcSettings): { readonly name: string; readonly permissions: Permissions } {
    const permissions = permissionsOf(groupsOf(person, settings), settings)
    const { issuer, subject } = person
    return this.database.transaction(() => {
      const known = this.database.one<{ name: string }>(
        'SELECT name FROM accounts WHERE issuer = ? AND subject = ?',
        issuer,
        subject,
      )
      const name = known?.name ?? this.create(person, settings)
      this.database.run('UPDATE accounts SET is_admin = ? WHERE name = ?', permissions.isAdmin ? 1 : 0, name)
      this.database.run('DELETE FROM levels WHERE account = ?', name)
      for (const [stack, level] of Object.entries(permissions.levels)) this.accounts.setLevel(name, stack, level)
      return { name, permissions }
    })
  }

  private create(person: Person, settings: OidcSettings): string {
    const name = nameOf(person, settings)
    const owner = this.accounts.find(name)
    if (owner !== undefined) {
      const whose = owner.isExternal ? 'another person of the provider' : 'an account with a password'
      throw new LoginFailure(
        `the name ${owner.name} belongs to ${whose}: an administrator must remove that account first`,
      )
    }
    this.accounts.endFirstInvitations()
    this.database.run(
      'INSERT INTO accounts (name, password, is_admin, created, issuer, subject) VALUES (?, ?, 0, ?, ?, ?)',
      // No password has this digest.
      name,
      'none',
      this.now().toISOString(),
      person.issuer,
      person.subject,
    )
    return name
  }
}

/** @throws LoginFailure */
function nameOf({ claims }: Person, { account_claim }: OidcSettings): string {
  const name = claims[account_claim]
  if (typeof name !== 'string' || name === '')
    throw new LoginFailure(`the provider sent no claim ${account_claim} with the name of the account`)
  if (account_claim === 'email' && claims.email_verified !== true)
    throw new LoginFailure('the provider has not verified the e-mail address that would be the name of the account')
  if (!accountNamePattern.test(name))
    throw new LoginFailure(
      `invalid account name in the claim ${account_claim}: expected letters, digits and . _ @ -, at most 64`,
    )
  return name
}

/** Returns the groups of a person: a list of texts, or one text. Anything else counts as no group. */
function groupsOf({ claims }: Person, { groups_claim }: OidcSettings): readonly string[] {
  const groups = claims[groups_claim]
  return (Array.isArray(groups) ? groups : [groups]).filter((one) => typeof one === 'string')
}

/** Computes the permissions of groups: the highest level that one of them has for each stack. */
export function permissionsOf(groups: readonly string[], { administrators, levels }: OidcSettings): Permissions {
  const found = new Map<string, Level>()
  for (const [group, granted] of Object.entries(levels))
    if (groups.includes(group))
      for (const [stack, level] of Object.entries(granted))
        if (includesLevel(level, found.get(stack) ?? 'deny')) found.set(stack, level)
  return { isAdmin: groups.some((one) => administrators.includes(one)), levels: Object.fromEntries(found) }
}
