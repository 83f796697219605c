"""An ordinary program on stomp.py's WebSocket connection: connects, subscribes,
publishes, and leaves. usage: rider.py URL PLAN, where PLAN is a JSON object; see
../main.rs. Ends with one line of JSON on stdout: what it saw."""

import json
import sys
import threading
import time
from urllib.parse import urlsplit

import stomp
import websocket

url, plan = urlsplit(sys.argv[1]), json.loads(sys.argv[2])
seen = {"connected": 0, "messages": 0, "receipts": 0, "errors": 0, "closed": []}
lost = threading.Event()
leave = threading.Event()


def wait_for_end():
    """Whoever started it may tell it to leave earlier."""
    sys.stdin.read()
    leave.set()
    lost.set()


threading.Thread(target=wait_for_end, daemon=True).start()


class Rider(stomp.ConnectionListener):
    def on_connected(self, frame):
        seen["connected"] += 1

    def on_message(self, frame):
        seen["messages"] += 1
        if plan["ack"] == "client-individual":
            connection.ack(frame.headers["ack"])

    def on_receipt(self, frame):
        seen["receipts"] += 1

    def on_error(self, frame):
        seen["errors"] += 1

    def on_disconnected(self):
        seen["closed"].append(1006)
        lost.set()


out, back = plan["heart_beat"]
connection = stomp.WSStompConnection(
    [(url.hostname, url.port)], ws_path=url.path, heartbeats=(out, back), reconnect_attempts_max=1, timeout=3
)
connection.set_listener("", Rider())
headers = dict(plan["connect"])
login, passcode = headers.pop("login", None), headers.pop("passcode", None)

until = time.monotonic() + plan["stay_ms"] / 1000
published = 0
while time.monotonic() < until and not leave.is_set():
    lost.clear()
    try:
        connection.connect(login, passcode, wait=True, headers=headers)
        for n, destination in enumerate(plan["subscribe"]):
            connection.subscribe(destination, n, ack=plan["ack"])
        while time.monotonic() < until and not lost.is_set() and not leave.is_set():
            if published < plan["publish"]["count"]:
                published += 1
                connection.send(
                    plan["publish"]["destination"],
                    json.dumps({"n": published}),
                    content_type="application/json",
                    seq=str(published),
                    probe=str(published),
                    receipt=f"receipt-{published}",
                )
            lost.wait(plan["publish"]["every_ms"] / 1000)
    except (stomp.exception.StompException, websocket.WebSocketException, OSError):
        pass
    leave.wait(min(plan["redial_ms"] / 1000, max(0, until - time.monotonic())))
if connection.is_connected():
    try:
        connection.disconnect()
    except (stomp.exception.StompException, websocket.WebSocketException, OSError):
        pass
print(json.dumps(seen), flush=True)
sys.exit(0)
