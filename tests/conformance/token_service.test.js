// The gRPC service and livekit-server-sdk take each other's tokens.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AccessToken, RoomAgentDispatch, RoomConfiguration, TokenVerifier } from 'livekit-server-sdk';
import { apiKey, apiSecret, deployments } from './programs.js';
import { connect } from './service.js';

const sdkVerifier = new TokenVerifier(apiKey, apiSecret);

for (const name of ['standalone', 'gateway and server over a unix socket']) {
  describe(`TokenService, ${name}`, () => {
    let running;
    let service;
    before(async () => {
      running = await deployments[name]();
      service = connect(running.grpc);
    });
    after(async () => {
      service?.close();
      await running?.stop();
    });

    it('mints tokens that the server SDK verifies', async () => {
      const grants = {
        identity: 'recorder',
        name: 'Recorder',
        attributes: { lang: 'en' },
        video: { roomJoin: true, room: 'lobby', hidden: true, canPublish: false, canPublishSources: [] },
        roomConfig: { agents: [{ agentName: 'assistant' }] },
      };
      const minted = await service.mint({ grants, ttl: { seconds: 600 } });
      assert.equal(minted.keyId, apiKey);

      const claims = await sdkVerifier.verify(minted.token);
      assert.equal(claims.sub, 'recorder');
      assert.equal(claims.name, 'Recorder');
      assert.equal(claims.jti, minted.jti);
      assert.equal(claims.exp, minted.expireTime.seconds);
      assert.equal(claims.exp - claims.nbf, 600);
      assert.equal(claims.video.room, 'lobby');
      assert.equal(claims.video.hidden, true);
      assert.equal(claims.video.canPublish, false);
      assert.equal(claims.roomConfig.agents[0].agentName, 'assistant');
    });

    it('refuses a participant without a room, and says which field', async () => {
      await assert.rejects(service.mint({ grants: { identity: 'alice', video: { roomJoin: true } } }), (error) => {
        assert.equal(error.code, 3); // INVALID_ARGUMENT
        assert.ok(error.metadata.get('grpc-status-details-bin').length > 0);
        assert.ok(error.metadata.get('grpc-status-details-bin')[0].includes('video.room'));
        return true;
      });
    });

    it('verifies tokens that the server SDK mints', async () => {
      const sdkToken = new AccessToken(apiKey, apiSecret, { identity: 'bob', name: 'Bob', ttl: 600 });
      sdkToken.addGrant({ roomJoin: true, room: 'lobby', canPublish: false });
      sdkToken.roomConfig = new RoomConfiguration({
        agents: [new RoomAgentDispatch({ agentName: 'assistant', metadata: 'm' })],
      });
      const token = await sdkToken.toJwt();

      const { result, verified } = await service.verify({ token, check: 'JOIN' });
      assert.equal(result, 'verified');
      assert.equal(verified.keyId, apiKey);
      assert.equal(verified.grants.identity, 'bob');
      assert.equal(verified.grants.name, 'Bob');
      assert.equal(verified.grants.video.room, 'lobby');
      assert.equal(verified.grants.video.roomJoin, true);
      assert.equal(verified.grants.video.canPublish, false);
      assert.ok(!('canSubscribe' in verified.grants.video), 'what the token leaves open must stay open');
      assert.equal(verified.grants.roomConfig.agents[0].agentName, 'assistant');
      assert.equal(verified.grants.roomConfig.agents[0].metadata, 'm');
    });

    it('agrees with the server SDK on which tokens are bad', async () => {
      const make = (secret, ttl = 600) => {
        const sdkToken = new AccessToken(apiKey, secret, { identity: 'bob', ttl });
        sdkToken.addGrant({ roomJoin: true, room: 'lobby' });
        return sdkToken.toJwt();
      };
      const good = await make(apiSecret);
      const [header, payload, signature] = good.split('.');
      const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
      const cases = [
        ['SIGNATURE_INVALID', await make(`${apiSecret}.`)],
        ['SIGNATURE_INVALID', `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`],
        ['ALGORITHM_NOT_SUPPORTED', `${none}.${payload}.${signature}`],
        ['MALFORMED', `${none}.${payload}.`],
        ['MALFORMED', `${header}.${payload}`],
        ['EXPIRED', await make(apiSecret, '-2 hours')],
      ];
      for (const [reason, token] of cases) {
        await assert.rejects(sdkVerifier.verify(token), reason);
        const { result, rejection } = await service.verify({ token });
        assert.equal(result, 'rejection', reason);
        assert.equal(rejection.reason, reason);
      }
      await sdkVerifier.verify(good);
      assert.equal((await service.verify({ token: good })).result, 'verified');
    });
  });
}
