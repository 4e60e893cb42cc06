/** Asks the operator for passphrases and the password for sudo, without echo. */
import { closeSync, openSync } from 'node:fs'
import * as tty from 'node:tty'
import { ConvergeError } from '../../model/errors.ts'

/** Asks one question at a time, also if several hosts ask at the same time. */
export class Prompter {
  private lastAnswer: Promise<unknown> = Promise.resolve()

  /** @param screen pauses and resumes drawing on the terminal around a question */
  constructor(private readonly screen: { pause(): void; resume(): void }) {}

  /** @throws if there is no terminal, or if the operator cancels */
  readonly ask = (question: string): Promise<string> => {
    const answer = this.lastAnswer.then(async () => {
      this.screen.pause()
      try {
        return await askHidden(question)
      } finally {
        this.screen.resume()
      }
    })
    this.lastAnswer = answer.catch(() => undefined)
    return answer
  }
}

/** Decides whether the process has a terminal for questions, even if standard input is a pipe. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'))
    return true
  } catch {
    return false
  }
}

function askHidden(question: string): Promise<string> {
  const fd = openSync('/dev/tty', 'r+')
  const input = new tty.ReadStream(fd)
  const output = new tty.WriteStream(fd)
  return new Promise<string>((resolve, reject) => {
    let text = ''
    const end = (settle: () => void) => {
      input.setRawMode(false)
      output.write('\n')
      input.destroy()
      settle()
    }
    input.setRawMode(true)
    input.setEncoding('utf8')
    output.write(question)
    input.on('data', (data: string) => {
      for (const letter of data) {
        if (letter === '\r' || letter === '\n') return end(() => resolve(text))
        if (letter === '\u0003' || letter === '\u0004') return end(() => reject(inputEnded()))
        if (letter === '\u007f' || letter === '\b') text = text.slice(0, -1)
        else if (letter >= ' ') text += letter
      }
    })
    input.on('error', (error) => end(() => reject(error)))
  })
}

function inputEnded(): ConvergeError {
  return new ConvergeError('nothing was answered', { code: 'NO_ANSWER', usage: true })
}
