/** Provides Solr 4 from Maven Central, and a buildout that runs it with collective.recipe.solrinstance. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'

const jetty = '8.1.10.v20130312'
const slf4j = '1.7.6'

const dependency = (group: string, artifact: string, version: string, type = 'jar') => `
<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version><type>${type}</type>
<exclusions><exclusion><groupId>org.eclipse.jetty.orbit</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>`

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>solr</artifactId><version>1</version><dependencies>
${dependency('org.apache.solr', 'solr', '4.10.4', 'war')}
${dependency('org.apache.lucene', 'lucene-analyzers-icu', '4.10.4')}
${dependency('org.eclipse.jetty', 'jetty-start', jetty)}
${dependency('org.eclipse.jetty', 'jetty-deploy', jetty)}
${dependency('javax.servlet', 'javax.servlet-api', '3.0.1')}
${dependency('org.slf4j', 'slf4j-jdk14', slf4j)}
${dependency('org.slf4j', 'jcl-over-slf4j', slf4j)}
</dependencies></project>
`

const context = `<?xml version="1.0"?>
<!DOCTYPE Configure PUBLIC "-//Jetty//Configure//EN" "http://www.eclipse.org/jetty/configure.dtd">
<Configure class="org.eclipse.jetty.webapp.WebAppContext">
<Set name="contextPath">/solr</Set><Set name="war"><SystemProperty name="jetty.home"/>/webapps/solr.war</Set>
</Configure>
`

/**
 * Rebuilds the archive of Solr 4.10, which no package registry has, from the artifacts on Maven Central.
 * @returns its path
 */
export function solrArchive(root: string): string {
  const [fetched, example] = [`${root}/jars`, `${root}/solr-4.10.4/example`]
  fs.mkdirSync(fetched, { recursive: true })
  fs.writeFileSync(`${root}/pom.xml`, project)
  execFileSync('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${fetched}`], { cwd: root })
  for (const name of ['lib/ext', 'etc', 'contexts', 'webapps', 'resources', 'solr-webapp', 'solr/collection1/conf'])
    fs.mkdirSync(`${example}/${name}`, { recursive: true })
  for (const name of ['dist', 'contrib/analysis-extras/lib'])
    fs.mkdirSync(`${root}/solr-4.10.4/${name}`, { recursive: true })
  const directoryOf = (name: string) => {
    if (name.endsWith('.war')) return 'webapps/solr.war'
    if (name.startsWith('jetty-start')) return 'start.jar'
    // Jetty's start script looks for this name.
    if (name.startsWith('javax.servlet-api')) return 'lib/servlet-api-3.0.jar'
    if (/icu/.test(name)) return `../contrib/analysis-extras/lib/${name}`
    return /slf4j/.test(name) ? `lib/ext/${name}` : `lib/${name}`
  }
  // The rest of Lucene is in the war.
  const needed = fs.readdirSync(fetched).filter((name) => !name.startsWith('lucene') || /icu/.test(name))
  for (const name of needed) fs.copyFileSync(`${fetched}/${name}`, `${example}/${directoryOf(name)}`)
  const files = {
    'start.ini': 'OPTIONS=Server,ext\netc/jetty.xml\n',
    'contexts/solr.xml': context,
    'solr/solr.xml': '<solr/>\n',
    'solr/collection1/core.properties': 'name=collection1\n',
    'solr/collection1/conf/protwords.txt': '',
    'solr/collection1/conf/synonyms.txt': '',
  }
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(`${example}/${name}`, text)
  execFileSync('tar', ['czf', `${root}/solr.tgz`, '-C', root, 'solr-4.10.4'])
  return `${root}/solr.tgz`
}

/** Returns the buildout of a Solr app, with the parts that the cookbook expects. */
export function solrBuildout(archive: string, port: number): string {
  return `[buildout]
parts =
eggs-directory = \${buildout:directory}/eggs

[solr-download]
recipe = hexagonit.recipe.download
url = file://${archive}
strip-top-level-dir = true

[solr-instance]
recipe = collective.recipe.solrinstance
solr-location = \${solr-download:location}
host = 127.0.0.1
port = ${port}
unique-key = UID
max-num-results = 100
default-search-field = Title
directoryFactory = solr.NIOFSDirectoryFactory
java_opts = -Xmx256m
index =
    name:UID type:string stored:true required:true
    name:Title type:text stored:true

[versions]
collective.recipe.solrinstance = 5.3.3
hexagonit.recipe.download = 1.7.1
`
}

/** A client for a running Solr over HTTP. */
export class Solr {
  constructor(private readonly port: number) {}

  async add(id: string, title: string): Promise<void> {
    const body = `<add><doc><field name="UID">${id}</field><field name="Title">${title}</field></doc></add>`
    await this.request('update?commit=true', { method: 'POST', headers: { 'Content-Type': 'text/xml' }, body })
  }

  /** Returns the titles of documents that contain a word. */
  async search(word: string): Promise<string[]> {
    const answer = await this.request(`select?q=${encodeURIComponent(word)}&wt=json`)
    const { response } = (await answer.json()) as { response: { docs: { Title: string }[] } }
    return response.docs.map(({ Title }) => Title)
  }

  private async request(path: string, init: RequestInit = {}): Promise<Response> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/solr/collection1/${path}`, init)
    if (!answer.ok) throw new Error(`Solr answers ${answer.status}: ${await answer.text()}`)
    return answer
  }
}
