/** Manages a file rendered from a handlebars template; an unknown name is an error, never an empty string. */
import * as z from 'zod'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import {
  applyFileState,
  applyVerified,
  desiredFileState,
  fileState,
  previousFile,
  readFileState,
  replacedOriginal,
  verifyFile,
} from './file.ts'
import { ownershipProps } from './ownership.ts'
import { checkVariables, prepareTemplates, renderTemplate } from './render_template.ts'

export const template = defineResource(
  {
    type: 'template',
    doc: 'Keeps a file whose content is a handlebars template filled with variables; a variable it does not get is an error.',
    mirrors: "Chef's template resource",
    examples: [
      { path: '/etc/site.conf', source: 'port = {{port}}\n', variables: { port: 8081 } },
      {
        path: '/etc/site.ini',
        source: 'extends ={{iniList extends}}\n',
        variables: { extends: ['a.cfg', 'b.cfg'] },
        mode: '0640',
      },
    ],
    reach: 'paths',
    key: (props) => props.path,
    props: z.strictObject({
      path: absolutePath.describe('Path of the file; its directory must exist'),
      source: z
        .string()
        .regex(/^(?!\S+\.hbs$)/, {
          error: 'the text of a template, and not its name: readTemplate(import.meta.url, "name.hbs")',
        })
        .describe('Text of the template, such as readTemplate(import.meta.url, "name.hbs")'),
      name: z.string().optional().describe('Name of the template in errors; default: the path of the file'),
      variables: z.record(z.string(), z.unknown()).describe('Values that the template can use'),
      ...ownershipProps,
      verify: verifyFile,
      previous: previousFile,
    }),
    state: fileState,
  },
  {
    prepare: prepareTemplates,
    check: (props) => checkVariables(props),
    read: (host, props) => readFileState(host, props),
    desired: (props, now) => desiredFileState(props, renderTemplate(props), now),
    apply: (host, props, { now, desired }, context) => applyVerified(host, props, desired.content ?? '', now, context),
    predict: (host, props, { now, desired }) => applyFileState(host, props, desired.content ?? '', now),
    previous: (props) => props.previous,
    replaces: replacedOriginal,
    paths: (props) => [props.path],
    files: (props) => [
      { path: props.path, content: renderTemplate(props), mode: props.mode, owner: props.owner, group: props.group },
    ],
  },
)
