/** Tests properties that are checked before the run, while some of them are still references. */
import t from 'tap'
import type { ZodType } from 'zod'
import { checkProps } from '../../../core/compile/props.ts'
import { reference } from '../../../core/model/reference.ts'
import { catalogue } from '../../../recipes/catalogue.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'

t.test('applies defaults beside references', async (t) => {
  const environment = { RELEASE: reference<string>('git_release /srv/www/site/releases', 'path') }
  const checked = checkProps(supervisor_program.definition, { name: 'shop', command: '/bin/shop', environment })
  t.match(checked, { hasReferences: true, props: { confDir: '/etc/supervisor/conf.d', mode: '0600', environment } })
})

t.test('each default is a valid value, with the same meaning', async (t) => {
  for (const { type, props } of Object.values(await catalogue.resources())) {
    const { shape = {} } = props as { shape?: Readonly<Record<string, ZodType>> }
    for (const [name, schema] of Object.entries(shape)) {
      const { data } = schema.safeParse(undefined)
      if (data !== undefined) t.strictSame(schema.safeParse(data).data, data, `${type}: ${name}`)
    }
  }
})
