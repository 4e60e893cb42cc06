/** Reads data files beside a recipe: JSON and YAML, checked against a schema. */
import { basename } from 'node:path'
import * as yaml from 'yaml'
import type { z } from 'zod'
import { ConvergeError, throwProblems } from '../core/model/errors.ts'
import { parseJson } from '../core/node/json_text.ts'
import { problemOf } from '../core/node/problems.ts'
import { parseYamlWith } from '../core/node/yaml_text.ts'
import { readBeside } from '../resources/files/read_beside.ts'

/**
 * Reads a JSON or YAML file beside a recipe, and checks it against a schema.
 *
 * `converge stack` uploads the file to the hosts with the recipe.
 *
 * @param from `import.meta.url`
 * @param name path of the file, relative to the recipe; `.yaml` and `.yml` are YAML, all others JSON with comments
 * @param schema a zod schema of the content
 * @returns the content, with the schema's defaults
 * @throws NO_FILE, NOT_UTF8; INVALID_DATA with every mistake and its line
 * @example
 * const vhosts = readData(import.meta.url, 'vhosts.yaml', z.array(z.object({ name: z.string(), port: z.number() })))
 */
export function readData<S extends z.ZodType>(from: string, name: string, schema: S): z.output<S> {
  const hint = 'put the file beside the recipe that calls readData, or correct its name'
  const { path, text } = readBeside(from, name, 'the data file', hint)
  const { value, problems, locate } = /\.ya?ml$/.test(path) ? parseYamlWith(yaml, text) : parseJson(text)
  throwProblems(
    problems.map(({ message, hint, line, column }) => dataProblem(message, hint, { file: path, line, column })),
    `${path} is not valid`,
  )
  const result = schema.safeParse(value, { jitless: true })
  if (result.success) return result.data
  // Problems name the path below the file, e.g. vhosts[0].name.
  const key = basename(path).replace(/\.\w+$/, '')
  throwProblems(
    result.error.issues.map((issue) => {
      const { path: at, message, hint, part: what } = problemOf(issue, key, { [key]: value }, { [key]: schema })
      const { line = 1, column = 1 } = locate(at.slice(1), what) ?? {}
      return dataProblem(message, hint, { file: path, line, column })
    }),
    `${path} is not valid`,
  )
  throw result.error
}

interface DataPosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

const dataProblem = (message: string, hint: string | undefined, source: DataPosition) =>
  new ConvergeError(message, { code: 'INVALID_DATA', hint, source, usage: true })
