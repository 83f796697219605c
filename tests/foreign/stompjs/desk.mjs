// A contact-centre desk on @stomp/stompjs: what such a program does around the
// library, which knows nothing of tokens. usage: node desk.mjs URL PLAN, where
// PLAN is a JSON object; see ../desk.rs. Ends with one line of JSON on stdout:
// what it saw.
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const [url, text] = process.argv.slice(2);
const plan = JSON.parse(text);
const seen = { connected: 0, renewed: 0, order: [], longest: 0 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Tokens: from an OAuth2 endpoint, asked again until it gives one, or counted.
let token;
let tokens = 0;
async function freshToken() {
  tokens += 1;
  if (!plan.token_url) return `t${tokens}`;
  for (;;) {
    try {
      const answer = await fetch(plan.token_url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'grant_type=client_credentials&client_id=desk&client_secret=hush',
        signal: AbortSignal.timeout(20000),
      });
      if (answer.ok) return (await answer.json()).access_token;
    } catch {
      // No JSON, or no answer at all.
    }
    await pause(plan.redial_ms);
  }
}

async function credentials() {
  if (!plan.token) return plan.connect;
  token ??= await freshToken();
  const value = plan.token === 'Authorization' ? `Bearer ${token}` : token;
  return { ...plan.connect, [plan.token]: value };
}

// Brokers say their codes in several places.
function codeOf(frame) {
  const { code, status, message = '' } = frame.headers;
  if (code ?? status) return Number(code ?? status);
  if (/^\d{3}\b/.test(message)) return parseInt(message, 10);
  try {
    return Number(JSON.parse(frame.body).code);
  } catch {
    return undefined;
  }
}

let suspended = false;
let notBefore = 0;
const client = new Client({
  heartbeatOutgoing: plan.heart_beat[0],
  heartbeatIncoming: plan.heart_beat[1],
  heartbeatToleranceMultiplier: 5,
  reconnectDelay: plan.redial_ms,
  connectionTimeout: plan.timeout_ms,
  discardWebsocketOnCommFailure: true,
  webSocketFactory: () => {
    const socket = new WebSocket(url, ['v12.stomp', 'v11.stomp']);
    // The library shows no refusal: its headers are read here.
    socket.on('unexpected-response', (request, response) => {
      const wait = Number(response.headers['retry-after'] ?? 0);
      notBefore = Date.now() + wait * 1000;
      request.destroy();
      socket.terminate();
    });
    return socket;
  },
  beforeConnect: async () => {
    await pause(Math.max(0, notBefore - Date.now()));
    client.connectHeaders = await credentials();
  },
});

// The library cannot send CONNECT again on a live socket: it is written by hand.
async function renew(socket) {
  token = undefined;
  const headers = { 'accept-version': '1.2', 'heart-beat': '0,0', ...(await credentials()) };
  if (!suspended || socket.readyState !== WebSocket.OPEN) return;
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  socket.send(`CONNECT\n${lines.join('')}\n\0`);
}

client.onStompError = (frame) => {
  if (codeOf(frame) !== 401) {
    // An ERROR ends the session (STOMP 1.2); the library leaves that to us.
    client.forceDisconnect();
    return;
  }
  suspended = true;
  renew(client.webSocket);
};

let published = 0;
let timer;
client.onConnect = () => {
  if (suspended) {
    // The same session with a new token: its subscriptions live on.
    suspended = false;
    seen.renewed += 1;
    return;
  }
  seen.connected += 1;
  for (const destination of plan.subscribe) {
    client.subscribe(destination, (message) => {
      seen.longest = Math.max(seen.longest, message.body.length);
      if (message.headers.seq) seen.order.push(message.headers.seq);
    }, { receipt: `subscribed-${seen.connected}` });
  }
  timer = setInterval(publish, plan.publish.every_ms);
};
function publish() {
  if (!client.connected || suspended || published >= plan.publish.count) return;
  published += 1;
  client.publish({
    destination: plan.publish.destination,
    body: `{"n":${published}}`,
    headers: { receipt: `receipt-${published}`, seq: String(published), probe: String(published) },
  });
}
client.onWebSocketClose = () => {
  clearInterval(timer);
  // A token that was refused is not shown again.
  if (suspended) token = undefined;
  suspended = false;
};

async function leave() {
  clearInterval(timer);
  await client.deactivate({ force: !client.connected });
  console.log(JSON.stringify({ ...seen, order: seen.order.slice(0, 20) }));
  process.exit(0);
}

client.activate();
setTimeout(leave, plan.stay_ms);
// Whoever started it may tell it to leave earlier.
process.stdin.on('end', leave).resume();
