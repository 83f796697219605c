// @stomp/stompjs behind stomp-conformance-shim/1; see ../PROTOCOL.md.
// usage: stomp-conformance client -- node shim.mjs
// It finds @stomp/stompjs and ws in node_modules beside it.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client, Versions } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const about = new URL('node_modules/@stomp/stompjs/package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(about, 'utf8'));
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const base64 = (octets) => Buffer.from(octets).toString('base64');
const pairs = (headers) => (Array.isArray(headers) ? headers : Object.entries(headers ?? {}));

let client;
let messages = [];
let labels = 0;
const subscriptions = new Map();
const transactions = new Map();

function connect(command) {
  const all = { '1.0': Versions.V1_0, '1.1': Versions.V1_1, '1.2': Versions.V1_2 };
  const accept = command.accept ?? Object.keys(all);
  const versions = new Versions(accept.map((name) => all[name]).reverse());
  const [out, back] = command.heartbeat ?? [10000, 10000];
  const again = command.reconnect ?? {};
  const limit = command.timeout_ms ?? 10000;
  let attempt = 0;
  let told = false;
  let began = Date.now();

  const trouble = (event) => {
    if (!told) tell(event);
    told = true;
  };
  const headers = Object.fromEntries(pairs(command.headers));
  for (const name of ['host', 'login', 'passcode']) {
    if (command[name] != null) headers[name] = command[name];
  }
  client = new Client({
    stompVersions: versions,
    connectHeaders: headers,
    heartbeatOutgoing: out,
    heartbeatIncoming: back,
    reconnectDelay: again.enabled ? (again.initial_ms ?? 5000) : 0,
    maxReconnectDelay: again.max_ms ?? 60000,
    connectionTimeout: limit,
    webSocketFactory: () => {
      began = Date.now();
      told = false;
      return new WebSocket(command.url, versions.protocolVersions(), {
        headers: Object.fromEntries(pairs(command.ws_headers)),
      });
    },
  });
  client.onConnect = (frame) => {
    attempt = 0;
    const [sx, sy] = (frame.headers['heart-beat'] ?? '0,0').split(',').map(Number);
    const agreed = (a, b) => (a && b ? Math.max(a, b) : 0);
    tell({
      ev: 'connected',
      version: client.connectedVersion,
      session: frame.headers.session ?? null,
      server: frame.headers.server ?? null,
      heartbeat: [agreed(out, sy), agreed(back, sx)],
    });
  };
  client.onStompError = (frame) => {
    const code = Number.parseInt(frame.headers.code, 10);
    trouble({
      ev: 'error',
      kind: 'stomp',
      headers: Object.entries(frame.headers),
      body_b64: base64(frame.binaryBody),
      code: Number.isNaN(code) ? null : code,
    });
  };
  client.onWebSocketError = (event) => {
    const text = event.message ?? String(event);
    const status = /Unexpected server response: (\d+)/.exec(text)?.[1];
    if (status) {
      const kind = ['401', '403'].includes(status) ? 'auth' : 'transport';
      trouble({ ev: 'error', kind, http_status: Number(status), text });
    } else {
      const wire = /ECONN|ENOTFOUND|socket hang up|EPIPE/.test(text);
      trouble({ ev: 'error', kind: wire ? 'transport' : 'protocol', text });
    }
  };
  client.onHeartbeatLost = () => trouble({ ev: 'heartbeat_lost' });
  client.onUnhandledMessage = (m) => tell({ ev: 'unhandled', command: 'MESSAGE', headers: Object.entries(m.headers) });
  client.onUnhandledReceipt = (r) => tell({ ev: 'unhandled', command: 'RECEIPT', headers: Object.entries(r.headers) });
  client.onUnhandledFrame = (f) => tell({ ev: 'unhandled', command: f.command, headers: Object.entries(f.headers) });
  let graceful = false;
  client.onDisconnect = () => { graceful = true; };
  client.onWebSocketClose = (event) => {
    if (!client.connected && !told && Date.now() - began >= limit) trouble({ ev: 'error', kind: 'timeout' });
    if (client.leaving) tell({ ev: 'disconnected', graceful });
    const { code, reason, wasClean } = event;
    const will = client.active && again.enabled === true;
    tell({ ev: 'closed', code, reason: String(reason ?? ''), clean: wasClean, will_reconnect: will });
    if (will) {
      attempt += 1;
      tell({ ev: 'reconnecting', attempt, delay_ms: client.reconnectDelay });
    }
  };
  client.activate();
}

// Headers of a frame, with the receipt that was asked for.
function headersOf(command, own = {}) {
  const headers = Object.fromEntries(pairs(command.headers).map(([n, v]) => [n, String(v)]));
  Object.assign(headers, own);
  if (command.tx != null && command.do !== 'begin') headers.transaction = transactions.get(command.tx)?.id ?? command.tx;
  let receipt = command.receipt;
  if (receipt === true) receipt = `receipt-${(labels += 1)}`;
  if (receipt != null) {
    headers.receipt = receipt;
    client.watchForReceipt(receipt, () => tell({ ev: 'receipt', receipt }));
  }
  return [headers, receipt];
}

const verbs = {
  connect(command) {
    connect(command);
    return {};
  },
  send(command) {
    const [headers, receipt] = headersOf(command);
    const frame = { destination: command.dest, headers };
    if (command.body_b64 != null) frame.binaryBody = new Uint8Array(Buffer.from(command.body_b64, 'base64'));
    else frame.body = command.text ?? '';
    return [{ receipt }, () => client.publish(frame)];
  },
  subscribe(command) {
    const sub = command.sub ?? `sub-${(labels += 1)}`;
    const own = { id: sub };
    if (command.ack != null) own.ack = command.ack;
    const [headers, receipt] = headersOf(command, own);
    return [{ sub, receipt }, () => {
      const subscription = client.subscribe(command.dest, (message) => {
        messages.push(message);
        let text = null;
        try {
          text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message.binaryBody);
        } catch { /* no UTF-8 */ }
        tell({
          ev: 'message',
          msg: messages.length,
          sub,
          headers: Object.entries(message.headers),
          body_b64: base64(message.binaryBody),
          text,
        });
      }, headers);
      subscriptions.set(sub, subscription);
    }];
  },
  unsubscribe(command) {
    const [headers, receipt] = headersOf(command);
    const subscription = subscriptions.get(command.sub);
    if (!subscription) throw new Error('no such subscription');
    return [{ receipt }, () => subscription.unsubscribe(headers)];
  },
  ack: (command) => acknowledge(command, 'ack'),
  nack: (command) => acknowledge(command, 'nack'),
  begin(command) {
    if (command.receipt != null || command.headers != null) return null;
    const tx = command.tx ?? `tx-${(labels += 1)}`;
    return [{ tx }, () => transactions.set(tx, client.begin(tx))];
  },
  commit: (command) => end(command, 'commit'),
  abort_tx: (command) => end(command, 'abort'),
  disconnect() {
    return [{}, () => {
      client.leaving = true;
      client.deactivate();
    }];
  },
  abort() {
    return [{}, () => client.webSocket.terminate()];
  },
};

function acknowledge(command, how) {
  const message = messages[command.msg - 1];
  if (!message) throw new Error('no such message');
  const [headers, receipt] = headersOf(command);
  return [{ receipt }, () => message[how](headers)];
}

function end(command, how) {
  if (command.receipt != null || command.headers != null) return null;
  const transaction = transactions.get(command.tx);
  if (!transaction) throw new Error('no such transaction');
  return [{}, () => transaction[how]()];
}

function obey(command) {
  const { id, do: verb } = command;
  if (verb === 'exit') {
    tell({ id, ok: true });
    process.exit(0);
  }
  if (verb === 'wait') {
    setTimeout(() => tell({ id, ok: true }), command.ms ?? 0);
    return;
  }
  if (!verbs[verb]) {
    tell({ id, unsupported: true });
    return;
  }
  if (verb !== 'connect' && !client?.connected) {
    tell({ id, err: { kind: 'usage', text: 'not connected' } });
    return;
  }
  let done;
  try {
    done = verb === 'connect' ? [{}, () => verbs.connect(command)] : verbs[verb](command);
  } catch (error) {
    tell({ id, err: { kind: 'usage', text: String(error) } });
    return;
  }
  if (!done) {
    tell({ id, unsupported: true });
    return;
  }
  const [fields, act] = done;
  try {
    // What it causes is told in a later turn of the loop, and so after `ok`.
    act();
  } catch (error) {
    tell({ id, err: { kind: 'usage', text: String(error) } });
    return;
  }
  tell({ id, ok: true, ...fields });
}

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on('line', (line) => {
  let command;
  try {
    command = JSON.parse(line);
  } catch {
    command = {};
  }
  if (command.hello) {
    tell({
      hello: 'stomp-conformance-shim/1',
      name: 'stompjs',
      version,
      lang: 'js',
      caps: ['1.0', '1.1', '1.2', 'tx', 'nack', 'binary', 'receipts', 'ids'],
    });
  } else if (typeof command.id === 'number' && typeof command.do === 'string') {
    obey(command);
  } else {
    tell({ id: null, err: { kind: 'usage', text: 'no command' } });
  }
});
lines.on('close', () => process.exit(0));
