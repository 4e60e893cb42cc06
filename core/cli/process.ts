/** Defines the exit status of a command, and decides whether its output has colours. */

/**
 * 0 nothing to do or all done, 1 failed, 2 wrong usage or invalid input, 3 changed (with --detailed-exit-code);
 * `stack ssh` returns the status of ssh.
 */
export type ExitStatus = number

export function useColor(stream: NodeJS.WriteStream): boolean {
  if (process.env.NO_COLOR) return false
  return process.env.FORCE_COLOR
    ? process.env.FORCE_COLOR !== '0'
    : stream.isTTY === true && process.env.TERM !== 'dumb'
}
