/** Runs `converge resources`: lists the resource types, or the properties of one. */

import picocolors from 'picocolors'
import { ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { describeResource } from '../report/reference.ts'
import type { Catalogue } from './catalogue.ts'
import type { Arguments } from './options.ts'
import { print, printJson } from './print.ts'
import { type ExitStatus, useColor } from './process.ts'

export async function resources<N>(args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const all = await catalogue.resources()
  const names = Object.keys(all).sort()
  const paint = picocolors.createColors(args.color ?? useColor(process.stdout))
  if (args.name === undefined) {
    const rows = names.map((name) => ({ name, doc: all[name]?.doc ?? '' }))
    if (args.jsonOutput) printJson({ resources: rows }, 2)
    else for (const { name, doc } of rows) print(`${paint.bold(name.padEnd(20))} ${doc}\n`, true)
    return 0
  }
  const definition = Object.hasOwn(all, args.name) ? all[args.name] : undefined
  if (!definition)
    throw new ConvergeError(`there is no resource type ${args.name}`, {
      code: 'UNKNOWN_TYPE',
      hint: nearest(args.name, names) ?? `there are: ${names.join(', ')}`,
      usage: true,
    })
  const { doc, mirrors, props, examples, outputs } = describeResource(definition)
  if (args.jsonOutput) {
    printJson({ type: args.name, doc, mirrors, props, examples, outputs }, 2)
    return 0
  }
  const lines = [paint.bold(args.name), doc, ...(mirrors ? [`Mirrors: ${mirrors}`] : []), '', paint.bold('Props')]
  for (const prop of props) lines.push(`  ${prop.name}${prop.required ? '' : '?'}: ${prop.type}`, `      ${prop.doc}`)
  lines.push(
    '',
    'Every resource also takes: when, onlyIf, notIf, retries, retryDelay, timeout, ignoreFailure, sensitive, after.',
    '',
    paint.bold('Examples'),
  )
  for (const example of examples) lines.push(`  ${args.name}(r, ${example})`)
  print(`${lines.join('\n')}\n`, true)
  return 0
}
