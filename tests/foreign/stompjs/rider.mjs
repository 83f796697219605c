// An ordinary program on @stomp/stompjs: connects, subscribes, publishes, and
// leaves. usage: node rider.mjs URL PLAN, where PLAN is a JSON object; see
// ../main.rs. Ends with one line of JSON on stdout: what it saw.
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

Object.assign(globalThis, { WebSocket });

const [url, text] = process.argv.slice(2);
const plan = JSON.parse(text);
const seen = { connected: 0, messages: 0, receipts: 0, errors: 0, closed: [] };

const client = new Client({
  brokerURL: url,
  connectHeaders: plan.connect,
  heartbeatOutgoing: plan.heart_beat[0],
  heartbeatIncoming: plan.heart_beat[1],
  reconnectDelay: plan.redial_ms,
  connectionTimeout: 3000,
  discardWebsocketOnCommFailure: true,
});

let published = 0;
let timer;

client.onConnect = () => {
  seen.connected += 1;
  for (const destination of plan.subscribe) {
    client.subscribe(destination, (message) => {
      seen.messages += 1;
      if (plan.ack === 'client-individual') message.ack();
    }, { ack: plan.ack });
  }
  timer = setInterval(() => {
    if (published >= plan.publish.count || !client.connected) {
      clearInterval(timer);
      return;
    }
    published += 1;
    const receipt = `receipt-${published}`;
    client.watchForReceipt(receipt, () => { seen.receipts += 1; });
    client.publish({
      destination: plan.publish.destination,
      body: `{"n":${published}}`,
      headers: { receipt, seq: String(published), probe: String(published), 'content-type': 'application/json' },
    });
  }, plan.publish.every_ms);
};
client.onStompError = () => { seen.errors += 1; };
client.onWebSocketClose = (event) => {
  clearInterval(timer);
  seen.closed.push(event.code);
};

async function leave() {
  clearInterval(timer);
  await client.deactivate();
  console.log(JSON.stringify(seen));
  process.exit(0);
}

client.activate();
setTimeout(leave, plan.stay_ms);
// Whoever started it may tell it to leave earlier.
process.stdin.on('end', leave).resume();
