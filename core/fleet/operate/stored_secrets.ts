/** Reads from a host the secrets of its earlier runs, so that the output of an operator's command can be masked. */
import type { HostConnection } from '../remote/host_connection.ts'
import { untilAborted } from './command.ts'

/** Limit of what is read, in bytes: a host decides what it sends. */
const maxBytes = 4 * 1024 * 1024
/** Texts that are used: every line of output is searched for each. */
const maxTexts = 1000

/**
 * Prints the file of secrets of each stored input, the newest first, with a zero byte after each.
 * $1 directory of the fleet's own files, $2 limit in bytes
 */
const storedSecretsScript = `
ls -1t "$1/inputs" 2>/dev/null | while IFS= read -r name; do
  file=$1/inputs/$name/secrets.json
  if [ -f "$file" ] && [ ! -L "$file" ] && [ -r "$file" ]; then cat -- "$file"; printf '\\0'; fi
done | head -c "$2"
`

/**
 * Returns the secrets of the runs whose input the host still stores; none if the account of the login may not read them.
 * @param interrupt ends the wait for the host
 * @throws CONNECT_FAILED and the like, SUDO_REFUSED, INTERRUPTED
 */
export async function storedSecrets(connection: HostConnection, interrupt: AbortSignal): Promise<readonly string[]> {
  const output = await untilAborted(
    connection.runForOutput(storedSecretsScript, [connection.state, `${maxBytes}`]),
    interrupt,
  )
  return [...new Set(output.split('\0').flatMap(textsOf))].slice(0, maxTexts)
}

/** Returns the texts of one file; none for a file that is damaged, or incomplete because of `maxBytes`. */
function textsOf(json: string): string[] {
  try {
    const texts: unknown = JSON.parse(json)
    return Array.isArray(texts) ? texts.filter((text) => typeof text === 'string') : []
  } catch {
    return []
  }
}
