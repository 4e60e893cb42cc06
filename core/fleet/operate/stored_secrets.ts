/** Reads the secrets of earlier runs, which a host stores with their input, so that an operator's command hides them. */
import type { HostConnection } from '../remote/host_connection.ts'
import { untilAborted } from './command.ts'

/** Characters; and how many texts count. A host decides what it sends, and each text takes a search of every line. */
const longest = 4 * 1024 * 1024
const mostTexts = 1000

/**
 * Prints the secrets of each input, the newest first, with a zero byte after each.
 * $1 directory of the fleet's own files, $2 limit in bytes
 */
const storedSecretsScript = `
ls -1t "$1/inputs" 2>/dev/null | while IFS= read -r name; do
  file=$1/inputs/$name/secrets.json
  if [ -f "$file" ] && [ ! -L "$file" ] && [ -r "$file" ]; then cat -- "$file"; printf '\\0'; fi
done | head -c "$2"
`

/**
 * Returns the texts that the runs of the last month masked; none if the account of the login may not read them.
 * @param interrupt ends the wait for the host
 * @throws CONNECT_FAILED and the like, SUDO_REFUSED, INTERRUPTED
 */
export async function storedSecrets(link: HostConnection, interrupt: AbortSignal): Promise<readonly string[]> {
  const output = await untilAborted(link.runForOutput(storedSecretsScript, [link.state, `${longest}`]), interrupt)
  return [...new Set(output.split('\0').flatMap(textsOf))].slice(0, mostTexts)
}

/** Returns the texts of one file; none for a file that the limit has cut, or that is damaged. */
function textsOf(json: string): string[] {
  try {
    const texts: unknown = JSON.parse(json)
    return Array.isArray(texts) ? texts.filter((text) => typeof text === 'string') : []
  } catch {
    return []
  }
}
