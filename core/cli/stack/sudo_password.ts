/** Gets the password for sudo on the hosts: from the environment, or by asking on the terminal. */
import { ConvergeError } from '../../model/errors.ts'

const passwordVariable = 'CONVERGE_SUDO_PASSWORD'

type Prompt = (question: string) => Promise<string>

/**
 * Asks once for all hosts, when the first one requires it.
 * @param prompt null without a terminal
 * @param onPassword called with the password
 */
export function sudoPassword(prompt: Prompt | null, onPassword: (password: string) => void): () => Promise<string> {
  let answer: Promise<string> | undefined
  const get = async () => {
    const password = process.env[passwordVariable]
    if (password) return password
    if (prompt) return prompt('Password for sudo on the hosts: ')
    throw new ConvergeError('sudo on the hosts requires a password, and standard input is not a terminal', {
      code: 'SUDO_REFUSED',
      hint: `run it on a terminal, or set ${passwordVariable}`,
    })
  }
  return async () => {
    answer ??= get()
    const password = await answer
    onPassword(password)
    return password
  }
}
