"""stomp.py's WebSocket connection behind stomp-conformance-shim/1; see
../PROTOCOL.md. usage: stomp-conformance client -- python shim.py"""

import base64
import importlib.metadata
import json
import os
import sys
import threading
import time
from urllib.parse import urlsplit

import stomp

out = threading.Lock()


def tell(line):
    with out:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def pairs(headers):
    items = headers if isinstance(headers, list) else (headers or {}).items()
    return {name: str(value) for name, value in items}


def octets(body):
    return body if isinstance(body, bytes) else str(body or "").encode("utf-8", "surrogateescape")


class Session(stomp.ConnectionListener):
    """One connection: the library is called on threads of its own."""

    messages = []

    def __init__(self, command):
        self.command = command
        self.live = False
        self.closed = False
        self.told = False
        self.leaving = None
        self.graceful = False
        self.labels = 0
        self.subscriptions = {}
        self.tell_lock = threading.Lock()
        url = urlsplit(command["url"])
        heartbeat = command.get("heartbeat") or [0, 0]
        limit = command.get("timeout_ms", 10000) / 1000
        self.connection = stomp.WSStompConnection(
            [(url.hostname, url.port)],
            ws_path=url.path,
            vhost=command.get("host"),
            heartbeats=tuple(heartbeat),
            reconnect_attempts_max=1,
            timeout=limit,
            auto_decode=False,
            header=pairs(command.get("ws_headers")) or None,
        )
        self.connection.set_listener("", self)
        self.heartbeat = heartbeat
        self.limit = limit

    def run(self):
        command = self.command
        timer = threading.Timer(self.limit, self.overdue)
        timer.daemon = True
        timer.start()
        try:
            self.connection.connect(
                command.get("login"), command.get("passcode"), wait=False, headers=pairs(command.get("headers"))
            )
        except Exception as error:  # what the library raises is what it tells
            self.trouble({"ev": "error", "kind": "transport", "text": repr(error)})
            self.end()

    def overdue(self):
        if not self.live and not self.closed:
            self.trouble({"ev": "error", "kind": "timeout"})
            self.connection.transport.disconnect_socket()
            self.end()

    def trouble(self, event):
        with self.tell_lock:
            if not self.told and not self.closed:
                self.told = True
                tell(event)

    def end(self):
        with self.tell_lock:
            if self.closed:
                return
            self.closed = True
            self.live = False
            if self.leaving:
                tell({"ev": "disconnected", "graceful": self.graceful})
            # stomp.py shows neither code nor reason.
            tell({"ev": "closed", "code": 1006, "reason": "", "clean": False, "will_reconnect": False})

    # ---- what the library tells

    def on_connected(self, frame):
        self.live = True
        text = {name: value for name, value in frame.headers.items()}
        server = [int(n) for n in text.get("heart-beat", "0,0").split(",")]
        agreed = [max(a, b) if a and b else 0 for a, b in zip(self.heartbeat, reversed(server))]
        tell(
            {
                "ev": "connected",
                "version": self.connection.version if hasattr(self.connection, "version") else "1.2",
                "session": text.get("session"),
                "server": text.get("server"),
                "heartbeat": agreed,
            }
        )

    def on_message(self, frame):
        body = octets(frame.body)
        with out:
            Session.messages.append((self, frame))
            n = len(Session.messages)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        wire = frame.headers.get("subscription")
        label = next((name for name, ack in self.subscriptions.items() if name == wire), None)
        tell(
            {
                "ev": "message",
                "msg": n,
                "sub": label,
                "headers": [[n, v] for n, v in frame.headers.items()],
                "body_b64": base64.b64encode(body).decode(),
                "text": text,
            }
        )

    def on_receipt(self, frame):
        receipt = frame.headers.get("receipt-id")
        if receipt is not None and receipt == self.leaving:
            self.graceful = True
            if not self.connection.transport.is_connected():
                self.end()
        elif receipt is not None:
            tell({"ev": "receipt", "receipt": receipt})

    def on_error(self, frame):
        headers = [[n, v] for n, v in frame.headers.items()]
        body = base64.b64encode(octets(frame.body)).decode()
        self.trouble({"ev": "error", "kind": "stomp", "headers": headers, "body_b64": body, "code": None})

    def on_heartbeat_timeout(self):
        self.trouble({"ev": "heartbeat_lost"})

    def on_disconnected(self):
        if self.graceful:
            return self.end()
        # Why it ended, a RECEIPT or a silence, is told after that.
        timer = threading.Timer(0.3, self.end)
        timer.daemon = True
        timer.start()

    # ---- what it is told to do

    def label(self, kind):
        self.labels += 1
        return f"{kind}{self.labels}"

    def obey(self, verb, command):
        """The fields of the answer, and the call."""
        headers = pairs(command.get("headers"))
        receipt = command.get("receipt")
        if receipt is True:
            receipt = self.label("receipt-")
        if receipt is not None:
            headers["receipt"] = receipt
        fields = {"receipt": receipt} if receipt is not None else {}
        tx = command.get("tx")
        connection = self.connection
        if verb == "send":
            if tx is not None:
                headers["transaction"] = tx
            text, body = command.get("text"), command.get("body_b64")
            content = base64.b64decode(body) if body is not None else (text or "")
            kind = headers.pop("content-type", None)
            return fields, lambda: connection.send(command["dest"], content, content_type=kind, headers=headers)
        if verb == "subscribe":
            sub = command.get("sub") or self.label("sub")
            ack = command.get("ack", "auto")
            fields["sub"] = sub
            self.subscriptions[sub] = ack
            return fields, lambda: connection.subscribe(command["dest"], sub, ack=ack, headers=headers)
        if verb == "unsubscribe":
            return fields, lambda: connection.unsubscribe(command["sub"], headers=headers)
        if verb in ("ack", "nack"):
            owner, frame = Session.messages[command["msg"] - 1]
            if owner is not self:
                raise ValueError("its connection is gone")
            ack = frame.headers["ack"]
            call = connection.ack if verb == "ack" else connection.nack
            return fields, lambda: call(ack, transaction=tx, receipt=receipt)
        if verb == "begin":
            tx = tx or self.label("tx")
            fields["tx"] = tx
            return fields, lambda: connection.begin(transaction=tx, headers=headers)
        if verb == "commit":
            return fields, lambda: connection.commit(transaction=tx, headers=headers)
        if verb == "abort_tx":
            return fields, lambda: connection.abort(transaction=tx, headers=headers)
        if verb == "disconnect":
            self.leaving = self.label("bye-")
            return {}, lambda: connection.disconnect(receipt=self.leaving)
        raise ValueError(verb)


VERBS = {"send", "subscribe", "unsubscribe", "ack", "nack", "begin", "commit", "abort_tx", "disconnect"}


def hello():
    return {
        "hello": "stomp-conformance-shim/1",
        "name": "stomp.py",
        "version": importlib.metadata.version("stomp.py"),
        "lang": "python",
        "caps": ["1.2", "tx", "nack", "receipts", "ids"],
    }


def obey(session, command):
    """Obeys one command; the session from then on."""
    number, verb = command["id"], command["do"]
    if verb == "exit":
        tell({"id": number, "ok": True})
        os._exit(0)
    if verb == "wait":
        time.sleep(command.get("ms", 0) / 1000)
        tell({"id": number, "ok": True})
        return session
    if verb == "connect":
        accept = command.get("accept")
        if accept is not None and "1.2" not in accept:
            tell({"id": number, "err": {"kind": "usage", "text": "it speaks 1.2 alone"}})
            return session
        session = Session(command)
        tell({"id": number, "ok": True})
        threading.Thread(target=session.run, daemon=True).start()
        return session
    if verb not in VERBS:
        tell({"id": number, "unsupported": True})
        return session
    try:
        if session is None or not session.live:
            raise ValueError("not connected")
        done = session.obey(verb, command)
    except Exception as error:
        tell({"id": number, "err": {"kind": "usage", "text": repr(error)}})
        return session
    fields, call = done
    tell({"id": number, "ok": True, **fields})

    def work():
        try:
            call()
        except Exception as error:
            tell({"ev": "op_failed", "id": number, "receipt": fields.get("receipt"), "kind": "transport", "text": repr(error)})

    if verb == "disconnect":
        threading.Thread(target=work, daemon=True).start()
    else:
        work()
    return session


def main():
    session = None
    for line in sys.stdin:
        try:
            command = json.loads(line)
        except ValueError:
            command = {}
        if "hello" in command:
            tell(hello())
        elif isinstance(command.get("id"), int) and isinstance(command.get("do"), str):
            session = obey(session, command)
        else:
            tell({"id": None, "err": {"kind": "usage", "text": "no command"}})
    os._exit(0)


main()
