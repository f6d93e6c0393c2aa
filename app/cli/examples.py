"""The examples that `postrider up` prints; they work when pasted into a shell as they are."""

import sys
from pathlib import Path


def curl_example(url: str, token: str) -> str:
    """Creates an application (or finds it) and publishes a message."""
    return f"""\
curl -sS '{url}/api/v1/app?get_if_exists=true' -H 'authorization: Bearer {token}' \\
  -H 'content-type: application/json' -d '{{"name": "First application", "uid": "first"}}'
curl -sS '{url}/api/v1/app/first/msg' -H 'authorization: Bearer {token}' \\
  -H 'content-type: application/json' -d '{{"eventType": "invoice.paid", "payload": {{"invoice": 1}}}}'"""


def python_example(url: str, token: str) -> str:
    """Publishes a message with the official `svix` package to a receiver that it starts, and verifies what arrives."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"""\
{python} - <<'EOF'
from http.server import BaseHTTPRequestHandler, HTTPServer
from svix.api import ApplicationIn, EndpointIn, MessageIn, Svix, SvixOptions
from svix.webhooks import Webhook

svix = Svix("{token}", SvixOptions(server_url="{url}"))

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Webhook(secret).verify(body, dict(self.headers))
        print("received and verified:", body.decode())
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass

receiver = HTTPServer(("127.0.0.1", 0), Receiver)
app = svix.application.get_or_create(ApplicationIn(name="First application", uid="first"))
endpoint = svix.endpoint.create(app.id, EndpointIn(url=f"http://127.0.0.1:{{receiver.server_port}}/"))
secret = svix.endpoint.get_secret(app.id, endpoint.id).key
svix.message.create(app.id, MessageIn(event_type="invoice.paid", payload={{"invoice": 1}}))
receiver.handle_request()
svix.endpoint.delete(app.id, endpoint.id)
EOF"""
