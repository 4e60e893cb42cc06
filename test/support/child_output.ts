/** Collects the output of a child process in the order in which it arrives, until the process ends. */
import type { ChildProcess } from 'node:child_process'

export interface ChildOutput {
  readonly status: number | null
  /** Standard output and standard error. */
  readonly output: string
}

/** @throws the error of the system if the process cannot start */
export function childOutput(child: ChildProcess): Promise<ChildOutput> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, output }))
  })
}
