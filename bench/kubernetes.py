"""What a worker needs of the Kubernetes API, in memory: objects that are read, watched, and patched with compare-and-swap. It
stands in for an API server in benchmarks that run the programs without a cluster: the ledger of an account lies in it as it
would there, and what the roles report.
"""

import http.server
import json
import re
import threading
import urllib.parse

import servers

PATH = re.compile(r"^/apis?/(?P<group>.+?)/namespaces/[^/]+/(?P<plural>[a-z]+)(/(?P<name>[^/]+?))?(?P<status>/status)?$")


class Objects:
    """Objects by plural and name; every change has a number."""

    def __init__(self):
        self.changed = threading.Condition()
        self.newest = 1
        self.objects = {}

    def put(self, plural, name, content):
        with self.changed:
            self.newest += 1
            metadata = {**content.get("metadata", {}), "name": name, "namespace": "bench", "uid": f"{plural}-{name}"}
            metadata["resourceVersion"] = str(self.newest)
            self.objects[plural, name] = {**content, "metadata": metadata}
            self.changed.notify_all()
            return self.objects[plural, name]

    def get(self, plural, name):
        with self.changed:
            return self.objects.get((plural, name))

    def status(self, plural, name):
        return (self.get(plural, name) or {}).get("status", {})

    def apply(self, plural, name, applied):
        """The object with what a role says of itself."""
        with self.changed:
            known = self.objects[plural, name]
            return self.put(plural, name, {**known, "status": {**known.get("status", {}), **applied["status"]}})

    def patch(self, plural, name, patch):
        """The object with a merge patch on it; None when another version was meant."""
        with self.changed:
            known = self.objects[plural, name]
            over = patch.get("metadata", {}).pop("resourceVersion", None)
            if over not in (None, known["metadata"]["resourceVersion"]):
                return None
            return self.put(plural, name, merged(known, patch))

    def after(self, number, plural, name, patience):
        """The object and its number once it is newer, or None after so many seconds."""
        with self.changed:

            def newer():
                found = self.objects.get((plural, name))
                return found if found and int(found["metadata"]["resourceVersion"]) > number else None

            return self.changed.wait_for(newer, patience)


def merged(known, patch):
    if not isinstance(patch, dict):
        return patch
    known = dict(known) if isinstance(known, dict) else {}
    for key, value in patch.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = merged(known.get(key), value)
    return known


class Handler(servers.Quiet):
    def asked(self):
        url = urllib.parse.urlsplit(self.path)
        found = PATH.match(url.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        name = found["name"] or query.get("fieldSelector", "").removeprefix("metadata.name=")
        return found, found["plural"], name, query

    def say(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def missing(self, reason, code):
        self.say(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code})

    def do_GET(self):
        found, plural, name, query = self.asked()
        objects = self.server.objects
        if query.get("watch") == "true":
            return self.watch(plural, name, int(query.get("resourceVersion") or 0))
        known = objects.get(plural, name)
        if found["name"]:
            return self.say(200, known) if known else self.missing("NotFound", 404)
        items = [known] if known else []
        group = "v1" if found["group"] == "v1" else found["group"]
        metadata = {"resourceVersion": str(objects.newest)}
        return self.say(200, {"kind": "List", "apiVersion": group, "metadata": metadata, "items": items})

    def watch(self, plural, name, number):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            while not self.server.is_over:
                found = self.server.objects.after(number, plural, name, 1)
                if found:
                    number = int(found["metadata"]["resourceVersion"])
                    line = json.dumps({"type": "MODIFIED", "object": found}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def do_PATCH(self):
        _, plural, name, _ = self.asked()
        patch = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.server.objects.get(plural, name):
            return self.missing("NotFound", 404)
        objects = self.server.objects
        is_applied = "apply" in self.headers["content-type"]
        found = (objects.apply if is_applied else objects.patch)(plural, name, patch)
        self.server.writes += 1
        return self.say(200, found) if found else self.missing("Conflict", 409)


def started(folder):
    """The API, and the file that tells programs where it is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.objects, server.writes, server.is_over = Objects(), 0, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench", "namespace": "bench"}}],
        "current-context": "bench",
    }
    server.kubeconfig = folder / "kubeconfig"
    server.kubeconfig.write_text(json.dumps(config))
    return server
