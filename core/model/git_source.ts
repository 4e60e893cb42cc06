/** Decides which addresses and revisions git may get: git, ssh and git's helpers would read others as options or commands. */

const address = /^(\/|file:\/\/\/|(https?|ssh|git):\/\/[^/]|[\w.-]+@[\w.-]+:|[\w.-]{2,}:(?!\/\/|:))/i

/** Matches an address whose account or host git or ssh would read as an option. */
const optionAsHost = /^((ssh|git):\/\/([^/]*@)?|([^/:]*@)?)-/i

/** Returns what is expected instead of this address of a repository; null for a valid one. */
export function expectedRepository(text: string): string | null {
  if (/\p{Cc}/u.test(text)) return 'an address on one line'
  if (!address.test(text))
    return 'the address of a git repository: https://…, ssh://…, user@host:path, or an absolute path'
  return optionAsHost.test(text) ? 'an address whose account and host begin with no dash' : null
}

/** Returns what is expected instead of this revision; null for a valid one. See git-check-ref-format(1). */
export function expectedRevision(text: string): string | null {
  if (!/^[^-\s\p{Cc}~^:?*[\\][^\s\p{Cc}~^:?*[\\]*$/u.test(text))
    return 'a branch, a tag, a full ref (refs/…) or a commit: no dash at its start, no blanks, none of ~^:?*[\\'
  if (/\.\.|@\{|\/\/|(^|\/)\.|^\/|[/.]$|\.lock(\/|$)/.test(text))
    return "a branch, a tag, a full ref (refs/…) or a commit: no '..', '@{' or '//', no part that begins with a dot or ends with .lock, no slash or dot at its end"
  return null
}
