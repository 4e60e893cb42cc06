/** Makes an HTML page that opens from disk and needs no network. */
import { Html, html } from './html_text.ts'

/** Returns the page. Its policy forbids scripts and requests, in case a value were not escaped. */
export function htmlPage(title: string, body: Html): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(styles)}</style>
</head>
<body>
${body}
</body>
</html>
`
  return page.text
}

const styles = `
:root { color-scheme: light dark; --bg: #fff; --card: #f6f7f9; --text: #1b1f24; --muted: #59636e; --line: #d5dae0;
  --good: #14662e; --bad: #a8111c; --warn: #7a4b00; --add: #dff5e3; --del: #fde3e3; }
@media (prefers-color-scheme: dark) { :root { --bg: #13171c; --card: #1c2229; --text: #e4e8ec; --muted: #9aa5b1; --line: #343c45;
  --good: #6fd58b; --bad: #ff8d8d; --warn: #f0b45c; --add: #12331e; --del: #431b1f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 64rem; background: var(--bg); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; } h3 { font-size: 1rem; margin: 0; }
.muted { color: var(--muted); font-weight: normal; } p.muted { margin: .15rem 0 .4rem; font-size: .9rem; }
.outcome { font-size: 1.15rem; font-weight: 600; margin: .25rem 0 1rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; padding: .8rem 1rem; background: var(--card); border-radius: .5rem; }
dt { color: var(--muted); font-size: .85rem; } dd { margin: 0; }
article { padding: .7rem 1rem; margin: .5rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.failure { border-left: .3rem solid var(--bad); }
article p { margin: .4rem 0; } .hint span { color: var(--good); font-weight: 600; }
.scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0; }
th { color: var(--muted); font-weight: normal; } ins, del { text-decoration: none; white-space: pre-wrap; } del { color: var(--bad); }
ins { color: var(--good); }
pre { margin: .5rem 0 0; padding: .5rem 0; font: .85rem/1.45 ui-monospace, monospace; background: var(--bg); border-radius: .35rem; white-space: pre-wrap; }
article > pre, details > pre { padding: .5rem; } pre span { display: block; padding: 0 .5rem; }
.add { background: var(--add); } .del { background: var(--del); } .gap { color: var(--muted); }
summary { cursor: pointer; color: var(--muted); padding: .2rem 0; }
:focus-visible { outline: 2px solid var(--warn); outline-offset: 2px; }
ul { padding-left: 1.2rem; margin: .3rem 0; }
@media print { body { max-width: none; } article { break-inside: avoid; } }
`
