/**
 * Reads the custom JSON of one deployment, which `--json` names. An object such as `{ $file: … }` is an attribute here, and not
 * a reference: the console passes JSON of people who may deploy, and must not read files of the operator for them.
 */
import { type ConvergeError, problemsOf } from '../../model/errors.ts'
import { hasSecretName } from '../../model/secret_names.ts'
import type { NodeWarning } from '../../node/layer.ts'
import type { Schemas } from '../../node/notes.ts'
import { type Document, draftAttributes } from '../../node/parse_layer.ts'
import { withVerbatimNumbers } from '../../node/written_numbers.ts'
import { readInput } from '../inputs/read_inputs.ts'
import { standardInput } from '../inputs/standard_input.ts'

export interface DeploymentJson {
  /** Lowest first. */
  readonly documents: readonly Document[]
  /** Values of keys with secret names. */
  readonly secrets: readonly string[]
  readonly warnings: readonly NodeWarning[]
  readonly problems: readonly ConvergeError[]
}

/** @param files as given; `-` is standard input */
export async function readDeploymentJson(files: readonly string[], schemas: Schemas): Promise<DeploymentJson> {
  const documents: Document[] = []
  const warnings: NodeWarning[] = []
  const problems: ConvergeError[] = []
  for (const file of files)
    try {
      const text = file === '-' ? await standardInput() : readInput(file, '--json')
      const name = file === '-' ? 'standard input' : file
      const draft = await draftAttributes({ text, file: name, kind: 'deployment' })
      problems.push(...draft.problems)
      warnings.push(...draft.layer.warnings)
      const { value, patch, locate } = withVerbatimNumbers(draft.layer, schemas)
      documents.push({ name, kind: 'deployment', value: value ?? patch?.operations ?? {}, locate })
    } catch (error) {
      problems.push(...problemsOf(error))
    }
  return { documents, secrets: documents.flatMap(({ value }) => namedSecrets(value)), warnings, problems }
}

function namedSecrets(value: unknown, isSecret = false): string[] {
  if (typeof value === 'string') return isSecret ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => namedSecrets(child, isSecret || hasSecretName(key)))
}
