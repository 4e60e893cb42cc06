/** Generates texts with every character that some configuration language treats as special. */
import fc from 'fast-check'

const signs = [
  ...'$%#;"\'\\ \t\n\r{}<>=[]()*?&|!`~,:.@/-',
  ...'aZ0_é€',
  '\u00a0',
  '\u0085',
  '\u2028',
  '\u000b',
  '\u001c',
  '\ufeff',
  '😀',
  '${a}',
  '$$',
  '%(here)s',
  ' ;',
  ' #',
  '\n ',
]

export const anyText = fc.array(fc.constantFrom(...signs), { maxLength: 12 }).map((parts) => parts.join(''))

/** Typical values, and values that once caused faults. */
export const knownTexts: readonly string[] = [
  ...['', 'x', ' two ', '\u00a0x\u00a0', '\ttab\t', 'Grüße €', '😀', '\ufeffbom', 'a\u0001b', 'back\\slash', 'end\\'],
  ...['pa$word', 'a${b}c', '$$', '$', 'a$$b', 'a$', '${', '$}', '$HOME', '$(id)', '`id`', '\\$x'],
  ...['a # b', 'a ; b', '#s', ';s', ' ;', 'x ;y', 'x\u00a0;y', 'x\u0085;y', 'x=1;y', 'a=b', 'k=v,k2=v2'],
  ...['50% off %(x)s %(here)s', '%', '%%', '%(ENV_HOME)s', '%define x', '<b>', '</environment>'],
  ...['say "hi" now', "it's", 'it\'s "both" x', '"q"', "'q'", "'", '"', "''", '\\"', "\\'", "a\\'b", '\\n'],
  ...['a\nb', ' a\n  b \n\n;c\n#d ', '\n', '[sec]\nx=1', 'a\rb', '\u2028x', '\u0085', '\u000b', '\u001c'],
  ...['true', 'none', 'on', 'null', '1.10', '~', '!x', 'a|b&c^d', '(x)', '{a}', '[a]', '{"a": [1, "b"]}'],
]
