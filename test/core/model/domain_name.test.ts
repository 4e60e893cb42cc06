/** Tests which domain names are accepted. */
import t from 'tap'
import { expectedDomain } from '../../../core/model/domain_name.ts'

t.test('accepts names that a web server can serve', (t) => {
  const label = 'a'.repeat(63)
  for (const name of [
    'shop.example.com',
    'Shop.Example.COM',
    'site',
    'my_app',
    '*.example.com',
    '.example.com',
    'www.example.*',
    '~^www\\d+\\.example\\.com$',
    '_',
    'xn--mnchen-3ya.de',
    '10.0.0.1',
    '[2001:db8::1]',
    '1.50',
    `${label}.example.com`,
  ])
    t.equal(expectedDomain(name), null, name)
  t.end()
})

t.test('refuses names that no request can match', (t) => {
  const cases: [name: string, expected: RegExp][] = [
    ['', /^a host name$/],
    [' ', /^a host name$/],
    ['a.example.com b.example.com', /without blanks, one in each item/],
    [' shop.example.com', /without blanks/],
    ['shop.example.com\t', /without blanks/],
    ['http://shop.example.com', /without scheme and path, such as shop\.example\.com$/],
    ['HTTPS://shop.example.com:8443/x', /such as shop\.example\.com$/],
    ['shop.example.com/', /without a path/],
    ['shop.example.com/docs', /without a path/],
    ['jane@example.com', /without a path or an account/],
    ['shop.example.com:8080', /without a port/],
    ['shop.example.com.', /without a dot at its end/],
    ['münchen.de', /in ASCII, such as xn--mnchen-3ya\.de$/],
    ['www.*.example.com', /at most one '\*'/],
    ['w*.example.com', /at most one '\*'/],
    ['*.example.*', /at most one '\*'/],
    ['*.*.x', /at most one '\*'/],
    ['*..x', /single dots/],
    ['~', /a regular expression on one line after '~'/],
    ['~^a\nb$', /a regular expression on one line/],
    ['~a\0', /a regular expression on one line/],
    ['~a\r', /a regular expression on one line/],
    ['.*', /at most one '\*'/],
    ['x.*.*', /at most one '\*'/],
    ['*', /at most one '\*'/],
    ['a..example.com', /separated by single dots/],
    ['..example.com', /separated by single dots/],
    ['shop,example.com', /letters, digits and dashes/],
    [`${'a'.repeat(64)}.example.com`, /labels/],
    [Array(130).fill('a').join('.'), /labels/],
  ]
  for (const [name, expected] of cases) t.match(expectedDomain(name), expected, name)
  t.end()
})
