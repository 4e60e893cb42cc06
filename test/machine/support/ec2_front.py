"""Imitates the metadata service of an instance, and forwards requests to moto, whose snapshots never stay pending.

Arguments: port, port of moto. Files in /tmp control it: instance has the id, role.json the credentials of the role,
pending ids of snapshots, and stall holds back each CreateSnapshot. The log states which file systems were frozen.
"""
import errno, fcntl, http.client, http.server, json, os, sys, time, urllib.parse

PORT, MOTO = int(sys.argv[1]), int(sys.argv[2])
MOUNTS = ['/srv/one', '/srv/two']


def read(name):
    try:
        with open('/tmp/' + name) as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return ''


def is_frozen(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, 0xC0045877, 0)
        fcntl.ioctl(handle, 0xC0045878, 0)
        return False
    except OSError as error:
        return error.errno == errno.EBUSY
    finally:
        os.close(handle)


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, body, status=200, kind='text/plain'):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.answer('the-token')

    def do_GET(self):
        if self.headers.get('X-aws-ec2-metadata-token') != 'the-token':
            return self.answer('', 401)
        role = read('role.json')
        known = {'instance-id': read('instance'), 'placement/region': 'eu-central-1'}
        if role:
            known.update({'iam/security-credentials/': 'snapshots', 'iam/security-credentials/snapshots': role})
        path = self.path.replace('/latest/meta-data/', '')
        self.answer(known.get(path, ''), 200 if path in known else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        params = dict(urllib.parse.parse_qsl(body.decode()))
        if params.get('Action') == 'CreateSnapshot':
            frozen = ' '.join(path for path in MOUNTS if is_frozen(path))
            with open('/tmp/front.log', 'a') as log:
                log.write('CreateSnapshot frozen: %s\n' % frozen)
            while os.path.exists('/tmp/stall'):
                time.sleep(0.05)
        connection = http.client.HTTPConnection('127.0.0.1', MOTO)
        connection.request('POST', '/', body, dict(self.headers))
        answer = connection.getresponse()
        text = answer.read()
        for snapshot in read('pending').split():
            text = pending(text, snapshot.encode())
        try:
            self.answer(text, answer.status, 'text/xml')
        except BrokenPipeError:
            # The client was killed.
            pass

    def log_message(self, *_):
        pass


def pending(text, snapshot):
    parts = text.split(b'<item>')
    return b'<item>'.join(part.replace(b'>completed<', b'>pending<') if snapshot in part else part for part in parts)


http.server.ThreadingHTTPServer(('127.0.0.1', PORT), Front).serve_forever()
