/** Installs moto, a stand-in for the services of AWS. */
import { execFileSync } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'

/** Returns the directory of moto from PyPI: installed once, outside of /tmp, which a copy of the system hides. */
export function motoDirectory(): string {
  const directory = `/var/tmp/converge-test-moto-${process.getuid?.() ?? 0}`
  if (existsSync(directory)) return directory
  const scratch = `${directory}.${process.pid}`
  execFileSync('/usr/bin/python3', ['-m', 'pip', 'install', '-q', '--target', scratch, 'moto[s3,server]==5.2.5'])
  renameSync(scratch, directory)
  return directory
}
