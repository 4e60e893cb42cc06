/** Tests the error for something that is in the place of a declared resource. */
import t from 'tap'
import { inTheWay } from '../../../core/model/file_errors.ts'

t.test('the command of the hint quotes the path for a shell', async (t) => {
  t.match(inTheWay('it is a directory', '/srv/f'), { code: 'IN_THE_WAY', hint: /: mv \/srv\/f \/srv\/f\.old$/ })
  t.match(inTheWay('it is a directory', '/srv/my file').hint, "mv '/srv/my file' '/srv/my file.old'")
})
