// livekit-client's TokenSource.endpoint and livekit-server-sdk's TokenVerifier on every way to serve the endpoint.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TokenSource } from 'livekit-client';
import { TokenVerifier } from 'livekit-server-sdk';
import { apiKey, apiSecret, deployments } from './programs.js';

const everything = {
  roomName: 'lobby',
  participantName: 'Alice "A" Ångström 👋',
  participantIdentity: 'alice',
  participantMetadata: '{"seat":7,"note":"line\\nbreak"}',
  participantAttributes: { lang: 'en', theme: 'dark' },
  agentName: 'assistant',
  agentMetadata: '{"model":"large"}',
};

const verifier = new TokenVerifier(apiKey, apiSecret);

// Each call is a new source, since a source keeps its last token.
const fetchToken = (url, options) => TokenSource.endpoint(url).fetch(options, true);

function post(url, body) {
  return fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
}

// Without what differs from token to token.
function comparable({ iat, nbf, exp, jti, ...claims }) {
  return { ...claims, lifetime: exp - nbf };
}

const seen = {};

for (const [name, deploy] of Object.entries(deployments)) {
  describe(name, () => {
    let running;
    before(async () => (running = await deploy()));
    after(async () => running?.stop());

    it('gives what TokenSource.endpoint asks for, and the server SDK verifies it', async () => {
      const { serverUrl, participantToken } = await fetchToken(running.url, everything);
      assert.equal(serverUrl, 'ws://127.0.0.1:7880');

      const claims = await verifier.verify(participantToken);
      assert.equal(claims.sub, 'alice');
      assert.equal(claims.name, everything.participantName);
      assert.equal(claims.metadata, everything.participantMetadata);
      assert.deepEqual(claims.attributes, everything.participantAttributes);
      assert.equal(claims.video.roomJoin, true);
      assert.equal(claims.video.room, 'lobby');
      for (const grant of ['canPublish', 'canSubscribe', 'canPublishData']) assert.notEqual(claims.video[grant], false);
      assert.deepEqual(claims.roomConfig, {
        agents: [{ agentName: everything.agentName, metadata: everything.agentMetadata }],
      });
      assert.equal(claims.exp - claims.nbf, 900);
      seen[name] = comparable(claims);
    });

    it('is refused by a verifier with another secret', async () => {
      const { participantToken } = await fetchToken(running.url, everything);
      await assert.rejects(new TokenVerifier(apiKey, `${apiSecret}.`).verify(participantToken));
    });

    it('makes up a room and an identity of their own for every empty request', async () => {
      const claims = [];
      for (let i = 0; i < 2; i++) {
        claims.push(await verifier.verify((await fetchToken(running.url, {})).participantToken));
      }
      for (const { sub, video } of claims) {
        assert.match(sub, /^guest-./);
        assert.match(video.room, /^room-./);
      }
      assert.notEqual(claims[0].sub, claims[1].sub);
      assert.notEqual(claims[0].video.room, claims[1].video.room);
    });

    it('takes the room_config that Swift, Android and Flutter always send', async () => {
      for (const [body, roomConfig] of [
        ['{"room_name":"lobby","room_config":{}}', [undefined, {}]],
        ['{"room_name":"lobby","room_config":{"agents":[]}}', [undefined, {}]],
        ['{"room_name":"lobby","room_config":{"agents":[{}]}}', [{ agents: [{}] }]],
      ]) {
        const response = await post(running.url, body);
        assert.equal(response.status, 201, body);
        assert.equal(response.headers.get('cache-control'), 'no-store');
        const answer = await response.json();
        assert.deepEqual(Object.keys(answer).sort(), ['participant_token', 'server_url']);
        const claims = await verifier.verify(answer.participant_token);
        assert.ok(
          roomConfig.some((one) => JSON.stringify(one) === JSON.stringify(claims.roomConfig)),
          `${body}: ${JSON.stringify(claims.roomConfig)}`,
        );
      }
    });

    it('tells the user of TokenSource.endpoint why, without repeating the request', async () => {
      const identity = 'x'.repeat(257);
      await assert.rejects(fetchToken(running.url, { participantIdentity: identity }), (error) => {
        assert.match(error.message, /400/);
        assert.match(error.message, /FIELD_TOO_LONG/);
        assert.ok(!error.message.includes(identity));
        return true;
      });
    });

    it('never signs credentials into roomConfig', async () => {
      const body = {
        room_config: { egress: { room: { file_outputs: [{ s3: { secret: 'hush', bucket: 'b' }, filepath: 'f' }] } } },
      };
      const response = await post(running.url, JSON.stringify(body));
      assert.equal(response.status, 403);
      const answer = await response.json();
      assert.equal(answer.reason, 'CREDENTIALS_IN_ROOM_CONFIG');
      assert.ok(!('server_url' in answer) && !('participant_token' in answer));
    });

    it('prints no token and no secret', async () => {
      const { participantToken } = await fetchToken(running.url, everything);
      for (const secret of [participantToken, participantToken.split('.')[2], apiSecret, everything.agentMetadata]) {
        assert.ok(!running.output().includes(secret));
      }
    });
  });
}

describe('all deployments', () => {
  it('sign the same claims', () => {
    assert.deepEqual(Object.keys(seen), Object.keys(deployments));
    const [first, ...others] = Object.values(seen);
    for (const other of others) assert.deepEqual(other, first);
  });
});

describe('LIVEKIT_URL', () => {
  it('is what clients are sent to', async () => {
    const running = await deployments.standalone({ LIVEKIT_URL: 'wss://example.livekit.cloud' });
    try {
      const { serverUrl } = await fetchToken(running.url, {});
      assert.equal(serverUrl, 'wss://example.livekit.cloud');
    } finally {
      await running.stop();
    }
  });
});
