// livekit-client's TokenSource.developmentTokenServer, unchanged but for its address.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { TokenSource } from 'livekit-client';
import { TokenVerifier } from 'livekit-server-sdk';
import { apiKey, apiSecret, deployments, startWith } from './programs.js';

const verifier = new TokenVerifier(apiKey, apiSecret);
const path = '/api/v2/sandbox/connection-details';

// Each call is a new source, since a source keeps its last token.
const fetchToken = (base, id, options = {}) =>
  TokenSource.developmentTokenServer(id, { baseUrl: base }).fetch(options, true);

async function claimsOf(token) {
  return verifier.verify((await token).participantToken);
}

// `201`, or the status and the reason of a refusal.
async function post(url, headers) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: '{}',
  });
  const answer = await response.json();
  return response.ok ? `${response.status}` : `${response.status} ${answer.reason}`;
}

const everything = {
  roomName: 'lobby',
  participantName: 'Alice',
  participantIdentity: 'alice',
  participantMetadata: 'm',
  participantAttributes: { lang: 'en' },
  agentName: 'assistant',
  agentMetadata: '{"model":"large"}',
};

for (const [name, deploy] of Object.entries(deployments)) {
  describe(`developmentTokenServer, --dev, ${name}`, () => {
    let running;
    let base;
    before(async () => {
      running = await deploy();
      base = new URL(running.url).origin;
    });
    after(async () => running?.stop());

    it('gives what is asked for, with any id', async () => {
      for (const id of ['my-app-1x2y', 'another']) {
        const { serverUrl, participantToken } = await fetchToken(base, id, everything);
        assert.equal(serverUrl, 'ws://127.0.0.1:7880');
        const claims = await verifier.verify(participantToken);
        assert.equal(claims.sub, 'alice');
        assert.equal(claims.name, 'Alice');
        assert.equal(claims.metadata, 'm');
        assert.deepEqual(claims.attributes, { lang: 'en' });
        assert.equal(claims.video.room, 'lobby');
        assert.deepEqual(claims.roomConfig, { agents: [{ agentName: 'assistant', metadata: '{"model":"large"}' }] });
        assert.equal(claims.exp - claims.nbf, 900);
      }
    });

    it('makes up a room and an identity for an empty request', async () => {
      const claims = [await claimsOf(fetchToken(base, 'my-app')), await claimsOf(fetchToken(base, 'my-app'))];
      for (const { sub, video } of claims) {
        assert.match(sub, /^guest-./);
        assert.match(video.room, /^room-./);
      }
      assert.notEqual(claims[0].sub, claims[1].sub);
    });

    it('has the older name of it too', async () => {
      const source = TokenSource.sandboxTokenServer('my-app', { baseUrl: base });
      assert.equal((await claimsOf(source.fetch({ roomName: 'lobby' }, true))).video.room, 'lobby');
    });

    it('refuses what is no id', async () => {
      for (const id of ['my app', 'a/b', '*', 'x'.repeat(129)]) {
        await assert.rejects(fetchToken(base, id), /400.*MALFORMED_REQUEST/s, id);
      }
    });
  });
}

const config = `
projects:
  - { name: main, client_url: wss://acme.example, keys: { env: true } }
rate_limits: { auth_failures_per_address: off }
authenticators:
  - { name: users, api_keys: { file: USERS, header: authorization } }
  - { name: guests, anonymous: {} }
policies:
  - name: open
    match: { authenticator: guests, sandbox_id: [open-1] }
    room: { client: allow, pattern: "demo-[a-z]+", default: "demo-{random}" }
    room_config: { client: allow, agents: [assistant], max_agents: 1 }
    grants: { can_publish: false, can_subscribe: true, can_publish_data: false }
  - name: closed
    match: { authenticator: users, sandbox_id: [closed-1] }
    room: { client: allow, default: "call-{random}" }
    identity: { client: if_equal, value: "{subject}" }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true }
`;
const bearer = { Authorization: 'Bearer alice.secret-of-more-than-16-bytes' };
const users = `keys:
  - { id: alice, sha256: ${createHash('sha256').update('secret-of-more-than-16-bytes').digest('hex')} }
`;

describe('developmentTokenServer, with policies', () => {
  let running;
  let base;
  before(async () => {
    running = await startWith(`${config}gateway: { sandbox: true }\n`, { USERS: users });
    base = `http://${running.addresses.http}`;
  });
  after(async () => running?.stop());

  it('passes the fields of an agent on', async () => {
    const claims = await claimsOf(
      fetchToken(base, 'open-1', { roomName: 'demo-a', agentName: 'assistant', agentMetadata: 'm' }),
    );
    assert.match(claims.sub, /^guest-./);
    assert.equal(claims.video.room, 'demo-a');
    assert.equal(claims.video.canPublish, false);
    assert.deepEqual(claims.roomConfig, { agents: [{ agentName: 'assistant', metadata: 'm' }] });
  });

  it('gives no more than the policy has', async () => {
    await assert.rejects(fetchToken(base, 'open-1', { agentName: 'other' }), /403.*AGENT_NOT_PERMITTED/s);
    await assert.rejects(fetchToken(base, 'open-1', { roomName: 'lobby' }), /403.*ROOM_NOT_PERMITTED/s);
    await assert.rejects(fetchToken(base, 'open-1', { participantIdentity: 'a' }), /403.*FIELD_NOT_PERMITTED/s);
  });

  it('opens nothing by an id that no policy lists', async () => {
    for (const id of ['open-2', 'open', 'OPEN-1', 'open-1x', 'main', 'guests', 'alice']) {
      await assert.rejects(fetchToken(base, id), /403.*NO_POLICY/s, id);
    }
    assert.equal(await post(`${base}${path}`, {}), '403 NO_POLICY');
  });

  it('opens nothing by an id whose policy is for users', async () => {
    await assert.rejects(fetchToken(base, 'closed-1'), /403.*NO_POLICY/s);
    const wrong = { Authorization: 'Bearer alice.secret-of-more-than-16-bytez', 'X-Sandbox-ID': 'closed-1' };
    assert.equal(await post(`${base}${path}`, wrong), '401 AUTHENTICATION_FAILED');
    assert.equal(await post(`${base}${path}`, { ...bearer, 'X-Sandbox-ID': 'open-1' }), '403 NO_POLICY');

    const headers = { ...bearer, 'X-Sandbox-ID': 'closed-1' };
    const claims = await claimsOf(TokenSource.endpoint(`${base}${path}`, { headers }).fetch({}, true));
    assert.equal(claims.sub, 'alice');
    assert.match(claims.video.room, /^call-./);
  });

  it('knows the id on its own route only, and in its own header only', async () => {
    for (const route of ['/getToken', '/api/token']) {
      assert.equal(await post(`${base}${route}`, { 'X-Sandbox-ID': 'open-1' }), '403 NO_POLICY');
      assert.equal(await post(`${base}${route}`, { ...bearer, 'X-Sandbox-ID': 'closed-1' }), '403 NO_POLICY');
    }
    for (const query of ['sandbox_id=open-1', 'X-Sandbox-ID=open-1', 'sandboxId=open-1', 'id=open-1']) {
      assert.equal(await post(`${base}${path}?${query}`, {}), '403 NO_POLICY');
      assert.equal(await post(`${base}${path}?${query}`, { 'X-Sandbox-ID': 'open-2' }), '403 NO_POLICY');
    }
    for (const header of ['Sandbox-ID', 'X-Sandbox', 'X_Sandbox_ID']) {
      assert.equal(await post(`${base}${path}`, { [header]: 'open-1' }), '403 NO_POLICY');
    }
    assert.equal(await post(`${base}${path}`, { 'X-Sandbox-ID': 'open-2, open-1' }), '400 MALFORMED_REQUEST');
    assert.equal(await post(`${base}${path}/open-1`, {}), '404 NOT_FOUND');
  });
});

describe('developmentTokenServer, without guests', () => {
  it('is asked for a credential', async () => {
    const withoutGuests = config
      .replace(/ *- \{ name: guests.*\n/, '')
      .replace(/ *- name: open\n[^]*(?= {2}- name: closed)/, '');
    const running = await startWith(`${withoutGuests}gateway: { sandbox: true }\n`, { USERS: users });
    try {
      const base = `http://${running.addresses.http}`;
      await assert.rejects(fetchToken(base, 'closed-1'), /401.*AUTHENTICATION_REQUIRED/s);
      assert.equal(await post(`${base}${path}`, { ...bearer, 'X-Sandbox-ID': 'closed-1' }), '201');
    } finally {
      await running.stop();
    }
  });
});

describe('developmentTokenServer, not configured', () => {
  it('is not there', async () => {
    const running = await startWith(config, { USERS: users });
    try {
      await assert.rejects(fetchToken(`http://${running.addresses.http}`, 'open-1'), /404/);
    } finally {
      await running.stop();
    }
  });
});
