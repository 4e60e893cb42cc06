/**
 * The part of the upkeep program for a database of RelStorage: makes, verifies and restores its backups, and packs it.
 */

import { relstorageProgram } from './relstorage_program.ts'
import { sqlServersProgram } from './sql_servers_program.ts'

export const sqlUpkeepProgram = String.raw`
RELSTORAGE_PROGRAM = ${JSON.stringify(relstorageProgram)}
SQL_BACKUP = re.compile(r'(\d{4}(?:-\d\d){5})\.(?:dump|sql\.gz)$')


def sql_layout():
    """Finds the database, its blobs and the directories of their backups, as the current release has them."""
    path = os.path.join(CURRENT, 'parts/client1/etc/zope.conf')
    try:
        conf = text_of(path)
    except OSError as error:
        raise Failure('cannot read the configuration of the clients: %s' % error)
    found = re.search(r'(?ims)^\s*<relstorage[^>]*>\s*$(.*?)^\s*</relstorage>', conf)
    if not found:
        raise Failure('%s names no database of RelStorage' % path)
    inner = re.search(r'(?ims)^\s*<(postgresql|mysql)[^>]*>\s*$(.*?)^\s*</\1>', found.group(1))
    if not inner:
        raise Failure('converge backs up databases in PostgreSQL, MySQL and MariaDB only (%s)' % path)
    defines = re.findall(r'(?im)^\s*%define\s+(\S+)\s+(.*)$', conf)
    names = dict((key.lower(), value.strip()) for key, value in defines)

    def plain(text):
        def value(match):
            return '$' if match.group(0) == '$$' else names.get(match.group(1).lower(), match.group(0))
        return re.sub(r'\$\$|\$\{?(\w+)\}?', value, text.strip())

    def options(text):
        return dict((key.lower(), value) for key, value in re.findall(r'(?m)^\s*([\w-]+)\s+(.+)$', text))
    outer = options(found.group(1).replace(inner.group(0), ''))
    kind = {'postgresql': Postgresql, 'mysql': Mysql}[inner.group(1).lower()]
    own = options(inner.group(2))
    shared = outer.get('shared-blob-dir', 'false').lower() in ('true', 'yes', 'on', '1')
    blobs = os.path.join(CURRENT, plain(outer['blob-dir'])) if shared and 'blob-dir' in outer else None
    location = SETTINGS['location']
    return dict(location=location, blobs=blobs, blob_backups=os.path.join(location, 'blobs'),
                server=kind(dict((key, plain(value)) for key, value in own.items())),
                kind=inner.group(1), own=own, outer=outer,
                defines=''.join('%%define %s %s\n' % define for define in defines))


def storage_config(where, name, blob_directory):
    """Returns the configuration of the clients for another database and directory of blobs."""
    outer = dict((key, value) for key, value in where['outer'].items()
                 if key in ('keep-history', 'driver', 'commit-lock-timeout') or key.startswith('blob-c'))
    outer.update({'create-schema': 'false', 'blob-dir': zconfig(blob_directory), 'cache-local-mb': '8',
                  'shared-blob-dir': 'true' if where['blobs'] else 'false'})
    inner = where['server'].config(where['own'], name)

    def lines(options):
        return ''.join('%s %s\n' % item for item in sorted(options.items()))
    return '%s%%import relstorage\n<relstorage>\n%s<%s>\n%s</%s>\n</relstorage>\n' % (
        where['defines'], lines(outer), where['kind'], lines(inner), where['kind'])


${sqlServersProgram}

def sql_backups(where):
    found = []
    for name in names(where['location']):
        match = SQL_BACKUP.match(name)
        path = os.path.join(where['location'], name)
        if match and os.path.isfile(path):
            found.append(dict(id=match.group(1), full=True, bytes=os.path.getsize(path), path=path))
    return found


def sql_chosen(where, wanted):
    backups = sql_backups(where)
    if not backups:
        raise Failure('there is no backup in %s' % where['location'])
    for backup in backups if wanted is not None else []:
        if backup['id'] == wanted:
            return backup
    if wanted is not None:
        raise Failure('there is no backup %s in %s' % (wanted, where['location']))
    return backups[-1]


def sql_back_up():
    def work():
        where = sql_layout()
        os.makedirs(where['location'], exist_ok=True)
        stamp = next_stamp(where, sql_backups(where))
        path = os.path.join(where['location'], stamp + where['server'].suffix)
        for name in names(where['location']):
            if name.startswith('.partial'):
                os.unlink(os.path.join(where['location'], name))
        partial = os.path.join(where['location'], '.partial')
        where['server'].dump(partial)
        os.rename(partial, path)
        # The blobs of the dump exist: a pack, which removes blobs, does not run at the same time.
        if SETTINGS['blobs'] and where['blobs'] and os.path.isdir(where['blobs']):
            back_up_blobs(where, stamp)
        backups = sql_backups(where)
        for old in backups[:-SETTINGS['keep']] if SETTINGS['keep'] else []:
            os.unlink(old['path'])
            blobs = os.path.join(where['blob_backups'], 'blobstorage.' + old['id'])
            if os.path.isdir(blobs):
                shutil.rmtree(blobs)
        if SETTINGS['copy_to'] is not None:
            copy_elsewhere(where, SETTINGS['copy_to'])
        return dict(newest=stamp)
    with_lock_of('pack', lambda: recorded('backup', work))


def with_lock_of(job, work):
    handle = open_regular(os.path.join(HERE, job + '.lock'), 'w')
    fcntl.flock(handle, fcntl.LOCK_EX)
    work()
    handle.close()


def sql_blobs_of(where, backup):
    if where['blobs'] is None:
        return 'in the database'
    name = 'blobstorage.' + backup['id']
    return name if os.path.isdir(os.path.join(where['blob_backups'], name)) else None


def sql_list():
    where = sql_layout()
    say(json.dumps([dict(id=one['id'], full=True, bytes=one['bytes'], blobs=sql_blobs_of(where, one))
                    for one in sql_backups(where)]))


def sql_recover(where, backup, name, blob_directory, links):
    """Restores a backup into a database of its own, and reads every object and blob there."""
    where['server'].restore(backup['path'], name)
    blobs = sql_blobs_of(where, backup)
    if where['blobs'] and blobs is not None:
        put_blobs(where, blobs, blob_directory, links)
    scripts = [os.path.join(CURRENT, 'bin', script) for script in ('client1', 'zodbpack', 'zodbconvert')]
    argument = json.dumps([scripts, dict(shared=where['blobs'] is not None)])
    child = subprocess.Popen([interpreter(scripts), '-c', RELSTORAGE_PROGRAM, argument], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=blob_directory)
    output, error = child.communicate(storage_config(where, name, blob_directory).encode())
    if child.returncode != 0:
        raise Failure(error.decode('utf-8', 'replace').strip()[-1500:] or 'status %d' % child.returncode)
    found = json.loads(output.decode().strip().split('\n')[-1])
    if found['objects'] == 0:
        raise Failure('the backup %s has no objects' % backup['id'])
    if found['lost']:
        raise Failure('the backup %s lacks %d of %d blobs: %s' % (
            backup['id'], found['lost'], found['blobs'], ', '.join(found['missing'])))
    return dict(id=backup['id'], objects=found['objects'], blobs=found['blobs'], bytes=where['server'].size(name))


def scratch_name(where, purpose):
    return '%s_%s' % (where['server'].name, purpose)


def sql_verify(wanted):
    def work():
        where = sql_layout()
        backup = sql_chosen(where, wanted)
        name = scratch_name(where, 'verify')
        scratch = tempfile.mkdtemp(prefix='verify-', dir=where['location'])
        try:
            found = sql_recover(where, backup, name, scratch, links=True)
        finally:
            shutil.rmtree(scratch)
            where['server'].drop(name)
        say(json.dumps(found))
        return found
    recorded('verify', work)


def sql_refuse_clients(where):
    for _ in range(6):
        count = where['server'].connections()
        if count == 0:
            return
        time.sleep(0.5)
    raise Failure('the database %s has connections of clients (%d): run "converge stop" on their hosts first'
                  % (where['server'].name, count))


def sql_restoring(where):
    path = os.path.join(where['blobs'] or where['location'], 'restoring')
    shutil.rmtree(path, ignore_errors=True)
    return path


def sql_prepare(wanted):
    def work():
        where = sql_layout()
        sql_refuse_clients(where)
        backup = sql_chosen(where, wanted)
        scratch, name = sql_restoring(where), scratch_name(where, 'restoring')
        os.makedirs(scratch)
        try:
            found = sql_recover(where, backup, name, scratch, links=False)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            where['server'].drop(name)
            raise
        say('the backup %(id)s opens: %(objects)d objects, %(blobs)d blobs' % found)
        return found
    recorded('prepare', work)


def sql_swap():
    def work():
        where = sql_layout()
        sql_refuse_clients(where)
        before, name = scratch_name(where, 'before_restore'), scratch_name(where, 'restoring')
        scratch = os.path.join(where['blobs'] or where['location'], 'restoring')
        moved = []
        kept = 'before-restore-' + now().strftime(STAMP)
        try:
            if where['blobs'] and names(scratch):
                exchange(scratch, kept, lambda one: not is_foreign(one), moved)
            where['server'].exchange(name, before)
        except BaseException:
            for source, target in reversed(moved):
                os.rename(target, source)
            raise
        shutil.rmtree(scratch, ignore_errors=True)
        say('the earlier data is in the database %s' % before)
        return dict(before=before)
    recorded('restore', work)


def sql_pack():
    """Runs the packing that the release schedules now: in one stage, or in two."""
    stages = [name for name in ('zodbpack', 'zodbpack-prepack', 'zodbpack-pack') if part(name).get('command')]
    if len(stages) > 1:
        stages = [name for name in stages if name != 'zodbpack']
    if not stages:
        raise Failure('the current release has no part zodbpack: deploy it with the role relstorage-pack')
    recorded('pack', lambda: [run(part(name)['command']) for name in stages] and None)


def sql_main(action, *args):
    given = args[0] if args else None
    {'backup': lambda: sql_back_up(), 'list': sql_list, 'verify': lambda: sql_verify(given),
     'prepare': lambda: sql_prepare(given), 'swap': sql_swap, 'pack': sql_pack}[action]()
`
