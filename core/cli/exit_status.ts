/** Defines the exit status of a command. */

/**
 * 0 nothing to do or all done, 1 failed, 2 wrong usage or invalid input, 3 changed (with --detailed-exit-code);
 * `stack ssh` returns the status of ssh.
 */
export type ExitStatus = number
