#!/usr/bin/env node
/**
 * Asks the npm registry for known vulnerabilities of what the program runs with.
 *
 * Exit status 1: there are some, from `high` up. Where the registry cannot be asked, the last line says so.
 */
import { spawnSync } from 'node:child_process'

const { status, stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json', ...process.argv.slice(2)], {
  encoding: 'utf8',
  timeout: 120_000,
})
const { vulnerabilities, message = error?.message ?? `npm audit ended with status ${status}` } = parsed(stdout)
if (vulnerabilities === undefined) {
  console.log(`audit: not checked: ${message}`)
} else {
  const found = Object.values(vulnerabilities)
  for (const { name, severity, range } of found) console.log(`audit: ${name} ${range}: ${severity}`)
  const grave = found.filter(({ severity }) => severity === 'high' || severity === 'critical')
  console.log(`audit: ${found.length} vulnerable packages, ${grave.length} of them high or critical`)
  process.exitCode = grave.length > 0 ? 1 : 0
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
