/** Runs `converge resources`: lists the resource types, or the properties of one. */
import picocolors from 'picocolors'
import { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { AnyDefinition } from '../../model/resource.ts'
import { describeResource } from '../../report/reference.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print, printJson, useColor } from '../print.ts'

export async function resources<N>(args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const all = await catalogue.resources()
  const names = Object.keys(all).sort()
  const paint = picocolors.createColors(args.color ?? useColor(process.stdout))
  if (args.argument === undefined) {
    const rows = names.map((name) => ({ name, doc: all[name]?.doc ?? '' }))
    if (args.jsonOutput) printJson({ resources: rows }, 2)
    else for (const { name, doc } of rows) print(`${paint.bold(name.padEnd(20))} ${doc}\n`, true)
    return 0
  }
  const definition = findDefinition(all, args.argument)
  if (!definition)
    throw new ConvergeError(`unknown resource type ${args.argument}`, {
      code: 'UNKNOWN_TYPE',
      hint: nearest(args.argument, names) ?? `there are: ${names.join(', ')}`,
      usage: true,
    })
  const { type } = definition
  const { functionName, doc, mirrors, props, examples, outputs } = describeResource(definition)
  if (args.jsonOutput) {
    printJson({ type, function: functionName, doc, mirrors, props, examples, outputs }, 2)
    return 0
  }
  const lines = [paint.bold(type), doc, ...(mirrors ? [`Mirrors: ${mirrors}`] : []), '', paint.bold('Props')]
  for (const prop of props) lines.push(`  ${prop.name}${prop.required ? '' : '?'}: ${prop.type}`, `      ${prop.doc}`)
  lines.push(
    '',
    'Every resource also takes: when, onlyIf, notIf, retries, retryDelay, timeout, ignoreFailure, sensitive, after.',
    '',
    paint.bold('Examples'),
  )
  for (const example of examples) lines.push(`  ${functionName}(r, ${example})`)
  print(`${lines.join('\n')}\n`, true)
  return 0
}

/** @param name of a type, or of the function that recipes call */
function findDefinition(all: Readonly<Record<string, AnyDefinition>>, name: string): AnyDefinition | undefined {
  if (Object.hasOwn(all, name)) return all[name]
  return Object.values(all).find(({ functionName }) => functionName === name)
}
